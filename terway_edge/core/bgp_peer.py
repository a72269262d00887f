"""The BGPPeer resource (network.openyurt.io/v1alpha1): which nodes speak BGP with which switch, and about what.

Manifests write the keys in camelCase, and a key that is null counts as absent; Python code uses the names below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel

from terway_edge.core.addresses import Address
from terway_edge.core.bgp_fields import (
    LAST_16_BIT_AS,
    LAST_32_BIT_AS,
    Asn,
    Boolean,
    Communities,
    HostAddress,
    Integer,
    NodeSelectorText,
    PeerAsn,
    SecretKey,
    SecretName,
    Speakers,
)
from terway_edge.core.config_error import faults
from terway_edge.core.selectors import Selector

PRIVATE_AS = (range(64512, LAST_16_BIT_AS), range(4200000000, LAST_32_BIT_AS))  # RFC 6996


class InvalidSpec(ValueError):
    """A BGPPeer that cannot be used; `faults` are (field, what is wrong with it and what to do)."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{field}: {message}" for field, message in faults))
        self.faults = tuple(faults)


class Part(BaseModel):
    """Frozen and hashable; unknown keys are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, Mapping) else value


class SecretRef(Part):
    """A key of a Secret in namespace kube-system."""

    name: SecretName = Field(description="name of a Secret in namespace kube-system")
    key: SecretKey = Field(description="key in the data of that Secret")

    def __str__(self) -> str:
        return f"key {self.key} of Secret kube-system/{self.name}"


class AuthPassword(Part):
    secret_key_ref: SecretRef = Field(repr=False, description="where the password is: name and key of a Secret")


class GracefulRestart(Part):
    restart_time_seconds: Integer = Field(
        600, ge=1, le=4095, description="seconds that the switch keeps routes while a speaker is away, 1..4095"
    )
    notification: Boolean = Field(
        True, description="whether a NOTIFICATION and an expired hold time keep routes too (RFC 8538)"
    )


class BgpPeerSpec(Part):
    """A LAN's speakers, their switch, and the nodes whose pod CIDRs they announce to it."""

    local_speakers: Speakers = Field(
        description="names of the Nodes that speak BGP for the LAN; at least two, better three"
    )
    local_as_number: Asn = Field(description="AS number of the speakers, private ones are 64512..65534")
    peer_ip: HostAddress = Field(alias="peerIP", description="address of the LAN gateway or Layer 3 switch")
    peer_as_number: PeerAsn = Field(description="AS number of the LAN gateway or Layer 3 switch")
    gateway: HostAddress | None = Field(
        None, description="next hop of the selected nodes towards other LANs; else peerIP if that is in the LAN"
    )
    node_selector: NodeSelectorText = Field(
        Selector(), description="which nodes are in this AS: a label selector or all()"
    )
    auth_password: AuthPassword | None = Field(
        None, repr=False, description="reference to the session's password; absent: no authentication"
    )
    graceful_restart: GracefulRestart = Field(GracefulRestart(), description="how the switch treats a restart")
    hold_time_seconds: Integer = Field(
        90, ge=0, le=65535, description="seconds without a message that end a session, 3..65535; 0: never"
    )
    keepalive_seconds: Integer | None = Field(
        None, ge=1, description="seconds between keepalives, at most a third of holdTimeSeconds; absent: a third"
    )
    connect_retry_seconds: Integer = Field(
        30, ge=1, le=65535, description="longest pause in seconds between attempts to connect, 1..65535"
    )
    ttl_security: Integer = Field(
        0, ge=0, le=254, description="hops that the switch is away at most (RFC 5082), 1..254; 0: not checked"
    )
    ebgp_multihop: Integer = Field(
        0, ge=0, le=255, description="TTL towards a switch that is not in the LAN, 1..255; 0: it is in the LAN"
    )
    communities: Communities = Field((), description="communities of all routes, such as 65010:100 or 65010:1:2")

    @field_validator("gateway")
    @classmethod
    def _one_family(cls, value: Address | None, info: ValidationInfo) -> Address | None:
        peer = info.data.get("peer_ip")
        if value and peer and value.family != peer.family:
            raise ValueError(f"expected an IPv{peer.family} address, as peerIP is one")
        return value

    @field_validator("hold_time_seconds")
    @classmethod
    def _hold_time(cls, value: int) -> int:
        if value in (1, 2):
            raise ValueError("expected 0 or at least 3 (RFC 4271, section 4.2)")
        return value

    @field_validator("keepalive_seconds")
    @classmethod
    def _a_third(cls, value: int | None, info: ValidationInfo) -> int | None:
        hold = info.data.get("hold_time_seconds", LAST_16_BIT_AS)
        if value and hold == 0:
            raise ValueError("expected none, for holdTimeSeconds 0 means no keepalives; remove it")
        if value and 3 * value > hold:
            raise ValueError(f"expected at most {hold // 3}, a third of holdTimeSeconds")
        return value

    @field_validator("ebgp_multihop")
    @classmethod
    def _not_both(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("ttl_security"):
            raise ValueError("expected 0, for ttlSecurity is set and each chooses the TTL; remove one of them")
        return value


def parse_spec(spec: object) -> BgpPeerSpec:
    """The `spec` of a manifest. Raises InvalidSpec, whose fields start with `spec`."""
    try:
        return BgpPeerSpec.model_validate(spec, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidSpec(faults(error, BgpPeerSpec, "spec")) from None


@dataclass(frozen=True, slots=True)
class BgpPeer:
    """`created` is the object's creation time as Kubernetes writes it (RFC 3339, UTC), empty if it has none."""

    name: str
    created: str
    spec: BgpPeerSpec
    uid: str = ""

    @property
    def subject(self) -> str:
        """What events and conditions call it."""
        return f"BGPPeer/{self.name}"

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and yet seldom meant: one sentence each, with what to do."""
        return tuple(_warnings(self.spec))


def _warnings(spec: BgpPeerSpec) -> Iterator[str]:
    if len(spec.local_speakers) == 1:
        yield (
            "there is one speaker only: the switch forgets all routes if it is away for longer than "
            f"{spec.graceful_restart.restart_time_seconds} s; name a second one in localSpeakers, better a third"
        )
    if "node_selector" not in spec.model_fields_set:
        yield "there is no nodeSelector, which selects all nodes; write all() if that is meant"
    if spec.local_as_number == LAST_16_BIT_AS:
        yield f"localAsNumber {LAST_16_BIT_AS} is reserved, and switches may refuse it; take one of 64512..65534"
    elif not any(spec.local_as_number in private for private in PRIVATE_AS):
        yield (
            f"localAsNumber {spec.local_as_number} is a public AS number; if it is not yours, "
            "take one of 64512..65534 or 4200000000..4294967294"
        )
    if spec.ebgp_multihop and spec.local_as_number == spec.peer_as_number:
        yield "ebgpMultihop means nothing if both sides are in one AS; remove it"
    if not spec.hold_time_seconds:
        yield "holdTimeSeconds 0 means that a switch that died is never noticed; give at least 3"
