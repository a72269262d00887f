"""What ECS and ENS have in common."""

from __future__ import annotations

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, EniKind, EniStatus

_STATUSES = {str(each): each for each in EniStatus}
_KINDS = {str(each): each for each in EniKind}


def status_of(text: str) -> EniStatus:
    return _STATUSES.get(text, EniStatus.UNKNOWN)


def kind_of(text: str) -> EniKind:
    return _KINDS.get(text, EniKind.UNKNOWN)


def gateway_of(cidr: Prefix, place: int) -> Address:
    """The nearest address of a CIDR that is too small to have that one.

    :param place: counted from the first address of the CIDR, or if negative back from its last
    """
    value = (cidr.first if place >= 0 else cidr.last) + place
    return Address(cidr.family, min(max(value, cidr.first), cidr.last))


def is_bound(eni: Eni | None, instance: str) -> bool:
    """Whether attaching to the instance was asked for, and did not fail."""
    return eni is not None and eni.instance == instance and eni.status in (EniStatus.ATTACHING, EniStatus.IN_USE)


def is_loose(eni: Eni | None, instance: str) -> bool:
    """Whether there is nothing to detach from the instance any more."""
    return eni is None or eni.instance != instance or eni.status is EniStatus.DETACHING
