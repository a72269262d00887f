"""One peer as the speaker needs it: everything about the session, nothing about its routes."""

from __future__ import annotations

from dataclasses import dataclass

from terway_edge.backends.bgp.messages import Family
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret

BGP_PORT = 179


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """`name` is that of the BGPPeer object. Times are seconds.

    `hold_time` 0 means no keepalives at all. `connect_retry` is the longest pause between two attempts.
    `restart_time` 0 switches graceful restart off. `ttl_security`: the peer is at most so many hops away, 0: off
    (RFC 5082). `multihop`: TTL of what we send to an external peer, 0: 1.
    """

    name: str
    address: Address
    local_address: Address
    local_asn: int
    peer_asn: int
    router_id: int
    port: int = BGP_PORT
    password: Secret | None = None
    hold_time: int = 90
    keepalive: int | None = None
    connect_retry: float = 30.0
    restart_time: int = 600
    notification: bool = True
    ttl_security: int = 0
    multihop: int = 0
    families: tuple[Family, ...] = (Family.IPV4, Family.IPV6)

    @property
    def is_internal(self) -> bool:
        """True for iBGP: LOCAL_PREF is sent and our AS not prepended."""
        return self.local_asn == self.peer_asn


@dataclass(frozen=True, slots=True)
class Rebirth:
    """What our OPEN says of an earlier life (RFC 4724, section 4.1; rules in docs/explanation/graceful-restart.md).

    `restarting` (R): routes of an earlier process may be stale at the peer. `forwarding` (F): the node kept
    forwarding meanwhile, so the peer may keep them. `is_farewell`: no graceful restart at all, for a session opened
    only to end what an earlier one left.
    """

    restarting: bool = False
    forwarding: bool = True
    is_farewell: bool = False
