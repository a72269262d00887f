"""Where a backend is tried: a host with an uplink and pods' namespaces, in memory (here) or on Linux (netns_world)."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import Protocol

from terway_edge.core.addresses import Address
from terway_edge.core.models import Uplink
from terway_edge.core.names import Key, link_name
from terway_edge.core.plans import HOST, Change, Link, LinkAddress, Netns, Verb
from terway_edge.core.ports import Kernel
from terway_edge.testing.fake_kernel import FakeKernel

UPLINK = Uplink(
    ifindex=10,
    name="up0",
    mtu=1500,
    addresses=((Address.parse("192.0.2.1"), 24), (Address.parse("2001:db8::1"), 64)),
    why="made by the testing kit",
)
"""The host's link to its LAN. Whoever the next hops on it are, nobody answers there."""

Picture = frozenset[tuple[str, Hashable]]
"""(namespace path, thing) for all there is; the difference of two tells what came and what went."""


class World(Protocol):
    """A host namespace with `UPLINK` up, pods' namespaces on demand, and a stranger who changes things."""

    @property
    def kernel(self) -> Kernel:
        """What the backend gets."""

    def create_netns(self) -> str:
        """The path of a new, empty namespace. No path is given out twice."""

    def delete_netns(self, path: str) -> None:
        """The namespace goes, with all that is in it, as when a pod's sandbox dies."""

    def interfere(self, *changes: Change, netns: Netns = HOST) -> None:
        """Make changes as another process would; AssertionError if the kernel refuses one."""

    def delete_link(self, key: Key) -> None:
        """Delete a sandbox's veth as another process would."""

    def reaches(self, netns: Netns, to: Address) -> bool:
        """True if a packet from this namespace gets to the one that has the address, and its answer comes back."""

    def picture(self) -> Picture:
        """All there is now, but for what a kernel does on its own account."""

    def close(self) -> None:
        """Remove all that was made."""


class FakeWorld:
    """A `World` without root, threads and files: a FakeKernel."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self._serial = count()
        self.kernel.create_link(UPLINK.name, ifindex=UPLINK.ifindex, mtu=UPLINK.mtu)
        for address, length in UPLINK.addresses:
            self.kernel.foreign_add(LinkAddress(UPLINK.ifindex, address, length))

    def create_netns(self) -> str:
        path = f"/run/netns/pod{next(self._serial)}"
        self.kernel.create_netns(path)
        return path

    def delete_netns(self, path: str) -> None:
        self.kernel.delete_netns(path)

    def interfere(self, *changes: Change, netns: Netns = HOST) -> None:
        act = {
            Verb.ADD: self.kernel.foreign_add,
            Verb.REPLACE: self.kernel.foreign_replace,
            Verb.REMOVE: self.kernel.foreign_remove,
        }
        for verb, item in changes:
            try:
                act[verb](item, netns)
            except OSError as error:
                raise AssertionError(f"the kernel refuses what a stranger does: {item}: {error}") from error

    def delete_link(self, key: Key) -> None:
        if any(link.name == link_name(key) for link in self.kernel.dump(Link)):
            self.kernel.delete_link(link_name(key))

    def reaches(self, netns: Netns, to: Address) -> bool:
        return self.kernel.trace(netns, to).arrived

    def picture(self) -> Picture:
        return self.kernel.snapshot()

    def close(self) -> None:
        self.kernel.close()
