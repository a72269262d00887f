"""What two OPENs agree on, and what ours says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from terway_edge.backends.bgp.capabilities import Capability
from terway_edge.backends.bgp.codec import MAX_EXTENDED, MAX_SIZE
from terway_edge.backends.bgp.errors import Code, ProtocolError
from terway_edge.backends.bgp.messages import AS_TRANS, Capabilities, Family, GracefulRestart, Open
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.core.addresses import Address


class Offer(Enum):
    """How many capabilities our OPEN has: fewer for a peer that cannot bear them (RFC 5492, section 3)."""

    ALL = "all"
    NEEDED = "families and four-octet AS number"
    NONE = "none"

    @property
    def fewer(self) -> Offer:
        """What to try after a refusal; everything again if it was not the capabilities."""
        return {Offer.ALL: Offer.NEEDED, Offer.NEEDED: Offer.NONE}.get(self, Offer.ALL)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What holds for a session. Times are seconds, 0: none.

    `peer` is the peer's OPEN. `extended`: messages may be longer than 4096 octets (RFC 8654). `graceful_restart` is
    what the peer says of it, None unless both sides do it; `notification`: also after a NOTIFICATION (RFC 8538).
    `route_refresh`: the peer may ask for everything again.
    """

    peer: Open
    families: tuple[Family, ...]
    hold_time: int
    keepalive: float
    four_octet: bool
    extended: bool
    graceful_restart: GracefulRestart | None
    notification: bool
    route_refresh: bool

    @property
    def limit(self) -> int:
        """The longest message that may be sent, in octets."""
        return MAX_EXTENDED if self.extended else MAX_SIZE


def our_open(spec: PeerSpec, rebirth: Rebirth, offer: Offer) -> Open:
    asn = spec.local_asn if spec.local_asn <= 0xFFFF else AS_TRANS
    return Open(asn, spec.hold_time, spec.router_id, _capabilities(spec, rebirth, offer))


def negotiate(spec: PeerSpec, ours: Open, theirs: Open) -> Negotiated:
    """Raises ProtocolError 2/2, 2/3 or 2/7 if there can be no session."""
    _check_asn(spec, theirs)
    if spec.is_internal and theirs.router_id == spec.router_id:
        router_id = Address(4, spec.router_id)
        raise ProtocolError(Code.OPEN, 3, f"it has this speaker's router id {router_id}; give one of them another")
    hold_time = min(ours.hold_time, theirs.hold_time)
    mine, other = ours.capabilities, theirs.capabilities
    restart = other.graceful_restart if mine.graceful_restart else None
    return Negotiated(
        peer=theirs,
        families=_common_families(spec, ours, theirs),
        hold_time=hold_time,
        keepalive=_keepalive(spec, hold_time),
        four_octet=mine.four_octet_asn is not None and other.four_octet_asn is not None,
        extended=mine.extended_message and other.extended_message,
        graceful_restart=restart,
        notification=restart is not None and restart.notification and spec.notification,
        route_refresh=mine.route_refresh and other.route_refresh,
    )


def _capabilities(spec: PeerSpec, rebirth: Rebirth, offer: Offer) -> Capabilities:
    if offer is Offer.NONE:
        return Capabilities()
    if offer is Offer.NEEDED:
        return Capabilities(spec.families, spec.local_asn)
    restart = GracefulRestart(
        spec.restart_time,
        spec.families,
        forwarding=spec.families if rebirth.forwarding else (),
        restarting=rebirth.restarting,
        notification=spec.notification,
    )
    return Capabilities(
        spec.families,
        spec.local_asn,
        route_refresh=True,
        extended_message=True,
        graceful_restart=None if rebirth.is_farewell or not spec.restart_time else restart,
    )


def _check_asn(spec: PeerSpec, theirs: Open) -> None:
    """The true number is the capability's; AS_TRANS in the field goes with any (RFC 6793, section 4.1)."""
    wide = theirs.capabilities.four_octet_asn
    asn = theirs.asn if wide is None else wide
    if asn != spec.peer_asn:
        text = f"it is in AS {asn}, not in peerAsNumber {spec.peer_asn}; correct the BGPPeer or the switch"
        raise ProtocolError(Code.OPEN, 2, text)
    if theirs.asn not in (asn, AS_TRANS):
        text = f"it says that it is in AS {theirs.asn} and in AS {asn}; its software is at fault"
        raise ProtocolError(Code.OPEN, 2, text)


def _common_families(spec: PeerSpec, ours: Open, theirs: Open) -> tuple[Family, ...]:
    mine, other = _families(ours), _families(theirs)
    common = tuple(family for family in mine if family in other)
    if not common:
        names = " or ".join(family.name for family in mine)
        text = f"it does not speak {names} unicast with this speaker; activate the family there"
        raise ProtocolError(Code.OPEN, 7, text, b"".join(_multiprotocol(family) for family in mine))
    return common


def _families(message: Open) -> tuple[Family, ...]:
    """Who says nothing of families speaks IPv4 (RFC 4760, section 8)."""
    capabilities = message.capabilities
    is_silent = not capabilities.families and all(code != Capability.MULTIPROTOCOL for code, _ in capabilities.others)
    return (Family.IPV4,) if is_silent else capabilities.families


def _multiprotocol(family: Family) -> bytes:
    """The capability that we miss, as RFC 5492, section 3 wants to have it told."""
    afi, safi = family.value
    return bytes((Capability.MULTIPROTOCOL, 4, 0, afi, 0, safi))


def _keepalive(spec: PeerSpec, hold_time: int) -> float:
    third = hold_time / 3
    return third if spec.keepalive is None else min(float(spec.keepalive), third)
