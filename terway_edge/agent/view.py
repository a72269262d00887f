"""From cluster objects and links to the `NodeView`: pure, so that equal inputs give equal views."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from terway_edge.core.addresses import Prefix
from terway_edge.core.bgp_peer import BgpPeer, SecretRef
from terway_edge.core.models import Member, Node, NodeView, Selection, Uplink
from terway_edge.core.peer_rules import effective_peers
from terway_edge.core.ports import Snapshot
from terway_edge.core.secret import Secret
from terway_edge.core.selection import Hook, PoolRule, select, skipped


class Members:
    """The other nodes that carry pods, each with its LAN, as one node sees them.

    What was found out about a node is kept while the cluster tells the very same of it and this node's links have the
    same prefixes: of thousands of nodes one changes at a time.
    """

    def __init__(self, own: str, rules: Sequence[PoolRule] = (), hook: Hook | None = None) -> None:
        """:param own: name of the node that sees them"""
        self._own, self._rules, self._hook = own, rules, hook
        self._on_link: Sequence[Prefix] = ()
        self._known: dict[str, tuple[Node, Member | None]] = {}

    def forget(self) -> None:
        """Ask plugins again about all nodes, the next time."""
        self._known = {}

    def of(self, nodes: Iterable[Node], on_link: Sequence[Prefix]) -> tuple[Member, ...]:
        """A node whose selection has no advertiser announces no pod CIDR (cloud pods have VPC addresses): it is no
        member."""
        if on_link != self._on_link:
            self._on_link = on_link
            self.forget()
        before, known = self._known, {}
        for node in nodes:
            found = before.get(node.name)
            known[node.name] = found if found and found[0] is node else (node, self._member(node))
        self._known = known
        return tuple([member for _, member in known.values() if member is not None])

    def _member(self, node: Node) -> Member | None:
        if node.name == self._own or not node.pod_cidrs or skipped(node):
            return None
        selection = select(node, self._rules, self._hook, self._on_link)
        return Member(node, selection.lan) if selection.advertisers else None


def node_view(
    name: str,
    snapshot: Snapshot,
    uplink: Uplink | None,
    rules: Sequence[PoolRule] = (),
    hook: Hook | None = None,
    installed: Collection[str] = (),
    members: Members | None = None,
) -> NodeView | None:
    """What concerns the node called `name`; None if the cluster does not know it or networking must skip it.

    Of this node's advertisers only those `installed` count.

    :param members: made with the same name, rules and hook; knows what earlier views found out
    """
    own = next((node for node in snapshot.nodes if node.name == name), None)
    if own is None or skipped(own):
        return None
    on_link = uplink.on_link if uplink else ()
    selection = select(own, rules, hook, on_link)
    peers = effective_peers(snapshot.peers)
    secrets = _secrets(name, peers, snapshot)
    return NodeView(
        own,
        _present(selection, installed),
        (members or Members(name, rules, hook)).of(snapshot.nodes, on_link),
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
