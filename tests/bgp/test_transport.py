"""Sockets as BGP wants them: source address, signatures, hop limits, and errors with the kernel's number."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from terway_edge.backends.bgp.transport import (
    IP_MINTTL,
    IPV6_MINHOPCOUNT,
    Channel,
    TcpChannel,
    TcpListener,
    TcpNetwork,
    unsigned_segments,
)
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret
from tests.bgp.loopback import HERE, THERE, WAIT, free_port, spec_of

OLD, NEW = Secret(b"old"), Secret(b"new")
LONG = Secret(b"x" * 80)
SILENCE = 0.3  # seconds in which a connection on this host would have been made


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def open_() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(stack: ExitStack, port: int, password: Secret | None = None) -> TcpListener:
    """At THERE, for connections of HERE."""
    listener = TcpNetwork().listen(Address.parse(THERE), port)
    stack.callback(listener.close)
    listener.set_password(Address.parse(HERE), password)
    return listener


def dial(stack: ExitStack, port: int, **changes: object) -> TcpChannel:
    channel = TcpNetwork().dial(spec_of(port, **changes))
    stack.callback(channel.close)
    return channel


def connected(channel: Channel, timeout: float = WAIT) -> bool:
    return bool(select.select([], [channel], [], timeout)[1])


def accepted(stack: ExitStack, listener: TcpListener) -> tuple[TcpChannel, Address]:
    assert select.select([listener], [], [], WAIT)[0]
    channel, peer = listener.accept()
    stack.callback(channel.close)
    return channel, peer


def option(channel: Channel, level: int, name: int) -> int:
    with closing(socket.socket(fileno=os.dup(channel.fileno()))) as sock:
        return sock.getsockopt(level, name)


def received(channel: Channel) -> bytes:
    assert select.select([channel], [], [], WAIT)[0]
    return channel.read()


def test_octets_travel_from_the_address_that_the_session_has(open_: ExitStack, port: int) -> None:
    listener = listen(open_, port)
    near = dial(open_, port)
    assert connected(near)
    near.finish_connect()
    far, peer = accepted(open_, listener)
    assert peer == Address.parse(HERE)
    assert near.write(b"hello") == 5
    assert received(far) == b"hello"
    with pytest.raises(BlockingIOError):
        far.read()
    near.close()
    assert received(far) == b""


def test_nobody_waiting_and_nothing_to_accept_are_told_apart_from_errors(open_: ExitStack, port: int) -> None:
    with pytest.raises(BlockingIOError):
        listen(open_, port).accept()
    refused = dial(open_, free_port(THERE))
    assert connected(refused)
    with pytest.raises(OSError, match="ECONNREFUSED") as raised:
        refused.finish_connect()
    assert raised.value.errno == errno.ECONNREFUSED


def test_an_address_that_this_host_has_not_is_an_error_at_once(open_: ExitStack, port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="assign") as raised:
        dial(open_, port, local_address=Address.parse("192.0.2.1"))
    assert raised.value.errno == errno.EADDRNOTAVAIL
    with pytest.raises(OSError, match="assign"):
        TcpNetwork().listen(Address.parse("192.0.2.1"), port)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("password", [OLD, LONG])
def test_equal_passwords_let_through(open_: ExitStack, port: int, password: Secret) -> None:
    listener = listen(open_, port, password)
    near = dial(open_, port, password=password)
    assert connected(near)
    far, _ = accepted(open_, listener)
    near.write(b"signed")
    assert received(far) == b"signed"


@pytest.mark.parametrize(("ours", "theirs"), [(OLD, NEW), (OLD, None), (None, NEW)])
def test_unequal_passwords_are_silence_and_are_counted(
    open_: ExitStack, port: int, ours: Secret | None, theirs: Secret | None
) -> None:
    listen(open_, port, theirs)
    before = unsigned_segments()
    assert not connected(dial(open_, port, password=ours), SILENCE)
    assert unsigned_segments() > before


def test_a_listener_learns_new_passwords_and_forgets_old_ones(open_: ExitStack, port: int) -> None:
    listener = listen(open_, port, OLD)
    listener.set_password(Address.parse(HERE), NEW)
    assert connected(dial(open_, port, password=NEW))
    listener.set_password(Address.parse(HERE), None)
    assert connected(dial(open_, port))
    listener.set_password(Address.parse(HERE), None)  # twice is harmless


def test_a_live_connection_takes_a_new_password(open_: ExitStack, port: int) -> None:
    listener = listen(open_, port, OLD)
    near = dial(open_, port, password=OLD)
    assert connected(near)
    far, _ = accepted(open_, listener)
    near.set_password(spec_of(port, password=NEW))
    far.set_password(replace(spec_of(port, password=NEW), address=Address.parse(HERE)))
    near.write(b"signed anew")
    assert received(far) == b"signed anew"


def test_a_password_that_is_too_long_for_the_kernel_is_an_error(open_: ExitStack, port: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        dial(open_, port, password=Secret(b"x" * 81))


@pytest.mark.parametrize(
    ("changes", "ttl", "least"),
    [
        ({}, 1, 0),
        ({"multihop": 7}, 7, 0),
        ({"ttl_security": 1}, 255, 255),
        ({"ttl_security": 254}, 255, 2),
    ],
)
def test_hops_are_limited(open_: ExitStack, port: int, changes: dict[str, object], ttl: int, least: int) -> None:
    listener = listen(open_, port)
    near = dial(open_, port, **changes)
    assert connected(near)
    far, _ = accepted(open_, listener)
    far.set_options(spec_of(port, **changes))
    for channel in (near, far):
        assert option(channel, socket.IPPROTO_IP, socket.IP_TTL) == ttl
        assert option(channel, socket.IPPROTO_IP, IP_MINTTL) == least
        assert option(channel, socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_internal_peer_may_be_anywhere(open_: ExitStack, port: int) -> None:
    usual = int(Path("/proc/sys/net/ipv4/ip_default_ttl").read_text())
    assert option(dial(open_, port, peer_asn=65100), socket.IPPROTO_IP, socket.IP_TTL) == usual


@pytest.mark.parametrize(
    ("changes", "hops", "least"), [({}, 1, 0), ({"multihop": 7}, 7, 0), ({"ttl_security": 2}, 255, 254)]
)
def test_hops_are_limited_over_ipv6(open_: ExitStack, changes: dict[str, object], hops: int, least: int) -> None:
    here = Address.parse("::1")
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    channel = dial(open_, port, address=here, local_address=here, **changes)
    assert option(channel, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == hops
    assert option(channel, socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT) == least


def test_routers_see_that_it_is_control_traffic(open_: ExitStack, port: int) -> None:
    assert option(dial(open_, port), socket.IPPROTO_IP, socket.IP_TOS) == 0xC0
