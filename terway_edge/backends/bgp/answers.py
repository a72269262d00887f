"""What `terway-edge bgp ...` is answered: sessions, routes, the fate of a prefix, the switch's side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from terway_edge.backends.bgp.announcements import Announcement, announced, picked, refusal
from terway_edge.backends.bgp.peering import SessionState
from terway_edge.backends.bgp.planner import Plan
from terway_edge.backends.bgp.switch_config import SwitchSide, Vendor, render
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.errors import Refused
from terway_edge.core.models import Node, NodeView

Answer = dict[str, Any]
VENDORS: tuple[Vendor, ...] = get_args(Vendor)


@dataclass(frozen=True, slots=True)
class Picture:
    """All that answers are made of, at one moment; `now` is the clock's."""

    node: str
    now: float
    states: tuple[SessionState, ...] = ()
    plan: Plan = field(default_factory=lambda: Plan((), (), {}))
    view: NodeView | None = None
    edge_cidrs: tuple[Prefix, ...] = ()


def answer(picture: Picture, words: Sequence[str]) -> Answer:
    """Raises Refused for a question that cannot be answered."""
    match list(words):
        case ["peers"]:
            return {"peers": [peer_row(picture, state) for state in picture.states]}
        case ["routes"]:
            return {"routes": _routes(picture)}
        case ["explain", text]:
            return _explain(picture, text)
        case ["switch-config", name, vendor]:
            return _switch_config(picture, name, vendor)
    raise Refused("questions are: peers; routes; explain PREFIX; switch-config PEER VENDOR")


def peer_row(picture: Picture, state: SessionState) -> Answer:
    spec, negotiated = state.spec, state.negotiated
    restart = negotiated.graceful_restart if negotiated else None
    return {
        "peer": spec.name,
        "speaker": picture.node,
        "local_address": str(spec.local_address),
        "address": str(spec.address),
        "local_asn": spec.local_asn,
        "peer_asn": spec.peer_asn,
        "state": str(state.state),
        "since_seconds": round(picture.now - state.since, 1),
        "announced": state.announced,
        "in_sync": state.is_settled,
        "received": state.received,
        "flaps": state.flaps,
        "hold_time": negotiated.hold_time if negotiated else None,
        "families": [f"IPv{family.version}" for family in negotiated.families] if negotiated else [],
        "graceful_restart": restart is not None,
        "peer_restart_seconds": restart.time if restart else None,
        "survives_notification": negotiated.notification if negotiated else False,
        "last_error": f"{state.failure.reason}: {state.failure.message}" if state.failure else "",
    }


def _routes(picture: Picture) -> list[Answer]:
    states = {state.spec.address: str(state.state) for state in picture.states}
    return [
        {
            "prefix": str(prefix),
            "next_hop": str(next_hop),
            "origin": origin,
            "peer": remembered.spec.name,
            "address": str(address),
            "state": states.get(address, "Idle"),
        }
        for address, remembered in picture.plan.memory.items()
        for prefix, next_hop, origin in sorted(remembered.announcements)
    ]


def _explain(picture: Picture, text: str) -> Answer:
    prefix = _prefix(text)
    view = _view(picture)
    owners = [
        node
        for node in (view.node, *(member.node for member in view.members))
        if any(cidr.covers(prefix) for cidr in node.pod_cidrs)
    ]
    if not owners:
        return {"prefix": str(prefix), "rows": [], "why_not": _no_owner(picture, prefix)}
    rows = [_fate(picture, view, peer, node, prefix) for peer in view.peers for node in owners]
    return {"prefix": str(prefix), "rows": rows, "why_not": "" if rows else "there is no BGPPeer: create one"}


def _fate(picture: Picture, view: NodeView, peer: BgpPeer, node: Node, asked: Prefix) -> Answer:
    """What becomes of a node's pod CIDR towards one peer."""
    prefix = next(cidr for cidr in node.pod_cidrs if cidr.covers(asked))
    next_hop = node.address(prefix.family)
    row = {
        "prefix": str(prefix),
        "origin": node.name,
        "peer": peer.name,
        "address": str(peer.spec.peer_ip),
        "speakers": list(peer.spec.local_speakers),
        "next_hop": str(next_hop) if next_hop else "",
        "is_announced": False,
    }
    if node not in picked(peer, view):
        return {**row, "why": f"spec.nodeSelector {peer.spec.node_selector} does not pick node {node.name}"}
    if why := refusal(prefix, next_hop, peer, view):
        return {**row, "why": why}
    winner = next(a for a in announced(peer, view).announcements if a.prefix == prefix)
    if winner.origin != node.name:
        return {**row, "why": f"node {winner.origin} claims the same pod CIDR, and comes first by name"}
    if view.node.name not in peer.spec.local_speakers:
        return {**row, "is_announced": None, "why": f"ask a speaker: {', '.join(peer.spec.local_speakers)}"}
    return {**row, **_told(picture, peer, winner)}


_WITHOUT_SESSION = ("RoutesHeld", "SecretMissing", "NoInternalIP")
"""Reasons of conditions that tell why a peer is not spoken to."""


def _told(picture: Picture, peer: BgpPeer, wanted: Announcement) -> Answer:
    address = peer.spec.peer_ip
    state = next((state for state in picture.states if state.spec.address == address), None)
    remembered = picture.plan.memory.get(address)
    if state is None or remembered is None or wanted not in remembered.announcements:
        about_it = [c for c in picture.plan.conditions if c.subject == peer.subject and c.reason in _WITHOUT_SESSION]
        reasons = [condition.message for condition in about_it]
        return {"is_announced": False, "why": "; ".join(reasons) or "this node does not speak to the peer"}
    if state.negotiated is None or state.state != "Established":
        why = state.failure.message if state.failure else "the session is being made"
        return {"is_announced": False, "why": f"session {state.state}: {why}"}
    if wanted.prefix.family not in {family.version for family in state.negotiated.families}:
        return {"is_announced": False, "why": f"the peer did not agree on IPv{wanted.prefix.family}: activate it there"}
    if not state.is_settled:
        return {"is_announced": False, "why": "the peer is being told just now"}
    return {"is_announced": True, "why": ""}


def _switch_config(picture: Picture, name: str, vendor: str) -> Answer:
    view = _view(picture)
    peer = next((peer for peer in view.peers if peer.name == name), None)
    if peer is None:
        known = ", ".join(sorted(peer.name for peer in view.peers)) or "none"
        raise Refused(f"there is no BGPPeer {name!r}; there are: {known}")
    found = next((each for each in VENDORS if each == vendor), None)
    if found is None:
        raise Refused(f"no words for {vendor!r}; there are those of {', '.join(VENDORS)}")
    side = switch_side(peer, view, picture.edge_cidrs)
    exact = [prefix for prefix in side.prefixes if prefix not in picture.edge_cidrs]
    return {"text": render(side, found), "note": _EXACT.format(exact[0]) if exact else ""}


_EXACT = (
    "the switch will take {} and the like, but not the pod CIDR of a node to come: set routes.edge_cidrs to the Edge "
    "container CIDR, or configure the switch again with every new node"
)


def switch_side(peer: BgpPeer, view: NodeView, edge_cidrs: Sequence[Prefix]) -> SwitchSide:
    """What the switch has to know: with edge CIDRs configured, nodes to come need no change there."""
    nodes = {node.name: node for node in (view.node, *(member.node for member in view.members))}
    spec = peer.spec
    family = spec.peer_ip.family
    speakers = []
    for name in spec.local_speakers:
        address = nodes[name].address(family) if name in nodes else None
        if address is not None:
            speakers.append((name, address))
    prefixes = [announcement.prefix for announcement in announced(peer, view).announcements]
    around = [cidr for cidr in edge_cidrs if any(cidr.covers(prefix) for prefix in prefixes)]
    rest = [prefix for prefix in prefixes if not any(cidr.covers(prefix) for cidr in around)]
    longest = {4: 0, 6: 0}
    for prefix in prefixes:
        longest[prefix.family] = max(longest[prefix.family], prefix.length)
    secret = spec.auth_password.secret_key_ref if spec.auth_password else None
    return SwitchSide(
        name=peer.name,
        switch_asn=spec.peer_as_number,
        switch_address=spec.peer_ip,
        speaker_asn=spec.local_as_number,
        speakers=tuple(speakers),
        prefixes=tuple(sorted((*around, *rest))),
        secret=f"{secret.name}/{secret.key}" if secret else "",
        restart_time=spec.graceful_restart.restart_time_seconds,
        hold_time=spec.hold_time_seconds if "hold_time_seconds" in spec.model_fields_set else None,
        ttl_security=spec.ttl_security,
        multihop=spec.ebgp_multihop,
        longest=(longest[4], longest[6]) if around else (0, 0),
    )


def _view(picture: Picture) -> NodeView:
    if picture.view is None:
        raise Refused("the agent has not yet seen what the cluster says of this node, or BGP is not for this node")
    return picture.view


def _prefix(text: str) -> Prefix:
    try:
        return Prefix.parse(text) if "/" in text else Address.parse(text).host
    except ValueError as error:
        raise Refused(f"{error}; write a prefix such as 10.64.1.0/24, or an address") from None


def _no_owner(picture: Picture, prefix: Prefix) -> str:
    for address, remembered in picture.plan.memory.items():
        for known, _, origin in remembered.announcements:
            if known.covers(prefix):
                return f"{known} of node {origin} stays announced to {address}, though the cluster has it no more"
    return f"no node's pod CIDR holds {prefix}: only pod CIDRs are announced; compare 'kubectl get nodes -o yaml'"
