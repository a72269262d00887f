"""Sockets that live in another network namespace.

A socket belongs for ever to the namespace in which it was made, so a short-lived thread enters the namespace, makes
the socket and ends; no other thread of the lab ever leaves the host's namespace.
"""

from __future__ import annotations

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from terway_edge.lab.layout import netns_path

CLONE_NEWNET = 0x40000000  # linux/sched.h


def socket_in(netns: str, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket of the named namespace. Raises OSError."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_make, netns, family).result()


def _make(netns: str, family: socket.AddressFamily) -> socket.socket:
    descriptor = os.open(netns_path(netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):  # os.setns needs Python 3.12
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {netns}")
    finally:
        os.close(descriptor)
    return socket.socket(family, socket.SOCK_STREAM)
