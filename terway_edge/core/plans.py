"""Changes to the kernel as plain data.

A `Plan` is a sequence of steps; each step is sent to one network namespace in one go. The same Plan is consumed by
the packed encoder, the pyroute2 encoder and `terway_edge.testing.FakeKernel`.

Rules every consumer may rely on:

* verbs: `ADD` fails if the item exists (EEXIST) and is undone by removing it; `REPLACE` creates or overwrites;
  `REMOVE` succeeds if the item is already gone;
* an atomic plan uses REPLACE only on links that it adds itself, so undoing it is removing what it added, in
  reverse order, and leaves nothing behind;
* a plan that is not atomic goes on after a failure and reports every failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix

PROTO = 158
"""rtnetlink protocol number on every route and rule of ours: the mark by which a new process knows its own."""
MIN_MTU6 = 1280
"""Bytes; a link with less has no IPv6 at all (RFC 8200, section 5)."""
MAIN = 254
"""The main routing table (RT_TABLE_MAIN)."""
COVER_METRIC = 4294967295
"""Metric of the cover route: the lowest preference there is, so that any other route wins."""

Netns = str | int
"""A network namespace: a path, an open descriptor, or HOST."""
HOST: Netns = ""


class Verb(IntEnum):
    ADD = 1
    REPLACE = 2
    REMOVE = 3


class RouteKind(StrEnum):
    UNICAST = "unicast"
    UNREACHABLE = "unreachable"


class Veth(NamedTuple):
    """A veth pair, both ends down: the host end here, the pod end born in `netns`. Only ADD.

    `link` and `peer_link` are the interface indexes, chosen by the caller: nothing need be read back.
    """

    name: str
    link: int
    mac: bytes
    alias: str
    mtu: int
    netns: Netns
    peer_name: str
    peer_link: int
    peer_mac: bytes


class LinkSetting(NamedTuple):
    """State of an existing link; None leaves a property as it is. Only REPLACE.

    `conf4` are (IPV4_DEVCONF_* number, value) pairs set through IFLA_INET_CONF, which needs no writable /proc/sys.
    `addr_gen_none` keeps the kernel from making IPv6 link-local addresses, and is refused where there is no IPv6.
    `mac` is 6 bytes.
    """

    link: int
    up: bool | None = None
    mtu: int | None = None
    conf4: tuple[tuple[int, int], ...] = ()
    addr_gen_none: bool = False
    mac: bytes | None = None


class LinkAddress(NamedTuple):
    """An address on a link; IPv6 ones skip duplicate address detection (we own the address)."""

    link: int
    address: Address
    length: int


class Neighbour(NamedTuple):
    """A permanent neighbour entry."""

    link: int
    address: Address
    mac: bytes


class FibRoute(NamedTuple):
    """A route of the kernel. `link` 0 = none (unreachable); `metric` 0 = the family's default.

    A dump gives back an equal tuple for what was added, so a delta is a set difference.
    """

    prefix: Prefix
    via: Address | None = None
    link: int = 0
    onlink: bool = False
    kind: RouteKind = RouteKind.UNICAST
    metric: int = 0
    table: int = MAIN
    proto: int = PROTO
    src: Address | None = None


class Rule(NamedTuple):
    """A policy routing rule.

    To the kernel a missing `src` or `dst` is a wildcard when it looks for an existing rule: give every priority one
    shape, or a REPLACE may take another rule for the wanted one and a REMOVE may remove it.
    """

    priority: int
    table: int
    src: Prefix | None = None
    dst: Prefix | None = None
    family: int = 4
    proto: int = PROTO


class Sysctl(NamedTuple):
    """A file below /proc/sys/net, for example `ipv6/conf/eth0/accept_ra`. Only REPLACE.

    With `when`, it is written only if it now holds that value.
    """

    path: str
    value: str
    when: str = ""


class Setting(NamedTuple):
    """A switch of a link as a notification tells it, `key` being forwarding or rp_filter; `link` 0 is that of `all`."""

    link: int
    family: int
    key: str
    value: int


class Shaping(NamedTuple):
    """Token bucket at a link's root: `rate` bytes/s, `burst` and `limit` bytes (tc-tbf(8)). Only REPLACE."""

    link: int
    rate: int
    burst: int
    limit: int


Item = Veth | LinkSetting | LinkAddress | Neighbour | FibRoute | Rule | Sysctl | Shaping


class Change(NamedTuple):
    verb: Verb
    item: Item


class Step(NamedTuple):
    """Changes in one namespace, in order."""

    netns: Netns
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    atomic: bool = True


class Failure(NamedTuple):
    """A change the kernel refused: `errno` as in errno(3), `message` its extended acknowledgement if any."""

    change: Change
    errno: int
    message: str


class Link(NamedTuple):
    """A link as a dump shows it; items name it by `ifindex`.

    `kind` is empty for physical links; `carrier` is the operational state.
    """

    ifindex: int
    name: str
    mac: bytes
    mtu: int
    up: bool
    carrier: bool
    kind: str
    alias: str
    group: int
    loopback: bool = False


class Where(NamedTuple):
    """Filter of a dump; None and 0 do not filter. Filters that do not apply to the kind asked for are ignored."""

    netns: Netns = HOST
    family: int = 0
    table: int | None = None
    proto: int | None = None
    link: int = 0
