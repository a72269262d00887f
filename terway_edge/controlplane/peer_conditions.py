"""Condition Established of a BGPPeer, out of what its speakers say, and which of their entries nobody will take back.

True: every speaker has a session. False: one has none, and why. Unknown: none is known to be down, but what one of them
said is old, or it has not said anything yet. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import PeerCondition, PeerSeen, SpeakerEntry
from terway_edge.core.peer_rules import effective_peers

ESTABLISHED = "Established"
MAX_MESSAGE = 2048  # characters


class Verdict(NamedTuple):
    status: str
    reason: str
    message: str


class _Word(NamedTuple):
    """What is known of one speaker: status as of the condition."""

    status: str
    text: str


def verdicts(world: World) -> dict[str, Verdict]:
    """By the BGPPeer's name."""
    peers = world.peers or {}
    in_force = {each.name: each.spec.local_speakers for each in effective_peers(seen.peer for seen in peers.values())}
    return {name: _verdict(seen, in_force.get(name, ()), world) for name, seen in peers.items()}


def stray_entries(world: World) -> Iterator[tuple[str, str]]:
    """(BGPPeer, Node) of entries whose Node is no speaker, or is not there."""
    for name, seen in (world.peers or {}).items():
        for entry in seen.speakers:
            if entry.node not in seen.peer.spec.local_speakers or entry.node not in world.nodes:
                yield name, entry.node


def condition_of(seen: PeerSeen) -> PeerCondition | None:
    return next((each for each in seen.conditions if each.type == ESTABLISHED), None)


def _verdict(seen: PeerSeen, in_force: Collection[str], world: World) -> Verdict:
    entries = {entry.node: entry for entry in seen.speakers}
    spec = seen.peer.spec
    words = {name: _word(name, entries.get(name), in_force, world) for name in spec.local_speakers}
    up = sum(word.status == "True" for word in words.values())
    is_down = any(word.status == "False" for word in words.values())
    if up == len(words):
        status, reason = "True", "AllEstablished"
    elif is_down:
        status, reason = "False", "NotEstablished"
    else:
        status, reason = "Unknown", "SpeakerSilent"
    told = "; ".join(f"{name}: {word.text}" for name, word in words.items() if word.status != "True")
    message = f"{up} of {len(words)} speakers have a session with {spec.peer_ip}{f'; {told}' if told else ''}"
    return Verdict(status, reason, message[:MAX_MESSAGE])


def _word(name: str, entry: SpeakerEntry | None, in_force: Collection[str], world: World) -> _Word:
    node = world.nodes.get(name)
    if node is None:
        return _Word("False", "there is no such Node")
    if name not in in_force:
        return _Word("False", "an older BGPPeer lets it speak with the same peerIP")
    if entry is None:
        return _Word("Unknown", "it has not said anything yet")
    if not node.is_ready:
        return _Word("Unknown", "what it said is old, for its Node is not ready")
    if _is_silent(name, world):
        return _Word("Unknown", "what it said is old, for its agent is not ready")
    if entry.state == ESTABLISHED:
        return _Word("True", "")
    return _Word("False", entry.last_error or "no session yet")


def _is_silent(name: str, world: World) -> bool:
    """An agent without a pod is one that was started otherwise, of which nobody knows more than it says."""
    agent = (world.agents or {}).get(name)
    return agent is not None and not agent.is_ready
