"""One peer: its wish, the session that we dial, and a connection that the peer made beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from terway_edge.backends.bgp.failures import Failure, internal, of_notification, peer_restarted
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.link import Link
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.negotiation import Offer
from terway_edge.backends.bgp.parting import COLLISION, CONFIG_CHANGE, TOO_MANY, keeps_routes, last_word, word_of_change
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.received import ReceivedRoutes
from terway_edge.backends.bgp.session import Down, Event, Negotiated, Opened, Received, Session, Up
from terway_edge.backends.bgp.transport import Channel, Network
from terway_edge.backends.bgp.wish import Wish

log = logging.getLogger(__name__)

TAKEOVER_AFTER = 5.0
"""Seconds after which a second connection means that the peer restarted or the first hangs, not a dial by both."""
LEAVE_WITHIN = 5.0
"""Seconds a peer has to take our withdrawals before the session ends without."""
EVENTUALLY = 600.0
"""Seconds, or the restart time if longer, in which we try to end what a peer has of us, which it forgets then."""

_WITH_CONNECTION = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)


@dataclass(frozen=True, slots=True)
class Edge:
    """A session came up (`failure` is None), went down or could not be had, or the peer was left for good."""

    spec: PeerSpec
    failure: Failure | None = None
    was_established: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session as an operator sees it. `since` is the clock's time of the last change to or from Established,
    `flaps` how often it was lost; `is_settled`: the peer was told everything."""

    spec: PeerSpec
    state: State
    since: float
    negotiated: Negotiated | None
    announced: int
    is_settled: bool
    received: int
    is_over_limit: bool
    flaps: int
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all peerings of a speaker share: `tell` hears of every edge, `jitter` maps a pause to a shorter one,
    `most_received` and `ends_when_over` say how many prefixes of a peer are too many and what then, `judge` names a
    failure by what is known of the node beside the session."""

    network: Network
    tell: Callable[[Edge], None]
    jitter: Callable[[float], float]
    most_received: int = 0
    ends_when_over: bool = False
    judge: Callable[[PeerSpec, Failure], Failure] = lambda _, failure: failure


class Peering:
    """Driven by the speaker's loop, from one thread."""

    def __init__(self, wish: Wish, around: Surroundings, now: float) -> None:
        self.wish = wish
        self.is_gone = False
        self._around = around
        self._rebirth = wish.rebirth
        self._may_be_remembered = wish.rebirth.restarting
        self._leave_at = now + _patience(wish.spec) if wish.rebirth.is_farewell else None
        self._start_at: float | None = None
        self._since = now
        self._flaps = 0
        self._failure: Failure | None = None
        self._received = ReceivedRoutes(around.most_received)
        self._offer = Offer.ALL
        self._other: Link | None = None
        self._main = self._new_link()
        self._main.session.start(now)

    # --- what the loop needs --------------------------------------------------------------------------------------

    @property
    def links(self) -> list[Link]:
        return [self._main] if self._other is None else [self._main, self._other]

    @property
    def deadline(self) -> float | None:
        """When turn() is due at the latest."""
        times = [self._leave_at, self._start_at, *(link.session.deadline for link in self.links)]
        return min((time for time in times if time is not None), default=None)

    @property
    def state(self) -> SessionState:
        link = self._main
        return SessionState(
            self.wish.spec,
            link.session.state,
            self._since,
            link.session.negotiated,
            link.rib.size if link.rib else 0,
            link.is_settled,
            self._received.count,
            self._received.is_over_limit,
            self._flaps,
            self._failure,
        )

    def on_ready(self, link: Link, now: float, *, readable: bool, writable: bool) -> None:
        self._act(link, link.on_ready(now, readable=readable, writable=writable), now)

    def turn(self, now: float) -> None:
        if self._start_at is not None and now >= self._start_at:
            self._start_at = None
            self._main.session.start(now)
        for link in self.links:
            self._act(link, link.turn(now), now)
        if self._leave_at is not None:
            self._go_on_leaving(self._leave_at, now)

    # --- what the owner wants -------------------------------------------------------------------------------------

    def want(self, wish: Wish, now: float) -> None:
        """A new wish for the same peer: as little as possible is touched."""
        if wish.rebirth.is_farewell:
            self.leave(now)
            return
        before, self.wish = self.wish, wish
        self._leave_at = None
        if self._rebirth.is_farewell:
            self._rebirth = wish.rebirth
            self._restart(now)
        elif before.spec.local_address != wish.spec.local_address:
            self._restart(now, last_word)  # to the peer, what now comes is another neighbour
        elif _essence(before.spec) != _essence(wish.spec):
            self._restart(now)
        else:
            for link in self.links:
                link.session.spec = wish.spec
            if before.spec.password != wish.spec.password:
                self._change_password(now)
        self._main.tell(wish.routes, wish.attributes)

    def accept(self, channel: Channel, now: float) -> None:
        """A connection that the peer made. Of several the newest counts: the peer has given up the others."""
        is_leaving = self._leave_at is not None and not self._rebirth.is_farewell
        if is_leaving or self._start_at is not None:
            channel.close()
            return
        if self._other is not None:
            self._other.stop(now, COLLISION)
            self._other = None
        try:
            channel.set_options(self.wish.spec)
        except OSError:
            channel.close()  # broken before it began
            return
        self._other = self._new_link(channel)
        self._other.accept(now)
        self._act(self._other, self._other.turn(now), now)

    def leave(self, now: float) -> None:
        """Take back everything and end for good; the peer must not keep what we said (`Edge.is_gone` tells when)."""
        if self._leave_at is not None:
            return
        if self._main.session.state is State.ESTABLISHED:
            self._main.tell({}, self.wish.attributes)
            self._leave_at = now + LEAVE_WITHIN
        elif self._may_be_remembered:
            self._open_for_farewell(now)
        else:
            self._go(now, None)

    def start_over(self, error: Exception, now: float) -> None:
        """After a mistake of our own: without a word, so that the peer keeps our routes, and not at once."""
        for link in self.links:
            link.close()
        was_established = self._main.session.state is State.ESTABLISHED
        self._other, self._main = None, self._new_link()
        self._start_at = now + self.wish.spec.connect_retry
        self._note(internal(error, self.wish.spec), now, was_established=was_established)

    def close(self, now: float) -> None:
        """End without a word, so that the peer keeps our routes for the next process (RFC 4724)."""
        for link in self.links:
            link.stop(now, None)

    # --- events ---------------------------------------------------------------------------------------------------

    def _act(self, link: Link, events: Iterable[Event], now: float) -> None:
        for event in events:
            match event:
                case Opened():
                    self._resolve_collision(link, event, now)
                case Up():
                    self._up(link, now)
                case Received(update):
                    self._received.apply(update)
                    if self._received.is_over_limit and self._around.ends_when_over:
                        self._refuse_more(link, now)
                case Down():
                    self._down(link, event, now)

    def _resolve_collision(self, link: Link, opened: Opened, now: float) -> None:
        """RFC 4271, section 6.8; a peer that restarted may replace an established session (RFC 4724, section 5).

        A new one without an OPEN counts too, as this OPEN tells who is there: else, each side might keep another one.
        """
        other = next((each for each in self.links if each is not link), None)
        if other is None or other.session.state not in _WITH_CONNECTION:
            return
        if other.session.state is State.OPEN_SENT and now - other.connected_at >= TAKEOVER_AFTER:
            return
        if other.session.state is State.ESTABLISHED:
            if link.is_incoming and keeps_routes(other) and now - self._since >= TAKEOVER_AFTER:
                self._drop(other, now, None)
                self._note(peer_restarted(self.wish.spec), now, was_established=True)
            else:
                self._drop(link, now, COLLISION)
            return
        spec = self.wish.spec
        ours_wins = (spec.router_id, spec.local_asn) > (opened.message.router_id, spec.peer_asn)
        self._drop(link if link.is_incoming == ours_wins else other, now, COLLISION)

    def _up(self, link: Link, now: float) -> None:
        if link is not self._main:
            self._drop(self._main, now, COLLISION)
        if self._other is not None:
            self._drop(self._other, now, COLLISION)
        self._since, self._failure = now, None
        self._may_be_remembered = True
        self._received = ReceivedRoutes(self._around.most_received)
        if self._leave_at is not None:
            link.tell({}, self.wish.attributes)
            return
        self._rebirth = link.session.rebirth = Rebirth()  # what follows is no rebirth any more
        link.tell(self.wish.routes, self.wish.attributes)
        self._tell(Edge(self.wish.spec))

    def _down(self, link: Link, down: Down, now: float) -> None:
        self._offer = self._main.session.offer = link.session.offer
        rest = self._other if link is self._main else self._main
        if rest is not None and rest.session.state in (State.OPEN_CONFIRM, State.ESTABLISHED):
            self._drop(link, now, None)  # one of two, or a stranger; the session is where the other is
            return
        if link is self._other:
            self._other = None
        self._note(down.failure, now, was_established=down.was_established)
        if self._leave_at is not None and down.was_established:
            self._open_for_farewell(now)

    def _refuse_more(self, link: Link, now: float) -> None:
        for each in self.links:
            each.stop(now, TOO_MANY)
        self._other = None
        self._start_at = now + self.wish.spec.connect_retry
        self._down(link, Down(of_notification(TOO_MANY, self.wish.spec, received=False), was_established=True), now)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _new_link(self, channel: Channel | None = None) -> Link:
        session = Session(self.wish.spec, self._rebirth, jitter=self._around.jitter)
        session.offer = self._offer
        return Link(session, self._around.network, channel)

    def _drop(self, link: Link, now: float, notification: Notification | None) -> None:
        """End one of two connections; the one that is left is the main one."""
        link.stop(now, notification)
        if link is self._main and self._other is not None:
            self._main = self._other
        self._other = None

    def _note(self, failure: Failure, now: float, *, was_established: bool) -> None:
        """A session was lost, or could not be had."""
        if was_established:
            self._since = now
            self._flaps += 1
        self._failure = self._around.judge(self.wish.spec, failure)
        self._tell(Edge(self.wish.spec, self._failure, was_established))

    def _tell(self, edge: Edge) -> None:
        """Whoever listens must not harm the session."""
        try:
            self._around.tell(edge)
        except Exception:
            log.exception("bgp: a change of the session with %s could not be told", edge.spec.address)

    def _restart(self, now: float, word: Callable[[Link], Notification | None] = word_of_change) -> None:
        """Begin anew with the wish as it is now; `word` is what the peer is told."""
        was_established = self._main.session.state is State.ESTABLISHED
        for link in self.links:
            link.stop(now, word(link))
        self._other, self._start_at = None, None
        self._main = self._new_link()
        self._main.session.start(now)
        if was_established:
            spec = self.wish.spec
            self._note(of_notification(CONFIG_CHANGE, spec, received=False), now, was_established=True)

    def _change_password(self, now: float) -> None:
        """A peer that keeps our routes meanwhile is dialled anew at once; on another, the session lives on if it
        changes its password before the hold time ends."""
        is_up = self._main.session.negotiated is not None
        if is_up and not keeps_routes(self._main) and self.wish.spec.password is not None:
            try:
                self._main.set_password()
            except OSError:
                self._restart(now)
        else:
            self._restart(now)

    def _open_for_farewell(self, now: float) -> None:
        """The peer may still know us from before, and nothing said without a session reaches it: open one for that."""
        self._leave_at = now + _patience(self.wish.spec)
        self._rebirth = Rebirth(is_farewell=True)
        self._restart(now)

    def _go_on_leaving(self, until: float, now: float) -> None:
        link = self._main
        if (link.session.state is State.ESTABLISHED and link.is_settled) or now >= until:
            self._go(now, last_word(link))

    def _go(self, now: float, notification: Notification | None) -> None:
        for link in self.links:
            link.stop(now, notification)
        self._leave_at = None
        self.is_gone = True
        self._tell(Edge(self.wish.spec, is_gone=True))


def _essence(spec: PeerSpec) -> PeerSpec:
    """What cannot change while a session lives."""
    return replace(spec, name="", connect_retry=0.0, password=None)


def _patience(spec: PeerSpec) -> float:
    return max(EVENTUALLY, spec.restart_time)
