"""What the control plane uses of the cluster's objects: from shapes of bytes to values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Raw, Struct, convert, field

from terway_edge.cluster.api.projection import Metadata, Projector
from terway_edge.cluster.api.resources import NAMESPACE, NODES, PEERS, Resource
from terway_edge.cluster.peers import read_peer
from terway_edge.core.bgp_peer import BgpPeer

AGENTS = "app.kubernetes.io/name=terway-edge,app.kubernetes.io/component in (edge-agent,cloud-agent,ens-agent)"
"""Labels of agents' pods, as `deploy/` gives them."""
AGENT_PODS = Resource("Pod", "pods", f"/api/v1/namespaces/{NAMESPACE}/pods", label_selector=AGENTS)
READY, NETWORK = "Ready", "NetworkUnavailable"


class Condition(Struct, omit_defaults=True):
    """Of any object, without the times that change by themselves."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class _NodeMetadata(Metadata, rename="camel", omit_defaults=True):
    labels: dict[str, str] | None = None


class _NodeSpec(Struct, omit_defaults=True):
    pod_cidr: str = field(default="", name="podCIDR")
    pod_cidrs: list[str] | None = field(default=None, name="podCIDRs")
    provider_id: str = field(default="", name="providerID")


class _Conditions(Struct, omit_defaults=True):
    conditions: list[Condition] | None = None


class _Node(Struct):
    metadata: _NodeMetadata = field(default_factory=_NodeMetadata)
    spec: _NodeSpec = field(default_factory=_NodeSpec)
    status: _Conditions = field(default_factory=_Conditions)


class _PodSpec(Struct, omit_defaults=True):
    node_name: str = field(default="", name="nodeName")


class _Pod(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: _PodSpec = field(default_factory=_PodSpec)
    status: _Conditions = field(default_factory=_Conditions)


class PeerCondition(Struct, rename="camel", omit_defaults=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class SpeakerEntry(Struct, rename="camel", omit_defaults=True):
    """What one speaker's agent says of its session (`backends.bgp.status`)."""

    node: str
    state: str = ""
    last_error: str = ""


class _PeerStatus(Struct, omit_defaults=True):
    conditions: list[PeerCondition] | None = None
    speakers: list[SpeakerEntry] | None = None


class _PeerMetadata(Metadata, rename="camel", omit_defaults=True):
    creation_timestamp: str = ""
    generation: int = 0


class _Peer(Struct):
    metadata: _PeerMetadata = field(default_factory=_PeerMetadata)
    spec: Raw = field(default_factory=lambda: Raw(b"{}"))
    status: _PeerStatus = field(default_factory=_PeerStatus)


class NodeSeen(NamedTuple):
    """A Node. `pod_cidrs` are as they are written; `conditions` by type."""

    name: str
    uid: str
    labels: Mapping[str, str]
    pod_cidrs: tuple[str, ...]
    provider_id: str
    conditions: Mapping[str, Condition]

    @property
    def is_ready(self) -> bool:
        """Whether its kubelet says so, and can say so: else the controller-manager makes of it Unknown."""
        ready = self.conditions.get(READY)
        return ready is not None and ready.status == "True"


class AgentSeen(NamedTuple):
    """The pod of an agent, as its kubelet sees it."""

    node: str
    is_ready: bool


class PeerSeen(NamedTuple):
    """A BGPPeer with its status."""

    peer: BgpPeer
    generation: int
    conditions: tuple[PeerCondition, ...]
    speakers: tuple[SpeakerEntry, ...]


class Followed(NamedTuple):
    """A resource, and how it is read."""

    resource: Resource
    projector: Projector
    read: Any


def read_node(document: Mapping[Any, Any]) -> NodeSeen:
    node = convert(document, _Node)
    spec = node.spec
    return NodeSeen(
        node.metadata.name,
        node.metadata.uid,
        node.metadata.labels or {},
        tuple(spec.pod_cidrs or filter(None, (spec.pod_cidr,))),
        spec.provider_id,
        {each.type: each for each in node.status.conditions or ()},
    )


def read_agent(document: Mapping[Any, Any]) -> AgentSeen | None:
    """None for a pod that is on no node yet."""
    pod = convert(document, _Pod)
    if not pod.spec.node_name:
        return None
    is_ready = any(each.type == READY and each.status == "True" for each in pod.status.conditions or ())
    return AgentSeen(pod.spec.node_name, is_ready)


def read_peer_seen(document: Mapping[Any, Any]) -> PeerSeen:
    """Raises Wrong."""
    status = convert(document.get("status") or {}, _PeerStatus)
    generation = document["metadata"].get("generation", 0)
    return PeerSeen(read_peer(document), generation, tuple(status.conditions or ()), tuple(status.speakers or ()))


FOLLOWED_NODES = Followed(NODES, Projector("Node", _Node), read_node)
FOLLOWED_AGENTS = Followed(AGENT_PODS, Projector("Pod", _Pod), read_agent)
FOLLOWED_PEERS = Followed(PEERS, Projector("BGPPeer", _Peer), read_peer_seen)
