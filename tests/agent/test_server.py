"""The agent's socket with the real wire format: modes, callers, slowness, torn requests, draining."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terway_edge.agent import server as server_module
from terway_edge.agent.server import Server
from terway_edge.cni.wire import MAGIC, Reply, WireError, call, encode_request
from terway_edge.core.errors import Refused
from tests.agent.rig import WAIT, eventually


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "cni.sock"


@pytest.fixture
def start(path):
    servers = []

    def make(handler, workers=4, at=path):
        server = Server(at, workers, handler)
        servers.append(server)
        server.serve()
        return server

    yield make
    for server in servers:
        assert server.drain(WAIT), "a worker is stuck"


def echo(request, connection):
    connection.send(Reply(0, request.environ.get("CNI_CONTAINERID", "").encode() + request.stdin))


def ask(path, container="c1", stdin=b"", budget=5.0):
    return call(str(path), {"CNI_COMMAND": "STATUS", "CNI_CONTAINERID": container}, stdin, budget)


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(WAIT)
    sock.connect(str(path))
    return sock


def test_a_request_is_answered(start, path):
    start(echo)
    assert ask(path, "c1", b"!") == Reply(0, b"c1!")


def test_only_root_can_reach_the_socket(start, path):
    start(echo)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_directory_that_others_may_enter_is_refused_and_left_as_it_is(start, path):
    path.parent.mkdir(mode=0o755)
    with pytest.raises(Refused, match=r"run has mode 0755, expected 0700.*chmod 0700"):
        start(echo)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_the_socket_was_never_open_to_others(start, path):
    previous = os.umask(0)
    try:
        start(echo)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.umask(0) == 0, "the mask of the process, which is all threads', is as before"
    finally:
        os.umask(previous)


CALLER = """
import os, sys
from terway_edge.cni.wire import WireError, call  # while what root alone may read can be
os.setgid(65534); os.setuid(65534)
try:
    print(call(sys.argv[1], {"CNI_COMMAND": "STATUS"}))
except WireError as error:
    print("refused:", error)
"""


@pytest.mark.root
def test_another_uid_is_not_served_even_if_it_can_connect(start, path):
    served = []
    start(lambda request, connection: (served.append(1), echo(request, connection)))
    for each in (path, *path.parents):
        if each != Path(gettempdir()) and each.is_relative_to(gettempdir()):
            each.chmod(0o777)
    done = subprocess.run([sys.executable, "-c", CALLER, str(path)], capture_output=True, text=True, check=False)
    assert "Permission denied" not in done.stdout, "the test must get as far as the credentials"
    assert done.stdout.startswith("refused:"), done.stderr
    assert served == []
    assert ask(path) == Reply(0, b"c1")


def test_allowed_are_root_and_ourselves(start):
    assert start(echo)._allowed == {0, os.geteuid()}


def test_a_stale_socket_is_replaced(start, path):
    path.parent.mkdir(mode=0o700)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    start(echo)
    assert ask(path) == Reply(0, b"c1")


def test_a_path_that_is_too_long_says_so(start, tmp_path):
    long = tmp_path / ("x" * 100) / "cni.sock"
    with pytest.raises(Refused, match=r"longer than the 107 bytes.*choose another run_dir"):
        start(echo, at=long)


def test_fifty_callers_at_once_are_all_answered(start, path):
    start(echo, workers=8)
    answers = {}

    def one(number):
        answers[number] = ask(path, f"c{number}", b"x" * 10_000, 20.0)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert answers == {number: Reply(0, f"c{number}".encode() + b"x" * 10_000) for number in range(50)}


WHOLE = encode_request({"CNI_COMMAND": "STATUS"}, b"{}", 1000)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_torn_request_is_dropped_at_every_length(start, path, length):
    served = []
    start(lambda request, connection: (served.append(request), echo(request, connection)), workers=1)
    with connect(path) as sock:
        sock.sendall(WHOLE[:length])
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    assert ask(path) == Reply(0, b"c1")
    assert len(served) == 1


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: MAGIC + tail)))
def test_no_bytes_end_a_worker(tmp_path_factory, frame):
    path = tmp_path_factory.mktemp("fuzz") / "run" / "cni.sock"
    server = Server(path, 1, echo)
    server.serve()
    try:
        with connect(path) as sock:
            sock.sendall(frame)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
        assert ask(path) == Reply(0, b"c1")
    except ConnectionError:
        assert ask(path) == Reply(0, b"c1")
    finally:
        assert server.drain(WAIT)


def test_a_handler_that_raises_does_not_end_its_worker(start, path, caplog):
    def broken(request, connection):
        raise RuntimeError("a bug")

    start(broken, workers=1)
    for _ in range(3):
        with pytest.raises(WireError):
            ask(path, budget=5.0)
    eventually(lambda: caplog.text.count("RuntimeError: a bug") == 3)


@pytest.mark.slow
def test_a_slow_caller_holds_a_worker_no_longer_than_its_time(start, path):
    start(echo, workers=1)
    with connect(path) as slow:
        began = time.monotonic()
        slow.sendall(WHOLE[:5])  # and then nothing
        assert ask(path, budget=20.0) == Reply(0, b"c1")
        assert time.monotonic() - began < 7
        assert slow.recv(1) == b"", "the slow one was dropped"


def test_a_caller_who_does_not_take_the_answer_holds_a_worker_no_longer_than_its_time(start, path, monkeypatch):
    monkeypatch.setattr(server_module, "SEND_TIMEOUT", 0.2)
    taken = []

    def big(request, connection):
        answer = b"x" * (8 << 20) if "CNI_NETNS" in request.environ else b"small"
        taken.append(connection.send(Reply(0, answer)))

    start(big, workers=1)
    with connect(path) as deaf:
        deaf.sendall(encode_request({"CNI_COMMAND": "ADD", "CNI_NETNS": "/n"}, b"", 1000))
        assert ask(path, budget=10.0) == Reply(0, b"small")
    eventually(lambda: taken == [False, True])


def test_a_caller_who_goes_away_is_noticed_and_one_who_waits_is_not_taken_for_gone(start, path):
    seen, go = [], threading.Event()

    def handler(request, connection):
        seen.append(connection.gone())
        assert go.wait(WAIT)
        seen.append(connection.gone())
        seen.append(connection.send(Reply(0, b"")))

    start(handler)
    sock = connect(path)
    sock.sendall(WHOLE)
    eventually(lambda: seen == [False])
    sock.close()
    go.set()
    eventually(lambda: len(seen) == 3)
    assert seen == [False, True, False]


def test_drain_waits_for_what_is_in_flight_and_takes_no_more(path):
    began, go, answers = threading.Event(), threading.Event(), []

    def handler(request, connection):
        began.set()
        assert go.wait(WAIT)
        echo(request, connection)

    server = Server(path, 2, handler)
    server.serve()
    caller = threading.Thread(target=lambda: answers.append(ask(path, "last", budget=20.0)))
    caller.start()
    assert began.wait(WAIT)
    drained = []
    drainer = threading.Thread(target=lambda: drained.append(server.drain(WAIT)))
    drainer.start()
    eventually(lambda: not path.exists())
    with pytest.raises(WireError, match="no agent answers"):
        ask(path)
    go.set()
    drainer.join(WAIT)
    caller.join(WAIT)
    assert drained == [True]
    assert answers == [Reply(0, b"last")]


def test_drain_gives_up_after_its_time_however_many_workers_hang(path):
    go, running = threading.Event(), []

    def hang(request, connection):
        running.append(1)
        go.wait(WAIT)

    server = Server(path, 4, hang)
    server.serve()
    socks = [connect(path) for _ in range(4)]
    for sock in socks:
        sock.sendall(WHOLE)
    eventually(lambda: len(running) == 4)
    began = time.monotonic()
    assert server.drain(0.2) is False
    assert time.monotonic() - began < 0.7, "the time is for all workers together"
    go.set()
    for sock in socks:
        sock.close()
    for thread in server._threads:
        thread.join(WAIT)


def test_no_descriptor_is_kept_of_past_requests(start, path):
    start(echo, workers=2)

    def netns():
        return len(os.listdir("/proc/self/fd"))

    ask(path)
    before = eventually(netns)
    for _ in range(50):
        call(str(path), {"CNI_COMMAND": "ADD", "CNI_NETNS": "/proc/self/ns/net"})
        with connect(path) as sock:
            sock.sendall(WHOLE[:7])
    eventually(lambda: netns() <= before, "descriptors being closed")


def waiting(begun, ended):
    """A handler whose ADDs wait until they are told to end, and for no longer than the server lets them."""

    def handler(request, connection):
        if request.environ["CNI_COMMAND"] == "ADD":
            begun.release()
            while connection.keeps_waiting() and not ended.wait(0.01):
                pass
        connection.send(Reply(0, b""))

    return handler


def add(path):
    return call(str(path), {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c"}, b"", WAIT)


def test_requests_that_wait_for_something_slow_hold_up_no_others(start, path):
    begun, ended, answers = threading.Semaphore(0), threading.Event(), []
    server = start(waiting(begun, ended), workers=1)
    callers = [threading.Thread(target=lambda: answers.append(add(path))) for _ in range(5)]
    for caller in callers:
        caller.start()
    for _ in callers:
        assert begun.acquire(timeout=WAIT), "an ADD waits behind another"
    assert ask(path) == Reply(0, b"")
    ended.set()
    for caller in callers:
        caller.join(WAIT)
    assert answers == [Reply(0, b"")] * 5
    eventually(lambda: len(server._threads) == 1, "the threads of those that waited are gone")
    assert ask(path) == Reply(0, b"")


def test_no_more_threads_than_that_wait(start, path, monkeypatch):
    monkeypatch.setattr(server_module, "MOST_WAITING", 1)
    begun, ended = threading.Semaphore(0), threading.Event()
    server = start(waiting(begun, ended), workers=1)
    callers = [threading.Thread(target=add, args=(path,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    assert begun.acquire(timeout=WAIT)
    assert begun.acquire(timeout=WAIT)
    assert not begun.acquire(timeout=0.1), "a third one must wait for its turn"
    assert len(server._threads) == 2
    ended.set()
    for caller in callers:
        caller.join(WAIT)


def test_draining_ends_waits(path):
    begun, never = threading.Semaphore(0), threading.Event()
    server = Server(path, 1, waiting(begun, never))
    server.serve()
    caller = threading.Thread(target=add, args=(path,))
    caller.start()
    assert begun.acquire(timeout=WAIT)
    assert server.drain(WAIT)
    caller.join(WAIT)


def test_a_caller_who_leaves_ends_its_wait(start, path):
    begun, never = threading.Semaphore(0), threading.Event()
    server = start(waiting(begun, never), workers=1)
    sock = connect(path)
    sock.sendall(encode_request({"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c"}, b"", 5000))
    eventually(lambda: len(server._threads) == 2, "it waits, and another thread is in its place")
    sock.close()
    eventually(lambda: len(server._threads) == 1, "the wait has ended")


@pytest.mark.parametrize("what", ["socket", "directory", "another socket in its place"])
def test_t28_a_socket_that_was_taken_away_is_made_anew(start, path, what):
    server = start(echo)
    assert server.is_reachable()
    if what == "directory":
        shutil.rmtree(path.parent)
    else:
        path.unlink()
    stranger = socket.socket(socket.AF_UNIX)
    with stranger:
        if what.startswith("another"):
            stranger.bind(str(path))
        assert not server.is_reachable()
        server.listen_anew()
    assert server.is_reachable()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [ask(path, f"c{number}").payload for number in range(8)] == [f"c{number}".encode() for number in range(8)]


def test_t28_a_request_in_flight_is_answered_though_the_socket_is_made_anew(start, path):
    began, go = threading.Event(), threading.Event()

    def slow(request, connection):
        began.set()
        assert go.wait(WAIT)
        echo(request, connection)

    server = start(slow)
    with connect(path) as sock:
        sock.sendall(encode_request({"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1"}, b"", 5000))
        assert began.wait(WAIT)
        path.unlink()
        server.listen_anew()
        go.set()
        assert sock.recv(100)[5:] == b"c1"
    assert ask(path, "c2").payload == b"c2"


def test_a_server_that_is_drained_listens_no_more(start, path):
    server = start(echo)
    assert server.drain(WAIT)
    server.listen_anew()
    assert not path.exists()


def test_without_another_thread_a_wait_goes_on_in_this_one_and_the_end_is_clean(path):
    """A node whose processes are all used up, and no thread can be made."""
    begun, ended, answers = threading.Semaphore(0), threading.Event(), []
    server = Server(path, 1, waiting(begun, ended))
    server.serve()
    caller = threading.Thread(target=lambda: answers.append(add(path)))
    caller.start()
    size = threading.stack_size(1 << 46)  # more than there is
    try:
        assert begun.acquire(timeout=WAIT)
        assert not begun.acquire(timeout=0.1)
    finally:
        threading.stack_size(size)
    ended.set()
    caller.join(WAIT)
    assert answers == [Reply(0, b"")]
    assert server.drain(WAIT)


def test_draining_ends_though_the_path_cannot_be_removed(path):
    server = Server(path, 1, echo)
    server.serve()
    path.unlink()
    path.mkdir()  # somebody's
    assert server.drain(WAIT)
    path.rmdir()


def test_what_other_threads_make_meanwhile_has_the_mode_that_they_want(start, path, tmp_path):
    """The mask of a process is every thread's."""
    server, modes, ended = start(echo), set(), threading.Event()

    def make():
        while not ended.is_set():
            (tmp_path / "other").mkdir(mode=0o700)
            modes.add(stat.S_IMODE((tmp_path / "other").stat().st_mode))
            (tmp_path / "other").rmdir()

    other = threading.Thread(target=make)
    other.start()
    for _ in range(200):
        path.unlink()
        server.listen_anew()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ended.set()
    other.join(WAIT)
    assert modes == {0o700}
