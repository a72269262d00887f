"""When a change has arrived: in the kernel's routes, as netlink tells, and at the agent's BGP peer, as it reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from socket import AF_INET, SO_REUSEADDR, SOL_SOCKET, socket
from typing import NamedTuple

from benchmarks.bgp_load import SWITCH, SWITCH_ASN
from benchmarks.watch_nodes import What, prefixes
from terway_edge.backends.bgp.codec import Buffer, decode, encode
from terway_edge.backends.bgp.messages import Capabilities, Family, Keepalive, Open, Update
from terway_edge.backends.bgp.peer_spec import BGP_PORT
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import FibRoute
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.lab.sockets import socket_in

PATIENCE = 30.0  # seconds for every single thing
FAMILIES = (Family.IPV4, Family.IPV6)
# Hold time 0: nobody sends keepalives.
GREETING = Open(SWITCH_ASN, 0, Address.parse(SWITCH).value, Capabilities(FAMILIES, SWITCH_ASN))


class Real(NamedTuple):
    """A change that networking uses: when it was begun (ns of the monotonic clock), what happens to which node."""

    at: int
    what: What
    number: int


class Arrivals:
    """Every prefix that came or went, and when (ns of the monotonic clock). Written by one thread, read by another."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._found: dict[tuple[What, Prefix], list[int]] = {}

    def add(self, what: What, prefix: Prefix) -> None:
        now = time.monotonic_ns()
        with self._changed:
            self._found.setdefault((what, prefix), []).append(now)
            self._changed.notify_all()

    def wait_for(self, number: int) -> None:
        """Until so many different prefixes came. Raises RuntimeError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._came >= number, PATIENCE):
                raise RuntimeError(f"{self._came} of {number} prefixes came")

    def latencies(self, reals: Iterable[Real]) -> list[float]:
        """Seconds from each node's going or coming to the last of its prefixes. Raises RuntimeError if one misses."""
        return [self._latest(real) for real in reals if real.what is not What.LABEL]

    @property
    def _came(self) -> int:
        return sum(what is What.COMES for what, _ in self._found)

    def _latest(self, real: Real) -> float:
        with self._changed:
            found = [self._after(real, prefix) for prefix in prefixes(real.number)]
        return (max(found) - real.at) / 1e9

    def _after(self, real: Real, prefix: Prefix) -> int:
        found = next((at for at in self._found.get((real.what, prefix), ()) if at >= real.at), None)
        if found is None:
            raise RuntimeError(f"{prefix}: node-{real.number} {real.what} and nothing follows")
        return found


def on_route(arrivals: Arrivals, event: KernelEvent) -> None:
    """A listener of the kernel."""
    if event.what is Happening.OVERRUN:
        raise RuntimeError("the kernel told more than could be read")
    what = {Happening.ROUTE_ADDED: What.COMES, Happening.ROUTE_REMOVED: What.GOES}.get(event.what)
    if what is not None and isinstance(event.item, FibRoute):
        arrivals.add(what, event.item.prefix)


class Peer:
    """The agent's BGP peer: says who it is, then reads, in a thread of its own."""

    def __init__(self, netns: str) -> None:
        self.arrivals = Arrivals()
        self._listener = socket_in(netns, AF_INET)
        self._listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        self._listener.bind((SWITCH, BGP_PORT))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Once the agent is gone."""
        self._listener.close()

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.sendall(encode(GREETING) + encode(Keepalive()))
            self._read(connection)

    def _read(self, connection: socket) -> None:
        buffer = Buffer()
        while data := connection.recv(65536):
            buffer.receive(data)
            while (message := buffer.next_message()) is not None:
                update = decode(message)
                if isinstance(update, Update):
                    self._note(update)

    def _note(self, update: Update) -> None:
        for prefix in update.announced:
            self.arrivals.add(What.COMES, prefix)
        for prefix in update.withdrawn:
            self.arrivals.add(What.GOES, prefix)
