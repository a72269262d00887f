"""Edges of sessions as events for people: every one while they are rare, some while a session flaps. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from terway_edge.backends.bgp.peering import Edge
from terway_edge.core.addresses import Address
from terway_edge.core.ports import Event, Severity

WINDOW = 60.0  # seconds in which events about one peer are counted
TOLD = 10  # events about one peer in a window
SAME_AGAIN = 600.0  # seconds until the same failure to establish is told again


@dataclass(slots=True)
class _Peer:
    told_at: deque[float] = field(default_factory=deque)
    kept_back: int = 0
    last: Event | None = None
    last_at: float = 0.0


class Telling:
    """Decides which edges become events."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._peers: dict[Address, _Peer] = {}

    def event(self, edge: Edge, now: float) -> Event | None:
        """The event of an edge; None if it says nothing new, or too much happens."""
        if edge.is_gone:
            self._peers.pop(edge.spec.address, None)
            return None
        peer = self._peers.setdefault(edge.spec.address, _Peer())
        event = _event(edge, self._node)
        if event == peer.last and event.reason == "FailedEstablish" and now - peer.last_at < SAME_AGAIN:
            return None
        peer.last, peer.last_at = event, now
        while peer.told_at and now - peer.told_at[0] >= WINDOW:
            peer.told_at.popleft()
        if len(peer.told_at) >= TOLD:
            peer.kept_back += 1
            return None
        return self._tell(peer, now)

    def overdue(self, now: float) -> list[Event]:
        """How it stands with peers whose last edges were kept back, once that is over."""
        found = []
        for peer in self._peers.values():
            if peer.kept_back and now - peer.told_at[0] >= WINDOW:
                peer.kept_back -= 1  # this one is told
                found.append(self._tell(peer, now))
        return found

    def _tell(self, peer: _Peer, now: float) -> Event:
        assert peer.last is not None
        event, kept_back = peer.last, peer.kept_back
        peer.told_at.append(now)
        peer.kept_back = 0
        if not kept_back:
            return event
        return event._replace(message=f"{event.message} ({kept_back} changes before were not told: the session flaps)")


def _event(edge: Edge, node: str) -> Event:
    spec = edge.spec
    who = f"{node} ({spec.local_address}, AS {spec.local_asn}) and {spec.address} (AS {spec.peer_asn})"
    subject = f"BGPPeer/{spec.name}"
    if edge.failure is None:
        return Event("Established", subject, f"session of {who} is established")
    reason = "SessionLost" if edge.was_established else "FailedEstablish"
    message = f"session of {who}: {edge.failure.reason}: {edge.failure.message}"
    return Event(reason, subject, message, Severity.WARNING)
