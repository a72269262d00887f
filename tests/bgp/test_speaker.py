"""The speaker's thread and its real sockets, on loopback addresses and high ports: no root is needed."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from queue import SimpleQueue

import pytest

from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.link import Link
from terway_edge.backends.bgp.peering import Edge, Surroundings
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.backends.bgp.transport import TcpNetwork
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret
from tests.bgp.loopback import HERE, STRANGER, WAIT, free_port, spec_of
from tests.bgp.scenes import wish
from tests.bgp.sessions import switch_of


class Running:
    """A speaker at work, and its edges as they come."""

    def __init__(self, listen_port: int = 0) -> None:
        self.edges: SimpleQueue[Edge] = SimpleQueue()
        around = Surroundings(TcpNetwork(), self.edges.put, lambda pause: pause / 100)
        self.speaker = Speaker(around, time.monotonic, listen_port)
        self.speaker.start()

    def want(self, *wishes: Wish) -> None:
        self.speaker.want(wishes)

    def wait_for(self, *, up: bool) -> Edge:
        """The next time that a session comes up, or goes down that was up; attempts that fail are passed over."""
        while True:
            edge = self.edges.get(timeout=WAIT)
            if (edge.failure is None and not edge.is_gone) == up and (up or edge.was_established):
                return edge

    def wait_until_gone(self) -> None:
        while not self.edges.get(timeout=WAIT).is_gone:
            pass

    def done(self) -> None:
        """All that was asked for before is done, and `states` tell of it."""
        for _ in range(2):  # a turn's states are made at its end
            reached = threading.Event()
            self.speaker.call(reached.set)
            assert reached.wait(WAIT)


@pytest.fixture
def run() -> Iterator[type[Running]]:
    made: list[Running] = []

    class Kept(Running):
        def __init__(self, listen_port: int = 0) -> None:
            super().__init__(listen_port)
            made.append(self)

    yield Kept
    for each in made:
        each.speaker.close()


@pytest.fixture
def port() -> int:
    return free_port()


def test_a_session_over_tcp(run: type[Running], port: int) -> None:
    here, there = run(port), run()
    here.want(wish(1, spec=spec_of(port)))
    here.done()
    there.want(wish(2, 3, spec=switch_of(spec_of(port))))
    for each in (here, there):
        each.wait_for(up=True)
    there.want(wish(2, spec=switch_of(spec_of(port))))
    there.want()
    there.wait_until_gone()
    assert here.wait_for(up=False).failure.reason == "CeaseDeconfigured"


def test_a_killed_speaker_is_a_closed_connection(run: type[Running], port: int) -> None:
    here, there = run(port), run()
    here.want(wish(1, spec=spec_of(port)))
    here.done()
    there.want(wish(2, spec=switch_of(spec_of(port))))
    here.wait_for(up=True)
    there.speaker.close()
    assert here.wait_for(up=False).failure.reason in ("ConnectionClosed", "ConnectionReset")


@pytest.mark.parametrize(
    "changes",
    [{}, {"password": Secret(b"s3cret")}, {"ttl_security": 1}, {"multihop": 3}, {"peer_asn": 65100}],
    ids=["plain", "MD5", "TTL security", "multihop", "iBGP"],
)
def test_options_of_the_connection_fit_whoever_dials(run: type[Running], port: int, changes: dict[str, object]) -> None:
    spec = spec_of(port, **changes)
    both_listen = [run(port), run(port)]
    for each, its_spec in zip(both_listen, (spec, switch_of(spec)), strict=True):
        each.want(wish(1, spec=its_spec))
    for each in both_listen:
        each.wait_for(up=True)


def test_ipv6(run: type[Running]) -> None:
    here = Address.parse("::1")
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    spec = spec_of(port, address=here, local_address=here)
    listening, dialling = run(port), run()
    listening.want(wish(1, spec=spec))
    listening.done()
    dialling.want(wish(2, spec=switch_of(spec)))
    for each in (listening, dialling):
        each.wait_for(up=True)


def test_a_password_is_rotated_without_a_new_session(run: type[Running], port: int) -> None:
    old = spec_of(port, password=Secret(b"old"), restart_time=0, hold_time=3)
    new = replace(old, password=Secret(b"new"))
    here, there = run(port), run()
    here.want(wish(1, spec=old))
    here.done()
    there.want(wish(2, spec=switch_of(old)))
    for each in (here, there):
        each.wait_for(up=True)
    here.want(wish(1, spec=new))
    there.want(wish(2, 3, spec=switch_of(new)))
    deadline = time.monotonic() + WAIT
    while here.speaker.states[0].received != 4:
        assert time.monotonic() < deadline, "nothing signed with the new password arrives"
        here.done()
    assert here.speaker.states[0].flaps == 0


def test_a_hundred_flaps_leave_nothing_behind(run: type[Running], port: int) -> None:
    here = run(port)
    here.want(wish(1, spec=spec_of(port)))
    here.done()

    def flap() -> None:
        there = Running()
        there.want(wish(2, spec=switch_of(spec_of(port))))
        there.wait_for(up=True)
        here.wait_for(up=True)
        there.speaker.close()
        here.wait_for(up=False)
        here.done()

    flap()
    before = _open(), threading.active_count(), _links()
    for _ in range(100):
        flap()
    assert (_open(), threading.active_count(), _links()) == before
    assert here.speaker.states[0].flaps == 101


def _open() -> list[str]:
    """What each open descriptor is, without numbers that differ each time."""
    kinds = []
    for name in os.listdir("/proc/self/fd"):
        try:
            kinds.append(os.readlink(f"/proc/self/fd/{name}").partition("[")[0])
        except OSError:  # the one that lists
            continue
    return sorted(kinds)


def _links() -> int:
    gc.collect()
    return sum(isinstance(each, Link) for each in gc.get_objects())


def test_strangers_are_refused_and_told_once(run: type[Running], port: int, caplog: pytest.LogCaptureFixture) -> None:
    here = run(port)
    here.want(wish(1, spec=spec_of(port)))
    here.done()
    for _ in range(3):
        with closing(socket.create_connection((HERE, port), WAIT, (STRANGER, 0))) as sock:
            assert sock.recv(1) == b""
    assert [record.message for record in caplog.records if "refused" in record.message] == [
        f"refused a connection of {STRANGER}, which is no peer of this node"
    ]


def test_nobody_listens_once_the_last_peer_is_gone(run: type[Running], port: int) -> None:
    here, there = run(port), run()
    here.want(wish(1, spec=spec_of(port)))
    here.done()
    there.want(wish(2, spec=switch_of(spec_of(port))))
    here.wait_for(up=True)
    here.want()
    here.wait_until_gone()
    here.done()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port), WAIT)


def test_a_port_that_is_taken_is_told_and_sessions_are_dialled(
    run: type[Running], port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.socket()) as taken:
        taken.bind((HERE, port))
        here, there = run(port), run(port)
        there.want(wish(2, spec=switch_of(spec_of(port))))
        there.done()
        here.want(wish(1, spec=spec_of(port)))
        here.wait_for(up=True)
    assert f"cannot listen on {HERE} port {port}: Address already in use" in caplog.text


def test_where_passwords_cannot_be_told_apart_nobody_is_let_in(
    run: type[Running], port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel takes 80 octets. A peer with a password must not get in without one."""
    here = run(port)
    here.want(wish(1, spec=spec_of(port, password=Secret(b"x" * 81))))
    here.done()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port), WAIT)
    assert "nobody can connect to us on 127.0.0.1" in caplog.text


def test_who_closes_does_first_what_was_asked_for_before() -> None:
    for _ in range(200):
        running, done = Running(), []
        running.speaker.call(lambda done=done: done.append(True))
        running.speaker.close()
        assert done == [True]


def test_closing_is_harmless_twice_and_before_the_start() -> None:
    around = Surroundings(TcpNetwork(), print, lambda pause: pause)
    never_started = Speaker(around, time.monotonic)
    never_started.close()
    never_started.close()
    running = Running()
    running.want(wish(1, spec=spec_of(free_port())))
    running.speaker.close()
    running.speaker.close()
    running.want(wish(2))
    assert running.speaker.states == ()


def test_no_request_is_overlooked(run: type[Running]) -> None:
    """Also one that comes while the loop looks at those before it."""
    here = run()
    for _ in range(3000):
        here.speaker.call(lambda: None)
        here.done()


def test_many_threads_may_ask(run: type[Running], port: int) -> None:
    here, there = run(port), run()
    here.want(wish(1, spec=spec_of(port)))
    here.done()
    threads = [
        threading.Thread(target=there.want, args=[wish(number, spec=switch_of(spec_of(port)))]) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    there.wait_for(up=True)
    there.done()
    assert there.speaker.states[0].state is State.ESTABLISHED
    assert there.speaker.states[0].announced == 2
