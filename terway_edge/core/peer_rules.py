"""What BGPPeers mean together and to the nodes: which of two rivals is in force, and what an operator should know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from terway_edge.core.addresses import Address
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Condition, Node

Claim = tuple[str, Address]
"""(speaker, peerIP): of two objects that claim the same, the older one has it, or of one age the first by name."""


def effective_peers(peers: Iterable[BgpPeer]) -> tuple[BgpPeer, ...]:
    """The objects in force, by age and name, each with the speakers that it has not lost to one before it.

    An object that lost all its speakers is not in force at all.
    """
    ordered = _oldest_first(peers)
    owners = _owners(ordered)
    found = []
    for peer in ordered:
        speakers = tuple(name for name in peer.spec.local_speakers if owners[name, peer.spec.peer_ip] is peer)
        if speakers == peer.spec.local_speakers:
            found.append(peer)
        elif speakers:
            spec = peer.spec.model_copy(update={"local_speakers": speakers})
            found.append(BgpPeer(peer.name, peer.created, spec, peer.uid))
    return tuple(found)


def peer_conditions(peers: Iterable[BgpPeer], nodes: Sequence[Node]) -> tuple[Condition, ...]:
    """What is wrong or doubtful, each about one object (`BgpPeer.subject`); `nodes` are all the cluster has."""
    ordered = _oldest_first(peers)
    if not ordered:
        return ()
    names = {node.name for node in nodes}
    found: list[Condition] = []
    for peer in ordered:
        found += [Condition("PeerWarning", peer.subject, text) for text in peer.warnings()]
        found += unknown_speakers(peer, names)
        found += _about_nodes(peer, nodes)
    return (*found, *_conflicts(ordered), *_differing(ordered))


def unknown_speakers(peer: BgpPeer, names: Collection[str]) -> Iterator[Condition]:
    """:param names: of all Nodes"""
    missing = [name for name in peer.spec.local_speakers if name not in names]
    if missing:
        yield Condition(
            "SpeakerNotFound",
            peer.subject,
            f"the cluster has no Node {', '.join(missing)}, so nobody speaks there; correct localSpeakers",
        )


def _oldest_first(peers: Iterable[BgpPeer]) -> list[BgpPeer]:
    return sorted(peers, key=lambda peer: (peer.created, peer.name))


def _owners(ordered: Iterable[BgpPeer]) -> dict[Claim, BgpPeer]:
    owners: dict[Claim, BgpPeer] = {}
    for peer in ordered:
        for speaker in peer.spec.local_speakers:
            owners.setdefault((speaker, peer.spec.peer_ip), peer)
    return owners


def _about_nodes(peer: BgpPeer, nodes: Sequence[Node]) -> Iterator[Condition]:
    spec = peer.spec
    address = spec.peer_ip
    for node in nodes:
        if address in node.addresses:
            yield Condition(
                "PeerIsNode",
                peer.subject,
                f"peerIP {address} is Node {node.name}, and nodes do not peer with nodes; write the switch's address",
            )
        if around := next((prefix for prefix in node.pod_cidrs if prefix.contains(address)), None):
            yield Condition(
                "PeerInPodCIDR",
                peer.subject,
                f"peerIP {address} lies in the pod CIDR {around} of Node {node.name}; write the switch's address",
            )
    if not any(spec.node_selector.matches(node.labels) for node in nodes):
        yield Condition(
            "NothingSelected",
            peer.subject,
            f"nodeSelector {spec.node_selector} picks no Node, so nothing is announced; correct it or label the nodes",
        )


def _conflicts(ordered: Sequence[BgpPeer]) -> Iterator[Condition]:
    owners = _owners(ordered)
    for peer in ordered:
        lost: dict[str, list[str]] = {}
        for speaker in peer.spec.local_speakers:
            owner = owners[speaker, peer.spec.peer_ip]
            if owner is not peer:
                lost.setdefault(owner.name, []).append(speaker)
        for name, speakers in lost.items():
            yield Condition(
                "Conflict",
                peer.subject,
                f"BGPPeer/{name} and BGPPeer/{peer.name} both let {', '.join(speakers)} peer with {peer.spec.peer_ip}: "
                f"BGPPeer/{name} came first and is in force there; delete one, or give them different speakers",
            )


def _differing(ordered: Iterable[BgpPeer]) -> Iterator[Condition]:
    first: dict[Address, BgpPeer] = {}
    for peer in ordered:
        older = first.setdefault(peer.spec.peer_ip, peer)
        if older.spec.peer_as_number != peer.spec.peer_as_number:
            yield Condition(
                "PeerAsDiffers",
                peer.subject,
                f"peerAsNumber of {peer.spec.peer_ip} is {peer.spec.peer_as_number} here but "
                f"{older.spec.peer_as_number} in BGPPeer/{older.name}; write the AS number that the switch has",
            )
