"""A world of real network namespaces: the same laws on Linux. Needs root; the machine's own network is not touched.

Namespaces have no name: descriptors of this process hold them, so they end with it, however it ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from terway_edge.core.addresses import Address
from terway_edge.core.names import Key
from terway_edge.core.plans import (
    HOST,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Plan,
    Rule,
    Step,
    Verb,
    Veth,
    Where,
)
from terway_edge.kernel import LinuxKernel
from terway_edge.kernel.netns import inside
from terway_edge.testing.worlds import UPLINK, Picture

CLONE_NEWNET = 0x40000000
LOOPBACK = 1
PATIENCE = 0.1  # seconds a packet may take; nothing is far away here
TRIES = 10  # a veth whose other end has just come up drops packets until the kernel has attached its queue
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class NetnsWorld:
    """A `World` whose host is a namespace of its own, wired by its uplink to an otherwise empty LAN."""

    def __init__(self) -> None:
        """Raises PermissionError without root."""
        self._serial = count()
        self._held: dict[str, int] = {}
        self._closing = ExitStack()
        try:
            self._directory = Path(self._closing.enter_context(TemporaryDirectory(prefix="terway-edge-")))
            self._closing.callback(self._let_go)
            self._host, self._lan = self.create_netns(), self.create_netns()
            self.kernel = LinuxKernel(self._host)
            self._closing.callback(self.kernel.close)
            self._stranger = LinuxKernel(self._host)
            self._closing.callback(self._stranger.close)
            self._wire()
        except BaseException:
            self.close()
            raise

    def create_netns(self) -> str:
        descriptor = _new_netns()
        path = self._directory / f"netns{next(self._serial)}"
        path.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
        self._held[str(path)] = descriptor
        return str(path)

    def delete_netns(self, path: str) -> None:
        Path(path).unlink()
        os.close(self._held.pop(path))

    def interfere(self, *changes: Change, netns: Netns = HOST) -> None:
        failures = self._stranger.apply(Plan((Step(netns, changes),), atomic=False))
        assert not failures, f"the kernel refuses what a stranger does: {failures}"

    def delete_link(self, key: Key) -> None:
        self._stranger.unplug([key])
        self._stranger.settle()

    def reaches(self, netns: Netns, to: Address) -> bool:
        """Sends a datagram to a socket bound to the address, in whichever namespace has it, and one back."""
        holder = next((path for path in self._held if self._has(path, to)), None)
        if holder is None:
            return False
        with self._udp(holder, to.family) as receiver, self._udp(netns or self._host, to.family) as sender:
            receiver.bind((str(to), 0))
            return any(_answered(sender, receiver) for _ in range(TRIES))

    def picture(self) -> Picture:
        return frozenset(
            (path, thing) for path in self._held if path != self._lan for thing in self._things(Where(netns=path))
        )

    def close(self) -> None:
        self._closing.close()

    def _wire(self) -> None:
        mac, far_mac = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
        wire = Veth(UPLINK.name, UPLINK.ifindex, mac, "uplink", UPLINK.mtu, self._lan, "host0", UPLINK.ifindex, far_mac)
        self.interfere(Change(Verb.ADD, wire))
        self.interfere(Change(Verb.REPLACE, LinkSetting(UPLINK.ifindex, up=True)), netns=self._lan)
        self.interfere(
            Change(Verb.REPLACE, LinkSetting(LOOPBACK, up=True)),
            Change(Verb.REPLACE, LinkSetting(UPLINK.ifindex, up=True)),
            *(Change(Verb.ADD, LinkAddress(UPLINK.ifindex, address, length)) for address, length in UPLINK.addresses),
        )

    def _things(self, where: Where) -> Iterator[Link | LinkAddress | Neighbour | FibRoute | Rule]:
        """Not in the picture: link-local addresses and their routes, carrier, and a pod's own loopback."""
        dump = self._stranger.dump
        yield from (link._replace(carrier=False) for link in dump(Link, where) if not link.loopback)
        yield from (a for a in dump(LinkAddress, where) if a.link != LOOPBACK and not _link_local(a.address))
        yield from dump(Neighbour, where)
        yield from (r for r in dump(FibRoute, where) if r.link != LOOPBACK and not _link_local(r.prefix.address))
        yield from dump(Rule, where)

    def _has(self, path: str, address: Address) -> bool:
        return any(own.address == address for own in self._stranger.dump(LinkAddress, Where(netns=path)))

    def _udp(self, netns: Netns, family: int) -> socket.socket:
        descriptor = netns if isinstance(netns, int) else self._held[netns]
        made = inside(descriptor, lambda: socket.socket(FAMILIES[family], socket.SOCK_DGRAM))
        made.settimeout(PATIENCE)
        return made

    def _let_go(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)


def _answered(sender: socket.socket, receiver: socket.socket) -> bool:
    """One datagram to the receiver's address and one back."""
    try:
        sender.sendto(b"there", receiver.getsockname())
        _, origin = receiver.recvfrom(16)
        receiver.sendto(b"and back", origin)
        return sender.recv(16) == b"and back"
    except OSError:
        return False


def _new_netns() -> int:
    """A descriptor of a new namespace. Made in a thread that ends at once: its maker must not stay inside."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_unshare).result()


def _unshare() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise PermissionError(ctypes.get_errno(), "cannot make a network namespace; a NetnsWorld needs root")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _link_local(address: Address) -> bool:
    return address.family == 6 and address.value >> 118 == 0xFE80 >> 6
