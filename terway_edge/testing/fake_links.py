"""Links, and how a veth pair comes to be."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from terway_edge.core.plans import Link, Veth

if TYPE_CHECKING:
    from terway_edge.testing.fake_netns import FakeNetns

LOOPBACK = 1
MTU_RANGE = range(68, 65536)
NAME_BYTES = 15  # IFNAMSIZ less the NUL


@dataclass(eq=False, slots=True)
class FakeLink:
    """One link; `peer` is the other end of a veth, wherever it is."""

    netns: FakeNetns
    ifindex: int
    name: str
    mac: bytes
    mtu: int
    kind: str = ""
    alias: str = ""
    up: bool = False
    loopback: bool = False
    peer: FakeLink | None = None

    @property
    def carrier(self) -> bool:
        return self.up and (self.peer is None or self.peer.up)

    @property
    def shown(self) -> Link:
        """As a dump shows it."""
        return Link(
            self.ifindex, self.name, self.mac, self.mtu, self.up, self.carrier, self.kind, self.alias, 0, self.loopback
        )


def add_veth(host: FakeNetns, pod: FakeNetns, veth: Veth) -> Link:
    """Create both ends, both down. A taken name is EEXIST, a taken index EBUSY, here or in the pod."""
    for name in (veth.name, veth.peer_name):
        if len(name.encode()) > NAME_BYTES:
            raise OSError(errno.ERANGE, f"link name {name!r} is longer than {NAME_BYTES} bytes")
        if name in (".", "..") or "/" in name or any(character.isspace() for character in name):
            raise OSError(errno.EINVAL, f"{name!r} cannot name a link")
    if veth.mtu not in MTU_RANGE:
        raise OSError(errno.EINVAL, f"mtu {veth.mtu} is out of range")
    if veth.link in host.links:
        raise OSError(errno.EBUSY, f"index {veth.link} is taken by {host.links[veth.link].name}")
    if host.link_named(veth.name) or pod.link_named(veth.peer_name):
        raise OSError(errno.EEXIST, f"a link with the name {veth.name} or, in the pod, {veth.peer_name} exists")
    if veth.peer_link in pod.links:
        raise OSError(errno.EBUSY, f"index {veth.peer_link} is taken in the pod")
    near = FakeLink(host, veth.link, veth.name, veth.mac, veth.mtu, "veth", veth.alias)
    far = FakeLink(pod, veth.peer_link, veth.peer_name, veth.peer_mac, veth.mtu, "veth", peer=near)
    near.peer = far
    host.links[near.ifindex], pod.links[far.ifindex] = near, far
    return near.shown
