"""What reads the kernel's notifications goes on whatever happens, without haste, and says when some were lost."""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import closing

import pytest

from terway_edge.core.plans import Rule, Verb
from terway_edge.core.ports import Happening
from terway_edge.kernel import watching
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.monitor import Monitor
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.nft_monitor import NftMonitor
from terway_edge.kernel.own_ports import OwnPorts
from terway_edge.kernel.sockets import HostSockets
from terway_edge.kernel.uapi import RTM_DELROUTE
from terway_edge.kernel.watching import Watch
from terway_edge.kernel.wire import message

SOON, NEVER = 0.02, 3600.0  # seconds


class Line:
    """One end of a pair of sockets after another, each the source of a watch; the first `refused` cannot be had."""

    def __init__(self, refused: int = 0) -> None:
        self.asked = self.lost = 0
        self.heard: list[bytes] = []
        self._refused = refused
        self._far: list[socket.socket] = []

    def subscribe(self) -> socket.socket:
        self.asked += 1
        if 1 < self.asked <= 1 + self._refused:
            raise OSError(errno.EMFILE, "no descriptor is left")
        near, far = socket.socketpair()
        near.setblocking(False)
        self._far.append(far)
        return near

    def drain(self, near: socket.socket) -> None:
        try:
            data = near.recv(100)
        except BlockingIOError:
            return
        if data == b"odd":
            raise ValueError("a message like none before")
        self.heard.append(data)

    def lose(self) -> None:
        self.lost += 1

    def say(self, data: bytes) -> None:
        self._far[-1].send(data)

    def close(self) -> None:
        for far in self._far:
            far.close()


@pytest.fixture
def watched():
    """Begins to watch a line."""
    open_ones = []

    def begin(line: Line) -> Watch:
        watch = Watch("test-watch", line.subscribe, line.drain, line.lose)
        watch.start()
        open_ones.extend((watch, line))
        return watch

    yield begin
    for each in open_ones:
        each.close()


@pytest.mark.parametrize("refused", [0, 3])
def test_a_watch_begins_anew_after_what_it_does_not_understand(watched, eventually, monkeypatch, caplog, refused):
    monkeypatch.setattr(watching, "PAUSE", SOON)
    line = Line(refused)
    watched(line)
    line.say(b"odd")
    eventually(lambda: line.lost == 1)
    line.say(b"plain")
    eventually(lambda: line.heard == [b"plain"])
    assert line.asked == 2 + refused
    assert "a message like none before" in caplog.text
    assert caplog.text.count("not noticed before the next audit") == refused


def test_an_error_that_stays_is_met_without_haste_and_does_not_keep_a_watch_from_being_closed(
    watched, eventually, monkeypatch, caplog
):
    monkeypatch.setattr(watching, "PAUSE", NEVER)
    line = Line()
    watch = watched(line)
    line.say(b"odd")
    eventually(lambda: "listened to anew" in caplog.text)
    watch.close()
    watch.close()
    assert (line.asked, line.lost) == (1, 0)
    assert "test-watch" not in {thread.name for thread in threading.enumerate()}


def break_off(endpoint: socket.socket) -> None:
    """Its next read fails as no overrun does."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, endpoint.fileno(), inheritable=False)
    os.close(null)


@pytest.fixture
def host(real_world):
    descriptor = open_netns(f"/run/netns/{real_world._host}")
    yield descriptor
    os.close(descriptor)


def say_nonsense(host: int, endpoint: socket.socket) -> None:
    """A message about a route that is too short to be one."""
    with inside(host, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)) as other:
        other.sendto(message(RTM_DELROUTE, 0, 0, bytes(8)), endpoint.getsockname())


@pytest.mark.root
@pytest.mark.parametrize("trouble", ["an unknown error", "a short message"])
def test_the_monitor_tells_an_overrun_after_an_unknown_error_and_watches_on(
    real_world, host, eventually, monkeypatch, trouble
):
    monkeypatch.setattr(watching, "PAUSE", SOON)
    events = []
    with closing(HostSockets(host)) as sockets, closing(Monitor(sockets, Departing())) as monitor:
        monitor.listen(events.append)
        if trouble == "an unknown error":
            break_off(monitor._watch._socket)
            real_world.foreign(Verb.ADD, Rule(998, 254))
            real_world.foreign(Verb.REMOVE, Rule(998, 254))
        else:
            say_nonsense(host, monitor._watch._socket)
        eventually(lambda: Happening.OVERRUN in {event.what for event in events})
        seen = len(events)
        real_world.foreign(Verb.ADD, Rule(999, 254))
        real_world.foreign(Verb.REMOVE, Rule(999, 254))
        eventually(lambda: any(e.item is not None and e.what is Happening.RULE_REMOVED for e in events[seen:]))


@pytest.mark.root
def test_the_monitor_of_tables_tells_of_a_change_after_an_unknown_error_and_watches_on(
    real_world, host, eventually, monkeypatch
):
    monkeypatch.setattr(watching, "PAUSE", SOON)
    changes = []
    with closing(inside(host, lambda: NftMonitor(OwnPorts().base, lambda: changes.append(1)))) as monitor:
        break_off(monitor._watch._socket)
        real_world.run("nft", "add table inet theirs")
        eventually(lambda: len(changes) == 1)
        real_world.run("nft", "add table inet terway_edge")
        eventually(lambda: len(changes) == 2)
