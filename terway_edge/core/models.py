"""The values that travel between hooks, core and ports. All are immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.names import Key
from terway_edge.core.secret import Secret

if TYPE_CHECKING:  # the settings' library, which not every process needs
    from terway_edge.core.bgp_peer import BgpPeer, SecretRef


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A pod's limits; rates in bit/s, bursts in bit (CNI convention "bandwidth"); 0 means unlimited."""

    ingress_rate: int = 0
    ingress_burst: int = 0
    egress_rate: int = 0
    egress_burst: int = 0


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of the node that leads to one of the pod's (CNI convention "portMappings").

    `protocol` is tcp, udp or sctp. `host_ip` is the one address of the node that the mapping holds for; None means
    all of them, 0.0.0.0 or :: all of that family.
    """

    host_port: int
    container_port: int
    protocol: str = "tcp"
    host_ip: Address | None = None

    def __str__(self) -> str:
        where = "" if self.host_ip is None else f" of {self.host_ip}"
        return f"{self.host_port}/{self.protocol}{where}"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One pod network sandbox, known by (container id, ifname) and never by pod name.

    `netns` is the runtime's path; `netns_fd`, when not -1, is an open descriptor of it that came with the call and
    is valid only while the call lasts.
    """

    container_id: str
    ifname: str
    netns: str = ""
    pod_namespace: str = ""
    pod_name: str = ""
    pod_uid: str = ""
    bandwidth: Bandwidth | None = field(default=None, compare=False)
    ports: tuple[PortMapping, ...] = field(default=(), compare=False)
    netns_fd: int = field(default=-1, compare=False, repr=False)

    @property
    def key(self) -> Key:
        return (self.container_id, self.ifname)

    @property
    def pod(self) -> str:
        """`namespace/name`; the name alone if the runtime knows no namespaces, empty if it names no pod."""
        return f"{self.pod_namespace}/{self.pod_name}" if self.pod_namespace and self.pod_name else self.pod_name


@dataclass(frozen=True, slots=True)
class Lease:
    """Addresses (at most one per family) held by a sandbox.

    `granted_at` is CLOCK_BOOTTIME seconds. Whether the lease is plugged in is not stored: the host link says so.
    """

    sandbox: Sandbox
    addresses: tuple[Address, ...]
    backend: str
    pools: tuple[str, ...]
    granted_at: float

    @property
    def key(self) -> Key:
        return self.sandbox.key


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a CNI result needs of a plugged sandbox; MACs are 6 bytes, `gateways` one per family or none."""

    host_link: str
    host_mac: bytes
    pod_mac: bytes
    mtu: int
    addresses: tuple[Address, ...]
    gateways: tuple[Address, ...]


class Node(NamedTuple):
    """The fields of a Kubernetes Node that networking needs."""

    name: str
    labels: Mapping[str, str]
    addresses: tuple[Address, ...]
    """InternalIP addresses, in the object's order, at most one per family counts."""
    pod_cidrs: tuple[Prefix, ...]
    uid: str = ""
    provider_id: str = ""
    """What the cloud knows it by, `region.instance-id` on Alibaba Cloud; empty elsewhere."""
    instance_type_info: str = ""
    """What its instance type takes: an item of DescribeInstanceTypes in JSON, if the cluster tells."""

    def address(self, family: int) -> Address | None:
        """The node's InternalIP of a family."""
        return next((a for a in self.addresses if a.family == family), None)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which plugin serves a node's pods, which ones advertise its routes, and the LAN the node is in."""

    backend: str
    advertisers: tuple[str, ...] = ()
    lan: str = ""


class Member(NamedTuple):
    """A node as seen by the route model: with its LAN."""

    node: Node
    lan: str


@dataclass(frozen=True, slots=True)
class Uplink:
    """The link that carries pod traffic off this node, its (address, length) pairs, the gateway per family, and by
    which rule it was chosen."""

    ifindex: int
    name: str
    mtu: int
    addresses: tuple[tuple[Address, int], ...] = ()
    gateways: tuple[Address, ...] = ()
    why: str = ""

    @property
    def on_link(self) -> tuple[Prefix, ...]:
        """The prefixes that are reachable without a router."""
        return tuple(
            Prefix(address.family, address.value >> (shift := address.bits - length) << shift, length)
            for address, length in self.addresses
            if length < address.bits
        )


@dataclass(frozen=True, slots=True)
class NodeView:
    """Everything that concerns this node: itself, its uplink, and the other nodes that carry pods.

    Nodes of hostNetwork pools and ignored nodes are already left out. `in_sync` is False until the first whole
    listing of Nodes was seen, `peers_in_sync` until that of BGPPeers: until then nothing may be pruned. `is_live` is
    False while this is what an earlier process saw last. `peers` are
    the BGPPeers in force, oldest first, each with the speakers that it has against its rivals
    (`core.peer_rules.effective_peers`). `secrets` are the passwords of those that this node is a speaker of, as far
    as they are known.
    """

    node: Node
    selection: Selection
    members: tuple[Member, ...] = ()
    uplink: Uplink | None = None
    in_sync: bool = True
    peers: tuple[BgpPeer, ...] = ()
    secrets: Mapping[SecretRef, Secret] = field(default_factory=dict)
    peers_in_sync: bool = True
    is_live: bool = True


class Scope(StrEnum):
    """How a route's next hop is reached."""

    LAN = "lan"
    GATEWAY = "gateway"


class Route(NamedTuple):
    """Where packets for a prefix go: `origin` is the node whose pod CIDR it is, or what else it stands for."""

    prefix: Prefix
    next_hop: Address
    origin: str
    scope: Scope = Scope.LAN


class Condition(NamedTuple):
    """Something an operator must know: one CamelCase reason and a sentence that says what to do."""

    reason: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class RouteSet:
    """The whole desired set of routes of this node, at most one per prefix, and what could not be had."""

    routes: tuple[Route, ...] = ()
    conditions: tuple[Condition, ...] = ()
    in_sync: bool = True


class Discrepancy(NamedTuple):
    """One difference between a lease and what the kernel has; `mended` after a repair."""

    what: str
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """State of one active plugin: `in_sync` with the last set it accepted, and what stands in its way."""

    plugin: str
    in_sync: bool
    conditions: tuple[Condition, ...] = ()
    details: Mapping[str, str | int | float] = field(default_factory=dict)


class StopReason(StrEnum):
    """Why the agent ends: after UPGRADE everything in the kernel stays, after UNINSTALL nothing of ours does."""

    UPGRADE = "upgrade"
    UNINSTALL = "uninstall"
