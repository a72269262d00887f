"""The servers for tests leave nothing open, however early a client leaves."""

from __future__ import annotations

import gc
import os
import select
import socket
import warnings

import pytest

from terway_edge.testing.apiserver import self_signed
from terway_edge.testing.http import RESET, HttpHandler, HttpServer, listen


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_client_that_resets_its_connection_before_it_is_served_leaves_nothing_open(is_tls: bool) -> None:
    listening = listen()
    server = HttpServer(listening, HttpHandler, self_signed("127.0.0.1").context() if is_tls else None)
    client = socket.create_connection(listening.getsockname())
    connection, address = server.get_request()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    assert select.select([connection], [], [], 5)[0], "the reset has come"
    number = connection.fileno()
    inode = os.fstat(number).st_ino
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        server.process_request(connection, address)
        server.cut()
        del connection
        gc.collect()
    server.server_close()
    assert not told
    assert not is_open(number, inode)


def is_open(number: int, inode: int) -> bool:
    """Whether it is still the same file."""
    try:
        return os.fstat(number).st_ino == inode
    except OSError:
        return False
