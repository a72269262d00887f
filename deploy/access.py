"""Every right at the API server that the manifests give, and what needs it; a test compares both.

Nothing here can be narrowed to one's own node, for RBAC knows objects by name only: a ServiceAccount is shared by all
nodes. So edge agents and those on ENIs have one each, and neither may do what only the other needs.
"""

from __future__ import annotations

from typing import NamedTuple

EDGE, ENI, CONTROLPLANE = "terway-edge", "terway-edge-eni", "terway-edge-controlplane"
UNINSTALL = "terway-edge-uninstall"
"""ServiceAccounts in kube-system: agents of edge nodes and of nodes on ENIs, the control plane, what takes all away."""
EVERYWHERE = ""
PEERS = "bgppeers.network.openyurt.io"


class Right(NamedTuple):
    """`resource` is NAME or NAME.GROUP, with /SUBRESOURCE. `namespace` EVERYWHERE: of all, or of none. `names`: only
    those objects. `why` is what needs it."""

    account: str
    resource: str
    verb: str
    why: str
    namespace: str = EVERYWHERE
    names: tuple[str, ...] = ()


RIGHTS = (
    Right(EDGE, "nodes", "list", "routes to the other nodes' pods"),
    Right(EDGE, "nodes", "watch", "routes to the other nodes' pods"),
    Right(EDGE, "nodes", "get", "conditions of the own Node, before one is changed"),
    Right(EDGE, "nodes/status", "patch", "condition NetworkUnavailable of the own Node"),
    Right(EDGE, PEERS, "list", "sessions with switches, and the next hop towards other LANs"),
    Right(EDGE, PEERS, "watch", "sessions with switches, and the next hop towards other LANs"),
    Right(EDGE, f"{PEERS}/status", "patch", "the entry of this speaker"),
    Right(EDGE, "secrets", "get", "passwords of sessions, asked for on speakers only", "kube-system", ("bgp-secret",)),
    Right(EDGE, "events", "create", "what happens to sessions, routes and this node", "default"),
    Right(EDGE, "events", "patch", "that it happened again", "default"),
    Right(ENI, "nodes", "list", "labels and addresses of the own Node, and which addresses are the cluster's"),
    Right(ENI, "nodes", "watch", "labels and addresses of the own Node, and which addresses are the cluster's"),
    Right(ENI, "nodes", "get", "conditions of the own Node, before one is changed"),
    Right(ENI, "nodes", "patch", "annotation k8s.aliyun.com/max-available-ip of the own Node"),
    Right(ENI, "nodes/status", "patch", "conditions SufficientIP and NetworkUnavailable of the own Node"),
    Right(ENI, "pods", "patch", "annotation k8s.aliyun.com/pod-ips of the node's pods"),
    Right(ENI, PEERS, "list", "routes of the edge, which nodes on ENIs see as well"),
    Right(ENI, PEERS, "watch", "routes of the edge, which nodes on ENIs see as well"),
    Right(ENI, "configmaps", "list", "configuration of the pool of ENIs", "kube-system", ("eni-config",)),
    Right(ENI, "configmaps", "watch", "configuration of the pool of ENIs", "kube-system", ("eni-config",)),
    Right(ENI, "events", "create", "what happens to the pool and this node", "default"),
    Right(ENI, "events", "patch", "that it happened again", "default"),
    Right(CONTROLPLANE, "nodes", "list", "pod CIDRs that are given, nodes whose agent is dead"),
    Right(CONTROLPLANE, "nodes", "watch", "pod CIDRs that are given, nodes whose agent is dead"),
    Right(CONTROLPLANE, "nodes", "get", "a Node as it is, before it is changed"),
    Right(CONTROLPLANE, "nodes", "patch", "pod CIDRs, where nobody else gives them"),
    Right(CONTROLPLANE, "nodes/status", "patch", "condition NetworkUnavailable of nodes whose agent is dead"),
    Right(CONTROLPLANE, "pods", "list", "agents that are dead", "kube-system"),
    Right(CONTROLPLANE, "pods", "watch", "agents that are dead", "kube-system"),
    Right(CONTROLPLANE, PEERS, "list", "conditions of BGPPeers, from their speakers' entries"),
    Right(CONTROLPLANE, PEERS, "watch", "conditions of BGPPeers, from their speakers' entries"),
    Right(CONTROLPLANE, f"{PEERS}/status", "patch", "conditions of BGPPeers, from their speakers' entries"),
    Right(
        CONTROLPLANE, "configmaps", "list", "the way to the cloud, for orphaned ENIs", "kube-system", ("eni-config",)
    ),
    Right(
        CONTROLPLANE, "configmaps", "watch", "the way to the cloud, for orphaned ENIs", "kube-system", ("eni-config",)
    ),
    Right(CONTROLPLANE, "leases.coordination.k8s.io", "create", "the lease that the leader holds", "kube-system"),
    *(
        Right(
            CONTROLPLANE,
            "leases.coordination.k8s.io",
            verb,
            "the lease that the leader holds",
            "kube-system",
            (CONTROLPLANE,),
        )
        for verb in ("get", "update")
    ),
    Right(CONTROLPLANE, "events", "create", "what was given, taken and found", "default"),
    Right(CONTROLPLANE, "events", "patch", "that it happened again", "default"),
    Right(UNINSTALL, "nodes", "list", "labels of the own Node: which agent it had"),
    Right(UNINSTALL, "nodes", "watch", "labels of the own Node: which agent it had"),
    Right(UNINSTALL, "nodes", "get", "conditions of the own Node, before one is removed"),
    Right(UNINSTALL, "nodes", "patch", "annotations of the own Node, to remove them"),
    Right(UNINSTALL, "nodes/status", "patch", "conditions of the own Node, to remove them"),
    Right(UNINSTALL, "pods", "patch", "annotations of the node's pods, to remove them"),
    Right(UNINSTALL, PEERS, "list", "sessions that this speaker has"),
    Right(UNINSTALL, PEERS, "watch", "sessions that this speaker has"),
    Right(UNINSTALL, f"{PEERS}/status", "patch", "the entry of this speaker, to remove it"),
)
