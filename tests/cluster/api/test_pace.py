"""What follows a piece of news waits in the kernel for a moment; what cannot wait does not."""

import asyncio
import fcntl
import select
import socket
import struct
import termios

import pytest

from terway_edge.cluster.api.pace import Pace

LONG, SHORT = 3600.0, 0.01
PATIENCE = 10.0


@pytest.fixture
def ends():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def is_readable(endpoint, timeout=0.0):
    return bool(select.select([endpoint], [], [], timeout)[0])


def has_come(endpoint, size):
    """Wait until the kernel has so many bytes for it."""
    while struct.unpack("i", fcntl.ioctl(endpoint, termios.FIONREAD, b"\0\0\0\0"))[0] < size:
        select.select([], [], [], 0.001)
    return True


def with_news(client, gather):
    async def begin():
        Pace(client, gather).had_news()

    asyncio.run(begin())


def test_the_first_news_is_told_at_once(ends):
    client, server = ends
    server.sendall(b"first")
    assert is_readable(client, PATIENCE)


def test_what_follows_waits(ends):
    client, server = ends
    with_news(client, LONG)
    server.sendall(b"second")
    assert has_come(client, 6)
    assert not is_readable(client)


@pytest.mark.parametrize("end", ["close", "reset", "much"])
def test_the_end_of_the_connection_and_a_full_buffer_are_told_at_once(ends, end):
    client, server = ends
    with_news(client, LONG)
    server.sendall(b"second")
    if end == "much":
        server.setblocking(False)
        while server in select.select([], [server], [], 0)[1]:
            server.send(bytes(1 << 20))
    elif end == "reset":
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if end != "much":
        server.close()
    assert is_readable(client, PATIENCE)


def test_what_waited_is_told_together_after_a_moment(ends):
    client, server = ends

    async def read():
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        pace = Pace(client, SHORT)
        pace.had_news()
        pace.had_news()
        for piece in (b"second", b"third"):
            server.sendall(piece)
        assert has_come(client, 11)
        loop.add_reader(client, told.set)
        try:
            await asyncio.wait_for(told.wait(), PATIENCE)
        finally:
            loop.remove_reader(client)

    client.setblocking(False)
    asyncio.run(read())
    assert client.recv(100) == b"secondthird"


def test_a_connection_that_is_gone_does_not_matter(ends):
    client, _ = ends
    client.close()
    with_news(client, LONG)
    with_news(None, LONG)
