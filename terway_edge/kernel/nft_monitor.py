"""A thread that tells when others change our nftables tables, as it happens.

The kernel tells of every transaction in the namespace, and puts what it tells of one into few datagrams: ours may be in
the middle of one that begins with others' tables. So each is searched for our name, which costs next to nothing. What
our own sockets do never comes here (`filter.py`); what our `nft` did is known by its process number.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from errno import EAGAIN, EINTR, ENOBUFS

from terway_edge.kernel import filter, nft_program
from terway_edge.kernel.netlink import broken, force_buffer, receive
from terway_edge.kernel.uapi import (
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_NETFILTER,
    NFNLGRP_NFTABLES,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
)
from terway_edge.kernel.watching import Watch
from terway_edge.kernel.wire import HEADER

RECEIVE_BUFFER = 1 << 20
NAME = nft_program.TABLE.encode() + b"\0"

_log = logging.getLogger(__name__)


class NftMonitor:
    """Calls `changed` after each change of others, or when such news were lost, until closed."""

    def __init__(self, port_base: int, changed: Callable[[], None]) -> None:
        """Of the calling thread's namespace, from the moment this returns. Raises KernelError.

        :param port_base: of our own sockets (`own_ports`)
        """
        self._changed = changed
        self._watch = Watch("terway-tables", lambda: _subscribed(port_base), self._drain, self._tell)
        self._watch.start()

    def close(self) -> None:
        """Taken twice is harmless. After this `changed` is not called any more."""
        self._watch.close()

    def _drain(self, endpoint: socket.socket) -> None:
        """Read until there is nothing more, then tell if others changed something."""
        is_hit = False
        while not self._watch.closed:
            try:
                data = receive(endpoint)
            except OSError as error:
                if error.errno == ENOBUFS:
                    is_hit = True
                elif error.errno in (EAGAIN, EINTR):
                    break
                else:
                    raise
            else:
                is_hit |= NAME in data and HEADER.unpack_from(data)[4] not in nft_program.writers
        if is_hit and not self._watch.closed:
            self._tell()

    def _tell(self) -> None:
        try:
            self._changed()
        except Exception:  # noqa: BLE001 - a listener's mistake must not end the watch
            _log.exception("a listener failed on a change of our tables")


def _subscribed(port_base: int) -> socket.socket:
    flags = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        endpoint = socket.socket(socket.AF_NETLINK, flags, NETLINK_NETFILTER)
    except OSError as error:
        raise broken("cannot open a netlink socket", error) from error
    try:
        force_buffer(endpoint, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
        endpoint.bind((0, 0))
        filter.attach_to_tables(endpoint, port_base)
        endpoint.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    except OSError as error:
        endpoint.close()
        raise broken("cannot subscribe to notifications of nftables", error) from error
    return endpoint
