"""Changes of an ENI that take their time."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.testing.openapi.action import Call
from terway_edge.testing.openapi.records import Eni, EniStatus, Instance


def attach(call: Call, eni: Eni, instance: Instance) -> None:
    """Attaching, then InUse; Available again if it fails."""
    bound = replace(eni, instance=instance.id)
    change = call.cloud.change_in(call.cloud.site.pace.attach, EniStatus.IN_USE)
    call.cloud.put(replace(bound, status=EniStatus.ATTACHING, change=call.bent.change(change, EniStatus.AVAILABLE)))


def detach(call: Call, eni: Eni) -> None:
    """Detaching, then Available; InUse again if it fails."""
    change = call.cloud.change_in(call.cloud.site.pace.detach, EniStatus.AVAILABLE)
    call.cloud.put(replace(eni, status=EniStatus.DETACHING, change=call.bent.change(change, EniStatus.IN_USE)))


def delete(call: Call, eni: Eni) -> None:
    """Deleting, then gone; Available again if it fails. Its addresses are free when it is gone."""
    change = call.cloud.change_in(call.cloud.site.pace.delete, "")
    call.cloud.put(replace(eni, status=EniStatus.DELETING, change=call.bent.change(change, EniStatus.AVAILABLE)))
