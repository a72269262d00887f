"""One node at one moment, as plain data: what each of those says who must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from terway_edge.core.names import Key

Leases = Mapping[Key, frozenset[str]]
"""Addresses by attachment, as `str(Address)` writes them."""


class PodLink(NamedTuple):
    """A link on the host whose name is of our form; `alias` is the proof that it is ours, and whose."""

    name: str
    alias: str
    up: bool


class HostRoute(NamedTuple):
    """A route of ours in the main table that leads to one address over a link."""

    address: str
    link: str


class Neighbour(NamedTuple):
    """A permanent neighbour entry on a link whose name is of our form; `mac` is hexadecimal with colons."""

    address: str
    link: str
    mac: str


class PodRule(NamedTuple):
    """A rule of ours about one address: packets from it, or to it, use a table."""

    priority: int
    source: bool
    address: str
    table: int


class Source(NamedTuple):
    """What anti-spoofing lets through: an address, from a link with a MAC."""

    address: str
    link: str
    mac: str


class Sight(NamedTuple):
    """What of ours the kernel has. `sources` is empty where no rule asks for them; `forwards` are the pods' addresses
    that ports of the node lead to, `tracked` the addresses of connections it tracks. `settings` are sysctls of IPv4 by
    their name, of a link as `LINK/rp_filter`."""

    links: frozenset[PodLink]
    routes: frozenset[HostRoute]
    neighbours: frozenset[Neighbour]
    rules: frozenset[PodRule] = frozenset()
    sources: frozenset[Source] = frozenset()
    forwards: frozenset[str] = frozenset()
    tracked: frozenset[str] = frozenset()
    settings: Mapping[str, str] = {}


class PoolBook(NamedTuple):
    """How many addresses of a pool are in which state."""

    size: int
    free: int
    used: int
    cooling: int
    reserved: int
    unavailable: int = 0


class Reuse(NamedTuple):
    """An address that one pod gave back and another one got, at most `distance` seconds later."""

    address: str
    before: Key
    after: Key
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is None, or empty by default, was not looked at, and nothing is said about it.

    `live` are attachments that the runtime believes in, with the addresses it was told; `unsure` those whose last
    call's end nobody saw, and which may have a lease or none; `partial` those among the leases whose datapath need not
    be there, as their namespace went without a DEL. `ported` are attachments that asked for ports of the node;
    `is_guarded` says whether pods may send from their own addresses only. `inside` are the addresses that live
    attachments have in their own namespaces. `replayed` is what the store's file leads to, `damage` what is unreadable
    in it. `cloud` says by which table packets from each address leave that the cloud gave to this instance.
    """

    live: Leases
    leases: Leases
    sight: Sight | None = None
    unsure: frozenset[Key] = frozenset()
    partial: frozenset[Key] = frozenset()
    ported: frozenset[Key] | None = None
    is_guarded: bool = False
    inside: Leases | None = None
    replayed: Leases | None = None
    damage: str = ""
    pools: Mapping[str, PoolBook] = field(default_factory=dict)
    owned: frozenset[str] | None = None
    advertised: frozenset[str] = frozenset()
    reuses: tuple[Reuse, ...] = ()
    cooldown: float = 0.0
    cloud: Mapping[str, int] | None = None


class Breach(NamedTuple):
    """An invariant (I1 to I8) that does not hold: of which object, what is seen, and where to look."""

    invariant: str
    subject: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.what}; {self.remedy}"
