"""The speaker: all sessions of this node in one thread with one loop, so that no other work delays a keepalive.

`want` hands over the whole desired state; what differs from before is changed, nothing else is touched. A loop over
`selectors` and state machines that know no I/O needs no more than the standard library, and half the memory of one
built on asyncio.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import NamedTuple

from terway_edge.backends.bgp.link import Link
from terway_edge.backends.bgp.peering import Peering, SessionState, Surroundings
from terway_edge.backends.bgp.transport import Channel, Listener
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.addresses import Address

log = logging.getLogger(__name__)

QUIET = 60.0  # seconds between two lines about strangers who connect


class _Registration(NamedTuple):
    """What is watched; `source` tells a new channel or listener from a closed one of the same number."""

    source: Channel | Listener
    events: int
    data: tuple[Peering, Link] | Listener


class Speaker:
    """Thread-safe from outside. Edges are told from the speaker's thread: whoever hears of them must not block it."""

    def __init__(self, around: Surroundings, now: Callable[[], float], listen_port: int = 0) -> None:
        """:param now: seconds of a clock that never steps.
        :param listen_port: where peers may connect to the local addresses of the sessions; 0: nowhere.
        """
        self._around = around
        self._now = now
        self._port = listen_port
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._is_closing = False
        self._peerings: dict[Address, Peering] = {}
        self._listeners: dict[Address, Listener] = {}
        self._stranger_at = -QUIET
        self._selector = selectors.DefaultSelector()
        self._registered: dict[int, _Registration] = {}
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._states: tuple[SessionState, ...] = ()
        self._thread = threading.Thread(target=self._run, name="bgp", daemon=True)

    # --- from outside ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def want(self, wishes: Iterable[Wish]) -> None:
        """The peers and routes from now on, at most one wish per peer address. A peer that is not among them any more
        is left for good."""
        wanted = {wish.spec.address: wish for wish in wishes}
        self.call(lambda: self._take(wanted))

    def call(self, function: Callable[[], None]) -> None:
        """Have a short piece of work done by the speaker's thread, after what was asked for before."""
        self._calls.put(function)
        self._wake()

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """The same at a time of the clock, or soon after, and in a later round: then `states` tell of this one. From
        the speaker's own thread only."""
        self._timers.append((when, function))

    @property
    def states(self) -> tuple[SessionState, ...]:
        """Every session as of the end of the loop's last turn."""
        return self._states

    def close(self) -> None:
        """End without a word: peers keep our routes for the next process (RFC 4724). Twice is harmless."""
        self._is_closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._end()

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: it need not
            self._waker.send(b"\0")

    # --- the loop -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self.turn(self._timeout())
        finally:
            self._end()

    def turn(self, timeout: float | None) -> bool:
        """One round of the loop, which `start` runs in a thread; a test may do so itself. False: nothing was to do.

        :param timeout: seconds to wait for something to do; None: for ever.
        """
        ready = self._selector.select(timeout)
        if not ready and self._timeout() != 0.0:
            return False
        self._drain_waker()  # first: who asks from now on wakes the next round
        self._do_calls()
        for key, events in ready:
            now = self._now()
            match key.data:
                case None:
                    continue
                case (peering, link):
                    readable, writable = bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE)
                    with self._guard(peering):
                        peering.on_ready(link, now, readable=readable, writable=writable)
                case listener:
                    self._accept(listener, now)
        now = self._now()
        for peering in self._peerings.values():
            with self._guard(peering):
                peering.turn(now)
        self._bury()
        self._register()
        self._states = tuple(peering.state for peering in self._peerings.values())
        return True

    @property
    def deadline(self) -> float | None:
        """When the next round is due at the latest; for the thread of the rounds only."""
        deadlines = [when for when, _ in self._timers]
        deadlines += [p.deadline for p in self._peerings.values() if p.deadline is not None]
        return min(deadlines, default=None)

    def _timeout(self) -> float | None:
        deadline = self.deadline
        return None if deadline is None else max(deadline - self._now(), 0.0)

    def _drain_waker(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def _do_calls(self) -> None:
        now = self._now()
        due = [function for when, function in self._timers if when <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for function in due:
            _call(function)
        while not self._calls.empty():
            _call(self._calls.get())

    def _take(self, wanted: Mapping[Address, Wish]) -> None:
        now = self._now()
        for address, peering in self._peerings.items():
            with self._guard(peering):
                if address in wanted:
                    peering.want(wanted[address], now)
                else:
                    peering.leave(now)
        self._bury()
        for address in wanted.keys() - self._peerings.keys():
            self._peerings[address] = Peering(wanted[address], self._around, now)
        self._listen()

    def _bury(self) -> None:
        """Forget the peers that were left for good."""
        gone = [address for address, peering in self._peerings.items() if peering.is_gone]
        for address in gone:
            del self._peerings[address]
        if gone:
            self._listen()

    @contextmanager
    def _guard(self, peering: Peering) -> Iterator[None]:
        """A mistake in the work for one peer must not cost the others their sessions."""
        try:
            yield
        except Exception as error:
            log.exception("bgp: the session with %s begins anew after an error", peering.wish.spec.address)
            peering.start_over(error, self._now())

    def _end(self) -> None:
        self._do_calls()  # what was asked for before
        for peering in self._peerings.values():
            peering.close(self._now())
        for listener in self._listeners.values():
            listener.close()
        self._states = ()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    # --- listening ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """At the local address of every session, and nowhere else."""
        if not self._port:
            return
        specs = [peering.wish.spec for peering in self._peerings.values()]
        wanted = {spec.local_address for spec in specs}
        for address in self._listeners.keys() - wanted:
            self._listeners.pop(address).close()
        for address in wanted - self._listeners.keys():
            try:
                self._listeners[address] = self._around.network.listen(address, self._port)
            except OSError as error:
                why = error.strerror
                log.error("cannot listen on %s port %d: %s; peers cannot connect to us there", address, self._port, why)
        for spec in specs:
            if listener := self._listeners.get(spec.local_address):
                try:
                    listener.set_password(spec.address, spec.password)
                except OSError as error:
                    log.error(
                        "cannot tell connections of %s by their password: %s; nobody can connect to us on %s",
                        spec.address,
                        error.strerror,
                        spec.local_address,
                    )
                    self._listeners.pop(spec.local_address).close()

    def _accept(self, listener: Listener, now: float) -> None:
        try:
            channel, peer = listener.accept()
        except OSError:
            return  # gone again
        peering = self._peerings.get(peer)
        if peering is not None:
            with self._guard(peering):
                peering.accept(channel, now)
            return
        channel.close()
        if now - self._stranger_at >= QUIET:
            self._stranger_at = now
            log.warning("refused a connection of %s, which is no peer of this node", peer)

    # --- what is watched ------------------------------------------------------------------------------------------

    def _register(self) -> None:
        wanted = self._watched()
        for fd, (source, _, _) in list(self._registered.items()):
            if fd not in wanted or wanted[fd].source is not source:
                self._selector.unregister(fd)
                del self._registered[fd]
        for fd, new in wanted.items():
            old = self._registered.get(fd)
            if old is None:
                self._selector.register(fd, new.events, new.data)
            elif old != new:
                self._selector.modify(fd, new.events, new.data)
        self._registered = wanted

    def _watched(self) -> dict[int, _Registration]:
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        found: dict[int, _Registration] = {
            listener.fileno(): _Registration(listener, selectors.EVENT_READ, listener)
            for listener in self._listeners.values()
        }
        for peering in self._peerings.values():
            for link in peering.links:
                if link.channel is not None:
                    events = both if link.wants_to_write else selectors.EVENT_READ
                    found[link.channel.fileno()] = _Registration(link.channel, events, (peering, link))
        return found


def _call(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        log.exception("bgp: a piece of work failed; the sessions go on")
