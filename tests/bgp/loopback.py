"""Addresses and ports of this host for sessions over real sockets, without root."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing
from dataclasses import replace
from itertools import count

from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.core.addresses import Address

WAIT = 20.0  # seconds a test waits for a thread before it fails
HERE, THERE, STRANGER = (f"127.0.0.{host}" for host in (1, 2, 3))


PORTS = count(20000 + os.getpid() % 8000)
"""Below those that the kernel gives to whoever connects."""


def free_port(*addresses: str) -> int:
    """One that nobody has at any of the addresses. Raises OSError if this host lacks one of them."""
    while True:
        port = next(PORTS)
        try:
            for address in addresses or (HERE, THERE):
                with closing(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)) as sock:
                    sock.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def spec_of(port: int, **changes: object) -> PeerSpec:
    """HERE's session with THERE."""
    made = PeerSpec(
        name="lan-a",
        address=Address.parse(THERE),
        local_address=Address.parse(HERE),
        local_asn=65100,
        peer_asn=65001,
        router_id=1,
        port=port,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
