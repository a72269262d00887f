"""The wire format: every request survives, and nothing but WireError comes out of garbage."""

import os
import socket
import struct
import tempfile
import threading
import time
from array import array
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.cni import wire

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NAMES = st.builds("{}{}".format, st.sampled_from(wire.PREFIXES), st.from_regex("[A-Z_]{0,8}", fullmatch=True))
ENVIRONS = st.dictionaries(NAMES, VALUES, max_size=8)


@contextmanager
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def open_descriptors():
    return set(os.listdir("/proc/self/fd"))


@given(ENVIRONS, st.binary(max_size=300), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_requests_survive(environ, stdin, budget_ms):
    frame = wire.encode_request(environ, stdin, budget_ms)
    assert wire.decode_request(frame) == wire.Request(environ, stdin, budget_ms)


@given(ENVIRONS, st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1))
@settings(deadline=None, max_examples=40)
def test_requests_survive_in_any_pieces(environ, stdin, sizes):
    frame = wire.encode_request(environ, stdin, 7)

    def drip():
        rest, turn = frame, 0
        while rest:
            size = sizes[turn % len(sizes)]
            theirs.sendall(rest[:size])
            rest, turn = rest[size:], turn + 1

    with pair() as (ours, theirs):
        thread = threading.Thread(target=drip)
        thread.start()
        assert wire.receive_request(ours) == wire.Request(environ, stdin, 7)
        thread.join()


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_a_wire_error(garbage):
    for frame in (garbage, wire.MAGIC + b"\0" * 4 + len(garbage).to_bytes(4, "big") + garbage):
        try:
            request = wire.decode_request(frame)
        except wire.WireError:
            continue
        assert wire.decode_request(wire.encode_request(*request[:3])) == request


@given(st.data())
@settings(deadline=None)
def test_every_torn_request_is_a_wire_error(data):
    frame = wire.encode_request({"CNI_COMMAND": "ADD"}, b"stdin", 1)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(wire.WireError):
        wire.decode_request(frame[:cut])
    with pair() as (ours, theirs):
        theirs.sendall(frame[:cut])
        theirs.close()
        with pytest.raises(wire.WireError):
            wire.receive_request(ours)


@given(st.integers(0, 255), st.binary(max_size=300), st.data())
@settings(deadline=None)
def test_replies_survive_or_are_torn(status, payload, data):
    frame = wire.encode_reply(status, payload)
    cut = data.draw(st.integers(0, len(frame)))
    with pair() as (ours, theirs):
        theirs.sendall(frame[:cut])
        theirs.close()
        if cut == len(frame):
            assert wire.receive_reply(ours, 5) == wire.Reply(status, payload)
        else:
            with pytest.raises(wire.WireError, match="closed after"):
                wire.receive_reply(ours, 5)


def test_only_our_variables_travel():
    environ = {"CNI_COMMAND": "ADD", "PATH": "/bin", "TERWAY_EDGE_QUERY": "x", "TERWAY_EDGE_RUN": "/r", "XCNI_": ""}
    request = wire.decode_request(wire.encode_request(environ, b"", 0))
    assert request.environ == {"CNI_COMMAND": "ADD", "TERWAY_EDGE_QUERY": "x"}


def test_of_duplicates_the_last_wins():
    body = b"CNI_A=1\0CNI_A=2=\0\0"
    frame = wire.MAGIC + b"\0" * 4 + len(body).to_bytes(4, "big") + body
    assert wire.decode_request(frame).environ == {"CNI_A": "2="}


@pytest.mark.parametrize("body", [b"", b"CNI_A=1\0", b"CNI_A\0\0", b"PATH=1\0\0", b"=\0\0"])
def test_broken_bodies_are_refused(body):
    with pytest.raises(wire.WireError):
        wire.decode_request(wire.MAGIC + b"\0" * 4 + len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize(("command", "limit"), [("ADD", wire.STDIN_LIMIT), ("GC", wire.GC_STDIN_LIMIT)])
def test_stdin_is_limited_on_both_sides(command, limit):
    environ = {"CNI_COMMAND": command}
    frame = wire.encode_request(environ, b"x" * limit, 0)
    assert len(wire.decode_request(frame).stdin) == limit
    with pytest.raises(wire.WireError, match="at most"):
        wire.encode_request(environ, b"x" * (limit + 1), 0)
    longer = frame[:8] + (len(frame) - wire.HEADER + 1).to_bytes(4, "big") + frame[wire.HEADER :] + b"x"
    with pytest.raises(wire.WireError, match="at most"):
        wire.decode_request(longer)


def test_the_environment_is_limited():
    with pytest.raises(wire.WireError, match="environment"):
        wire.encode_request({"CNI_ARGS": "x" * wire.ENVIRON_LIMIT}, b"", 0)


@pytest.mark.parametrize("header", [b"TWE2\0\0\0\0\0\0\0\1", b"GET / HTTP/1", b"TWE1\0\0\0\0\xff\xff\xff\xff"])
def test_foreign_headers_are_refused_before_more_is_read(header):
    with pair() as (ours, theirs):
        theirs.sendall(header)  # and nothing after it
        with pytest.raises(wire.WireError, match=r"above every limit|expected b'TWE1'"):
            wire.receive_request(ours, timeout=5)


def test_a_caller_that_drips_is_cut_off():
    frame = wire.encode_request({}, b"x" * 1000, 0)
    stop = threading.Event()

    def drip():
        for byte in frame:
            theirs.sendall(bytes([byte]))
            if stop.wait(0.02):
                return

    with pair() as (ours, theirs):
        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(wire.WireError):
            wire.receive_request(ours, timeout=0.3)
        assert time.monotonic() - began < 3
        stop.set()
        thread.join()


def test_a_silent_caller_is_cut_off():
    with pair() as (ours, _), pytest.raises(wire.WireError, match="no request came"):
        wire.receive_request(ours, timeout=0.05)


def test_the_descriptor_belongs_to_the_receiver():
    before = open_descriptors()
    with tempfile.TemporaryFile() as file, pair() as (ours, theirs):
        socket.send_fds(theirs, [wire.encode_request({}, b"", 0)], [file.fileno()])
        request = wire.receive_request(ours)
        assert os.fstat(request.netns_fd).st_ino == os.fstat(file.fileno()).st_ino
        assert not os.get_inheritable(request.netns_fd)
        request.close()
    assert open_descriptors() == before


@pytest.mark.parametrize("frame", [b"garbage that is no request", wire.encode_request({}, b"stdin", 0)[:-1]])
def test_a_refused_request_leaks_no_descriptor(frame):
    before = open_descriptors()
    with tempfile.TemporaryFile() as file, pair() as (ours, theirs):
        socket.send_fds(theirs, [frame], [file.fileno()])
        theirs.close()
        with pytest.raises(wire.WireError):
            wire.receive_request(ours)
    assert open_descriptors() == before


def test_surplus_descriptors_do_not_stay_open():
    before = open_descriptors()
    with tempfile.TemporaryFile() as file, pair() as (ours, theirs):
        rights = array("i", [file.fileno()] * 5)
        frame = wire.encode_request({}, b"stdin", 0)
        theirs.sendmsg([frame[:20]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        theirs.sendmsg([frame[20:]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        request = wire.receive_request(ours)
        assert len(open_descriptors() - before) == 4  # the pair, the file and one descriptor of it
        request.close()
    assert open_descriptors() == before


@pytest.fixture
def socket_path():
    with tempfile.TemporaryDirectory(prefix="twt-") as home:
        yield str(Path(home) / "sock")


@contextmanager
def serving(path, script):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)

        def serve():
            connection, _ = listener.accept()
            with connection:
                script(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)
        assert not thread.is_alive()


def test_call_asks_and_brings_the_answer(socket_path):
    seen = []

    def script(connection):
        seen.append(wire.receive_request(connection))
        connection.sendall(wire.encode_reply(3, b"x" * 100_000))

    environ = {"TERWAY_EDGE_QUERY": "leases", "CNI_NETNS": "/proc/self/ns/net", "PATH": "/bin"}
    with serving(socket_path, script):
        assert wire.call(socket_path, environ, b"{}", budget=9) == wire.Reply(3, b"x" * 100_000)
    [request] = seen
    assert request.environ == {"TERWAY_EDGE_QUERY": "leases", "CNI_NETNS": "/proc/self/ns/net"}
    assert os.fstat(request.netns_fd).st_ino == os.stat("/proc/self/ns/net").st_ino
    assert (request.stdin, request.budget_ms) == (b"{}", 9000)
    request.close()


def test_call_says_when_nobody_listens(socket_path):
    with pytest.raises(wire.WireError, match=r"no agent answers on .*sock"):
        wire.call(socket_path, {})


def test_call_gives_up_on_a_torn_answer(socket_path):
    with serving(socket_path, lambda connection: connection.sendall(b"\0\0\0")), pytest.raises(wire.WireError):
        wire.call(socket_path, {})


def test_call_gives_up_when_the_budget_is_spent(socket_path):
    done = threading.Event()
    with serving(socket_path, lambda _: done.wait(10)):
        with pytest.raises(wire.WireError):
            wire.call(socket_path, {}, b"x" * wire.STDIN_LIMIT, budget=0.2)
        done.set()


def test_the_header_is_what_the_shim_writes():
    frame = wire.encode_request({"CNI_COMMAND": "ADD"}, b"{}", 60_000)
    assert frame == struct.pack(">4sII", b"TWE1", 60_000, 19) + b"CNI_COMMAND=ADD\0\0{}"
