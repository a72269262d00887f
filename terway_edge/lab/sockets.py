"""Sockets that live in another network namespace.

A socket belongs for ever to the namespace in which it was made, so a short-lived thread enters the namespace, makes
the socket and ends. No thread of the lab that does anything else leaves the host's namespace.
"""

from __future__ import annotations

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from terway_edge.lab.layout import netns_path

CLONE_NEWNET = 0x40000000  # linux/sched.h


def socket_in(
    netns: str, family: socket.AddressFamily, kind: socket.SocketKind = socket.SOCK_STREAM, protocol: int = 0
) -> socket.socket:
    """A socket of the named namespace, of TCP if nothing is said. Raises OSError."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_make, netns, family, kind, protocol).result()


def enter(netns: str) -> None:
    """The calling thread makes all its sockets there from now on. Raises OSError."""
    descriptor = os.open(netns_path(netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):  # os.setns needs Python 3.12
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {netns}")
    finally:
        os.close(descriptor)


def _make(netns: str, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int) -> socket.socket:
    enter(netns)
    return socket.socket(family, kind, protocol)
