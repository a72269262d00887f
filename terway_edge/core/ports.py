"""What the core needs of the world. The agent injects the real ones, tests the fakes of `terway_edge.testing`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Lease, Node
from terway_edge.core.names import Key
from terway_edge.core.plans import (
    Failure,
    FibRoute,
    Link,
    LinkAddress,
    Neighbour,
    Netns,
    Plan,
    Rule,
    Setting,
    Sysctl,
    Where,
)
from terway_edge.core.secret import Secret

if TYPE_CHECKING:  # the settings' library, which not every process needs
    from terway_edge.core.bgp_peer import BgpPeer, SecretRef

Json = bool | int | float | str | None | Sequence["Json"] | Mapping[str, "Json"]
Dumped = TypeVar("Dumped", FibRoute, Link, LinkAddress, Neighbour, Rule)


class Happening(StrEnum):
    """What a `KernelEvent` tells."""

    ROUTE_REMOVED = "route removed"
    ROUTE_ADDED = "route added"
    RULE_REMOVED = "rule removed"
    NEIGHBOUR_REMOVED = "neighbour removed"
    ADDRESS_CHANGED = "address changed"
    LINK_CHANGED = "link changed"
    SETTING_CHANGED = "setting changed"
    OVERRUN = "overrun"


class KernelEvent(NamedTuple):
    """A change in the host namespace made by somebody else. OVERRUN: events were lost, look at everything.

    Of a removed neighbour the kernel tells neither the MAC, which is empty here, nor who removed it: our own removals
    are told as well. Of settings it is told that forwarding was switched off or rp_filter on, whoever did that; other
    sysctls change without an event.
    """

    what: Happening
    item: FibRoute | Rule | Neighbour | LinkAddress | Link | Setting | None = None


class Closable(Protocol):
    def close(self) -> None: ...


class Kernel(Protocol):
    """The host's network stack, coarse on purpose. Every method may be called from any thread and may block."""

    def apply(self, plan: Plan) -> tuple[Failure, ...]:
        """Make the changes. An atomic plan raises KernelError after undoing everything, or returns ();
        one that is not atomic returns the failures. What an atomic plan plugged in takes packets, and can send them,
        when this returns."""

    def dump(self, kind: type[Dumped], where: Where = Where()) -> list[Dumped]:  # noqa: B008 - an immutable tuple
        """What the kernel has now. Raises KernelError."""

    def deviations(self, wanted: Iterable[Sysctl]) -> list[Sysctl]:
        """Those of the host's sysctls that have another value, or the one that `when` says. What is not there does not
        count. Raises KernelError."""

    def prove(self, netns: Netns) -> None:
        """Raises Refused, code INVALID_NETNS, if there is no network namespace that a pod may be in: none at all, or
        the host's own. Changes nothing, and costs next to nothing."""

    def unplug(self, keys: Iterable[Key]) -> None:
        """Delete the veths of these sandboxes soon, in the background, after proving by name and alias that each
        is ours. A missing link is success."""

    def forget(self, addresses: Iterable[Address]) -> None:
        """Drop the connection tracking entries of these addresses soon, in the background, after the unplugs asked
        for before. A pod that gets such an address within that time, by a cool-down of 0, may lose entries
        of its own. No error is ever raised: what stays expires."""

    def settle(self) -> None:
        """Wait until all that was asked for with unplug and forget so far is done."""

    def subscribe(self, listener: Callable[[KernelEvent], None]) -> Closable:
        """Call `listener` from a thread of the kernel's own for changes that others make, until closed."""


class Masquerade(NamedTuple):
    """Packets from `sources` leave with the node's address unless they go to one of `direct`."""

    sources: tuple[Prefix, ...] = ()
    direct: tuple[Prefix, ...] = ()


class Forward(NamedTuple):
    """Packets to a port of this node that go to a port of a pod instead; `protocol` is tcp, udp or sctp.

    `address` is the node's address that it holds for; None: every one of the pod's family, but for loopback. With
    `masquerade` the pod sees the node as the sender of what comes from other hosts, and so answers by the node.
    """

    protocol: str
    port: int
    address: Address | None
    to: Address
    to_port: int
    masquerade: bool = False


class Source(NamedTuple):
    """What may come in by a pod's link: frames with this MAC, with packets from this address."""

    link: str
    mac: bytes
    address: Address


class Firewall(Protocol):
    """Our own packet filter table; nobody else's is ever touched. Thread-safe."""

    def set_masquerade(self, wanted: Masquerade | None) -> None:
        """Masquerade exactly this, None: nothing; equal input writes nothing. Forwards stay. Raises KernelError."""

    def mend_masquerade(self) -> bool:
        """Put right what others changed of masquerading; whether there was something. Raises KernelError."""

    def set_forwards(self, wanted: Collection[Forward]) -> None:
        """Forward exactly this; only what differs from the last call, or from the kernel at the first, is written.
        All or nothing. Raises KernelError, with errno ENOENT if the node lacks what it takes to make a table."""

    def forwards(self) -> frozenset[Forward]:
        """What is really in force, read from the kernel; nothing while rules of ours are missing or not as they were.
        Raises KernelError."""

    def set_sources(self, wanted: Collection[Source] | None) -> None:
        """By links of ours let in exactly this, and nothing that configures neighbours (router advertisements,
        redirects, replies of DHCP) or chooses its way (IPv4 options, type 0 routing headers); None: everything.
        At no moment does anything else pass, or is anything of it dropped, that was not before. Raises KernelError."""

    def admit(self, sources: Collection[Source]) -> None:
        """Let these in, too. All or nothing. Raises KernelError, ENOENT if set_sources() has not made the rules or
        others removed them."""

    def dismiss(self, sources: Collection[Source]) -> None:
        """Let these in no more; missing ones are success. All or nothing. Raises KernelError."""

    def sources(self) -> frozenset[Source] | None:
        """What is really let in, read from the kernel; None while rules of ours are missing or not as they were,
        or something of a source alone is. Raises KernelError."""

    def watch(self, changed: Callable[[], None]) -> Closable:
        """Call `changed` from a thread of the firewall's own when others have changed a table of ours, or may have,
        until closed. Raises KernelError."""

    def remove(self) -> None:
        """Remove our tables; missing ones are success."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since boot, suspend included (CLOCK_BOOTTIME); never steps."""


class Cooling(NamedTuple):
    """An address that was released and by whose pod; not given to another pod before its cool-down is over."""

    address: Address
    pool: str
    pod_uid: str
    released_at: float


class Stored(NamedTuple):
    """What a store held when it was opened. `damage` says what was lost, empty if nothing."""

    leases: tuple[Lease, ...] = ()
    cooling: tuple[Cooling, ...] = ()
    damage: str = ""


class Store(Protocol):
    """Durable memory of leases: what returned survives SIGKILL, not a power cut (docs/explanation/decisions.md)."""

    def put(self, lease: Lease) -> None:
        """Raises Retry if the record cannot be written; then nothing was recorded."""

    def release(self, lease: Lease, released_at: float) -> None:
        """Forget the lease and remember the cool-down of its addresses. Raises as put()."""


class Severity(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class Event(NamedTuple):
    """Something that happened, for people: shaped as a Kubernetes Event about the object named `subject`."""

    reason: str
    subject: str
    message: str
    severity: Severity = Severity.NORMAL


class Events(Protocol):
    def emit(self, event: Event) -> None:
        """Never raises and never blocks for long."""


class StatusEntry(NamedTuple):
    """One entry of the list in an object's status, which has one for each writer, by `key`: the writer's node name.

    Of a Node the list is that of its conditions, and the key a condition's type: `value` has type, status ("True",
    "False"), reason and message; times are added by who writes it. `value` None removes the entry.
    """

    kind: str
    name: str
    key: str
    value: Mapping[str, Json] | None


class ConfigMaps(Protocol):
    """The ConfigMaps of namespace kube-system that concern networking."""

    def __call__(self, name: str) -> Mapping[str, object] | None:
        """The `data` of one; None if there is none of that name."""


def no_config_maps(name: str) -> None:
    """`ConfigMaps` of a cluster that has none."""


class Statuses(Protocol):
    def write_status(self, entry: StatusEntry) -> None:
        """Never raises and never blocks for long; an entry that is there already is not written again."""


class Annotation(NamedTuple):
    """One annotation of an object, written where people and schedulers look. `kind` is Node or Pod, `namespace` empty
    for a Node.

    `value` None removes it. `uid`, if known, is that of the object meant: a later one of the same name is left alone.
    """

    kind: str
    name: str
    namespace: str
    key: str
    value: str | None
    uid: str = ""


class Annotations(Protocol):
    def write_annotation(self, annotation: Annotation) -> None:
        """Never raises and never blocks for long; what is there already is not written again. Annotations with other
        keys stay as they are."""


class NoAnnotations:
    """`Annotations` of a cluster that takes none."""

    def write_annotation(self, annotation: Annotation) -> None:
        """Nothing."""


class Problem(NamedTuple):
    """An input that could not be used; the last good object stays in force. `reason` is that of its condition."""

    where: str
    message: str
    reason: str = "InvalidObject"


class Snapshot(NamedTuple):
    """The cluster's objects as last seen. `in_sync` is False while the first listing of Nodes is not complete,
    `peers_in_sync` while that of BGPPeers is not. `is_live` is False while something of it is what an earlier process
    saw last, which may be old.

    `secrets` are those that some BGPPeer refers to, as far as they exist and can be used. `config_maps` are the `data`
    of those of namespace kube-system that the source knows, by name.
    """

    nodes: tuple[Node, ...] = ()
    problems: tuple[Problem, ...] = ()
    in_sync: bool = True
    peers: tuple[BgpPeer, ...] = ()
    secrets: Mapping[SecretRef, Secret] = MappingProxyType({})
    peers_in_sync: bool = True
    config_maps: Mapping[str, Mapping[str, object]] = MappingProxyType({})
    is_live: bool = True


class ClusterSource(Events, Statuses, Annotations, Protocol):
    """Where cluster objects come from (a directory of manifests, or the Kubernetes API), and where people look for
    events, status and annotations."""

    def load(self) -> Snapshot:
        """The first snapshot; blocks until one can be had. Raises Refused if the source is unusable."""

    def watch(self, changed: Callable[[Snapshot], None]) -> Closable:
        """Call `changed` from a thread of the source's own with every new whole snapshot, until closed."""
