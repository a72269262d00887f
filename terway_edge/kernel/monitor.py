"""A thread that tells what others change in the host's namespace, as it happens."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from errno import EAGAIN, EINTR, ENOBUFS

from terway_edge.core.plans import Link, Where
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.kernel import filter
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.dumps import dump
from terway_edge.kernel.events import Interpreter
from terway_edge.kernel.netlink import broken, force_buffer, receive
from terway_edge.kernel.netns import inside
from terway_edge.kernel.sockets import HostSockets
from terway_edge.kernel.uapi import (
    NETLINK_ADD_MEMBERSHIP,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_NETCONF,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV4_RULE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_NETCONF,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_IPV6_RULE,
    RTNLGRP_LINK,
    RTNLGRP_NEIGH,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
)
from terway_edge.kernel.watching import Watch
from terway_edge.kernel.wire import HEADER

GROUPS = (
    RTNLGRP_LINK,
    RTNLGRP_NEIGH,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV4_RULE,
    RTNLGRP_IPV4_NETCONF,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_IPV6_RULE,
    RTNLGRP_IPV6_NETCONF,
)
RECEIVE_BUFFER = 8 << 20

_log = logging.getLogger(__name__)


Listener = Callable[[KernelEvent], None]


class Subscription:
    """One listener of a monitor. After close() it is not called any more, unless it is the listener that closes."""

    def __init__(self, monitor: Monitor, listener: Listener) -> None:
        self._monitor = monitor
        self._listener = listener

    def close(self) -> None:
        self._monitor.drop(self._listener)


class Monitor:
    """A thread that calls every listener for every change of others, until closed. One reads for all: interpreting
    what a pod's ADD causes costs as much as encoding it."""

    def __init__(self, sockets: HostSockets, departing: Departing) -> None:
        """Events are caught from the moment this returns. Raises KernelError."""
        self._sockets = sockets
        self._listeners: tuple[Listener, ...] = ()
        self._telling = threading.RLock()
        self._interpreter = Interpreter(departing)
        self._watch = Watch("terway-monitor", self._subscribe, self._drain, self._look_again)
        try:
            self._look()
        except BaseException:
            self._watch.abandon()
            raise
        self._watch.start()

    def listen(self, listener: Listener) -> Subscription:
        with self._telling:
            self._listeners += (listener,)
        return Subscription(self, listener)

    def drop(self, listener: Listener) -> None:
        """Taken twice is harmless. Waits for a call of any listener that is under way in the monitor's thread."""
        with self._telling:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    def close(self) -> None:
        """After this no listener is called any more, unless it is a listener that closes."""
        self._watch.close()

    def _subscribe(self) -> socket.socket:
        return inside(self._sockets.netns, lambda: _subscribed(self._sockets.port_base))

    def _look(self) -> None:
        with self._sockets.lend() as endpoint:
            self._interpreter.see(dump(endpoint, Link, Where()))

    def _drain(self, endpoint: socket.socket) -> None:
        """Read until there is nothing more: one system call per notification."""
        while not self._watch.closed:
            try:
                data = receive(endpoint)
            except OSError as error:
                if error.errno == ENOBUFS:
                    self._recover(endpoint)
                    continue
                if error.errno in (EAGAIN, EINTR):
                    return
                raise
            self._read(data)

    def _recover(self, endpoint: socket.socket) -> None:
        """The buffer overflowed. The kernel says so once and goes on dropping until all was read, so throw the rest
        away before looking: what comes after the look is in the buffer again."""
        while not self._watch.closed:
            try:
                receive(endpoint)
            except OSError as error:
                if error.errno == EAGAIN:
                    break
                if error.errno not in (ENOBUFS, EINTR):
                    raise
        self._look_again()

    def _look_again(self) -> None:
        """Events were lost."""
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - no descriptor is left, or a link is like none before
            _log.warning("events were lost and links cannot be looked at, any news of one counts: %s", error)
            self._interpreter.see(())
        self._tell(KernelEvent(Happening.OVERRUN))

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size, kind, _, _, port = HEADER.unpack_from(data, at)
            if event := self._interpreter.event(kind, data, at + 16, at + size, self._sockets.is_own(port)):
                self._tell(event)
            at += size + 3 & ~3

    def _tell(self, event: KernelEvent) -> None:
        with self._telling:
            for listener in self._listeners:
                try:
                    listener(event)
                except Exception:  # noqa: BLE001 - a listener's mistake must not end the watch
                    _log.exception("a listener failed on %s", event)


def _subscribed(port_base: int) -> socket.socket:
    try:
        endpoint = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    except OSError as error:
        raise broken("cannot open a netlink socket", error) from error
    try:
        force_buffer(endpoint, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
        endpoint.bind((0, 0))
        filter.attach(endpoint, port_base)
        for group in GROUPS:
            endpoint.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    except OSError as error:
        endpoint.close()
        raise broken("cannot subscribe to netlink notifications", error) from error
    return endpoint
