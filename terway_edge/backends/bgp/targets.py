"""From the cluster's BGPPeers to the peers that this node should speak to. Pure."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple

from terway_edge.backends.bgp.announcements import announced
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.planner import Target
from terway_edge.backends.bgp.wish import Attributes
from terway_edge.core.addresses import Address
from terway_edge.core.communities import parse_community
from terway_edge.core.models import Condition, NodeView
from terway_edge.core.peer_rules import effective_peers

if TYPE_CHECKING:
    from terway_edge.core.bgp_peer import BgpPeer
    from terway_edge.core.secret import Secret


class Targets(NamedTuple):
    """What this node should do. `unclear` are peers of it whose session cannot be described: a condition says why."""

    targets: tuple[Target, ...]
    conditions: tuple[Condition, ...] = ()
    unclear: frozenset[Address] = frozenset()


def targets(view: NodeView, last_passwords: dict[str, Secret]) -> Targets:
    """:param last_passwords: by name of the BGPPeer, what stays in force while a Secret is missing; kept up to date."""
    found: list[Target] = []
    conditions: list[Condition] = []
    unclear: set[Address] = set()
    for peer in effective_peers(view.peers):
        if view.node.name not in peer.spec.local_speakers:
            continue
        local = view.node.address(peer.spec.peer_ip.family)
        if local is None:
            conditions.append(_no_address(peer, view))
            unclear.add(peer.spec.peer_ip)
            continue
        password = _password(peer, view, last_passwords, conditions)
        if peer.spec.auth_password is not None and password is None:
            unclear.add(peer.spec.peer_ip)
            continue
        spec = peer_spec(peer, view, password)
        if not spec.multihop and not spec.is_internal and not _is_on_link(peer, view):
            conditions.append(_peer_off_link(peer, view))
        found.append(Target(spec, announced(peer, view), attributes(peer)))
    return Targets(tuple(found), tuple(conditions), frozenset(unclear))


def peer_spec(peer: BgpPeer, view: NodeView, password: Secret | None) -> PeerSpec:
    """The session of this node with a peer. The node must have an address of the peer's family."""
    wish, local = peer.spec, view.node.address(peer.spec.peer_ip.family)
    assert local is not None
    return PeerSpec(
        name=peer.name,
        address=wish.peer_ip,
        local_address=local,
        local_asn=wish.local_as_number,
        peer_asn=wish.peer_as_number,
        router_id=router_id(view),
        password=password,
        hold_time=wish.hold_time_seconds,
        keepalive=wish.keepalive_seconds,
        connect_retry=float(wish.connect_retry_seconds),
        restart_time=wish.graceful_restart.restart_time_seconds,
        notification=wish.graceful_restart.notification,
        ttl_security=wish.ttl_security,
        multihop=wish.ebgp_multihop,
    )


def attributes(peer: BgpPeer) -> Attributes:
    """What all routes told to the peer carry; communities in the order in which they should travel."""
    found = {parse_community(text) for text in peer.spec.communities}
    return Attributes(
        communities=tuple(sorted(each for each in found if isinstance(each, int))),
        large_communities=tuple(sorted(each for each in found if not isinstance(each, int))),
    )


def router_id(view: NodeView) -> int:
    """The node's IPv4 address, else a number made of its name: any that no other router here has (RFC 6286)."""
    address = view.node.address(4)
    if address is not None:
        return address.value
    return int.from_bytes(sha1(view.node.name.encode(), usedforsecurity=False).digest()[:4]) or 1


def _password(peer: BgpPeer, view: NodeView, last: dict[str, Secret], conditions: list[Condition]) -> Secret | None:
    if peer.spec.auth_password is None:
        last.pop(peer.name, None)
        return None
    ref = peer.spec.auth_password.secret_key_ref
    password = view.secrets.get(ref)
    if password is not None:
        last[peer.name] = password
        return password
    goes_on = "; the password known so far stays in use" if peer.name in last else "; no session until then"
    conditions.append(
        Condition(
            "SecretMissing",
            peer.subject,
            f"{ref}, named in spec.authPassword, is missing or unusable: create it, or remove spec.authPassword"
            f"{goes_on}",
        )
    )
    return last.get(peer.name)


def _is_on_link(peer: BgpPeer, view: NodeView) -> bool:
    return view.uplink is None or any(network.contains(peer.spec.peer_ip) for network in view.uplink.on_link)


def _no_address(peer: BgpPeer, view: NodeView) -> Condition:
    family = peer.spec.peer_ip.family
    return Condition(
        "NoInternalIP",
        peer.subject,
        f"node {view.node.name} has no IPv{family} InternalIP to speak to {peer.spec.peer_ip} from; "
        f"give its kubelet one (--node-ip)",
    )


def _peer_off_link(peer: BgpPeer, view: NodeView) -> Condition:
    return Condition(
        "PeerOffLink",
        peer.subject,
        f"{peer.spec.peer_ip} is on no link of node {view.node.name}: a single-hop session cannot reach it; correct "
        f"spec.peerIP or spec.localSpeakers, or set spec.ebgpMultihop",
    )
