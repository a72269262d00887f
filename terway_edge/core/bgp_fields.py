"""Types of the fields of a BGPPeer, beside those of `core.fields`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema

from terway_edge.core.addresses import Address
from terway_edge.core.communities import WELL_KNOWN, parse_community
from terway_edge.core.fields import IpAddress
from terway_edge.core.node_selector import NodeSelector, parse_node_selector
from terway_edge.core.object_names import is_object_name
from terway_edge.core.unusable import unusable

AS_TRANS = 23456  # stands for larger numbers where only two octets fit (RFC 6793)
LAST_16_BIT_AS, LAST_32_BIT_AS = 65535, 4294967295  # reserved by RFC 7300
MAX_COMMUNITIES = 64


def _asn(value: int) -> int:
    if not 0 < value < LAST_32_BIT_AS or value == AS_TRANS:
        raise ValueError(f"expected an AS number, 1..{LAST_32_BIT_AS - 1} except {AS_TRANS}, which is reserved")
    return value


def _peer_asn(value: int) -> int:
    if value == LAST_16_BIT_AS:
        raise ValueError(f"expected the AS number of a switch: {LAST_16_BIT_AS} is reserved")
    return _asn(value)


def _unicast(value: Address) -> Address:
    if around := unusable(value.host):
        raise ValueError(f"expected the address of a host: {around} holds none")
    return value


def _node_name(value: str) -> str:
    if not is_object_name(value):
        raise ValueError("expected the name of a Node, such as edge-1.example")
    return value


def _secret_name(value: str) -> str:
    if not is_object_name(value):
        raise ValueError("expected the name of a Secret in namespace kube-system")
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"expected each of them once; remove one {twice!r}")
    return values


def _speakers(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("expected the name of at least one Node")
    return _distinct(values)


def _communities(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > MAX_COMMUNITIES:
        raise ValueError(f"expected at most {MAX_COMMUNITIES} of them")
    return _distinct(values)


def _community(value: str) -> str:
    """Without zeros in front of numbers."""
    parse_community(value)
    return value if value in WELL_KNOWN else ":".join(str(int(part)) for part in value.split(":"))


def _node_selector(value: object) -> NodeSelector:
    if not isinstance(value, str):
        raise ValueError("expected a selector in one text, such as zone=a or all()")
    return parse_node_selector(value)


Integer = Annotated[int, Strict()]
Boolean = Annotated[bool, Strict()]
Asn = Annotated[Integer, AfterValidator(_asn)]
PeerAsn = Annotated[Integer, AfterValidator(_peer_asn)]
HostAddress = Annotated[IpAddress, AfterValidator(_unicast)]
Speakers = Annotated[tuple[Annotated[str, AfterValidator(_node_name)], ...], AfterValidator(_speakers)]
Communities = Annotated[tuple[Annotated[str, AfterValidator(_community)], ...], AfterValidator(_communities)]
SecretName = Annotated[str, AfterValidator(_secret_name)]
SecretKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
NodeSelectorText = Annotated[
    NodeSelector,
    PlainValidator(_node_selector),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["all()", "alibabacloud.com/nodepool-id=npxxx"]}),
]
