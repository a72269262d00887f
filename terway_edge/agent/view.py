"""From cluster objects and links to the `NodeView`: pure, so that equal inputs give equal views."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from terway_edge.core.bgp_peer import BgpPeer, SecretRef
from terway_edge.core.models import Member, Node, NodeView, Selection, Uplink
from terway_edge.core.peer_rules import effective_peers
from terway_edge.core.ports import Snapshot
from terway_edge.core.secret import Secret
from terway_edge.core.selection import Hook, PoolRule, select, skipped


def node_view(
    name: str,
    snapshot: Snapshot,
    uplink: Uplink | None,
    rules: Sequence[PoolRule] = (),
    hook: Hook | None = None,
    installed: Collection[str] = (),
) -> NodeView | None:
    """What concerns the node called `name`; None if the cluster does not know it or networking must skip it.

    A node whose selection has no advertiser announces no pod CIDR (cloud pods have VPC addresses): it is no member.
    Of this node's advertisers only those `installed` count.
    """
    own = next((node for node in snapshot.nodes if node.name == name), None)
    if own is None or skipped(own):
        return None
    on_link = uplink.on_link if uplink else ()
    selection = select(own, rules, hook, on_link)
    members = []
    for node in snapshot.nodes:
        if node.name == name or not node.pod_cidrs or skipped(node):
            continue
        other = select(node, rules, hook, on_link)
        if other.advertisers:
            members.append(Member(node, other.lan))
    peers = effective_peers(snapshot.peers)
    secrets = _secrets(name, peers, snapshot)
    return NodeView(
        own,
        _present(selection, installed),
        tuple(members),
        uplink,
        snapshot.in_sync,
        peers,
        secrets,
        snapshot.peers_in_sync,
        snapshot.is_live,
    )


def _secrets(name: str, peers: Iterable[BgpPeer], snapshot: Snapshot) -> dict[SecretRef, Secret]:
    """Passwords of the sessions that this node speaks in; one that is missing is the speaker's to tell."""
    spoken = (peer.spec.auth_password for peer in peers if name in peer.spec.local_speakers)
    refs = [password.secret_key_ref for password in spoken if password]
    return {ref: snapshot.secrets[ref] for ref in refs if ref in snapshot.secrets}


def why_no_view(name: str, snapshot: Snapshot) -> str:
    """The operator's sentence for a missing view."""
    own: Node | None = next((node for node in snapshot.nodes if node.name == name), None)
    if own is None:
        return f"the cluster has no Node {name!r}: set node_name (or NODE_NAME) to the name 'kubectl get nodes' shows"
    return f"node {name} is labelled to be skipped (hostNetwork pool or ignore-by-terway): no pods are served here"


def _present(selection: Selection, installed: Collection[str]) -> Selection:
    return replace(selection, advertisers=tuple(name for name in selection.advertisers if name in installed))
