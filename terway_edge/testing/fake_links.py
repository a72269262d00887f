"""Links and the sysctls that come and go with them."""

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

CONF4 = {
    1: "forwarding",
    2: "mc_forwarding",
    3: "proxy_arp",
    4: "accept_redirects",
    5: "secure_redirects",
    6: "send_redirects",
    7: "shared_media",
    8: "rp_filter",
    9: "accept_source_route",
    11: "log_martians",
    18: "arp_announce",
    19: "arp_ignore",
    20: "promote_secondaries",
    21: "arp_accept",
    22: "arp_notify",
    23: "accept_local",
    24: "src_valid_mark",
    26: "route_localnet",
}
"""IPV4_DEVCONF_* numbers of linux/ip.h and the sysctl each one is."""

_CONF6 = """accept_dad accept_ra accept_ra_defrtr accept_redirects accept_source_route addr_gen_mode autoconf
dad_transmits disable_ipv6 forwarding keep_addr_on_down ndisc_notify proxy_ndp router_solicitations use_tempaddr"""
_NEIGH = "base_reachable_time_ms delay_first_probe_time gc_stale_time mcast_solicit proxy_delay ucast_solicit"

PER_LINK = {
    "ipv4/conf": frozenset(CONF4.values()),
    "ipv6/conf": frozenset(_CONF6.split()),
    "ipv4/neigh": frozenset(_NEIGH.split()),
    "ipv6/neigh": frozenset(_NEIGH.split()),
}
WHOLE_NETNS = frozenset(
    [
        "ipv4/ip_forward",
        "ipv4/ip_nonlocal_bind",
        "ipv4/fib_multipath_hash_policy",
        "ipv6/fib_multipath_hash_policy",
        "netfilter/nf_conntrack_max",
        "netfilter/nf_conntrack_tcp_be_liberal",
    ]
)


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


def sysctl_exists(path: str, links: frozenset[str]) -> bool:
    """True if /proc/sys/net has this file in a namespace with these links."""
    if path in WHOLE_NETNS:
        return True
    family, _, rest = path.partition("/")
    what, _, rest = rest.partition("/")
    # A link's name cannot hold a slash; the key is what follows it.
    name, _, key = rest.partition("/")
    own = links | ({"default"} if what == "neigh" else {"all", "default"})
    return key in PER_LINK.get(f"{family}/{what}", ()) and name in own


def add_veth(host: FakeNetns, pod: FakeNetns, veth: Veth) -> Link:
    """Create both ends, the host end up. Names and the host index are EEXIST when taken, the peer index EBUSY."""
    for name in (veth.name, veth.peer_name):
        if len(name.encode()) > NAME_BYTES:
            raise OSError(errno.ERANGE, f"link name {name!r} is longer than {NAME_BYTES} bytes")
        if name in (".", "..") or "/" in name or any(character.isspace() for character in name):
            raise OSError(errno.EINVAL, f"{name!r} cannot name a link")
    if veth.mtu not in MTU_RANGE:
        raise OSError(errno.EINVAL, f"mtu {veth.mtu} is out of range")
    if host.link_named(veth.name) or pod.link_named(veth.peer_name) or veth.link in host.links:
        raise OSError(errno.EEXIST, "a link with this name or index exists")
    if veth.peer_link in pod.links:
        raise OSError(errno.EBUSY, "the pod has a link with this index")
    near = FakeLink(host, veth.link, veth.name, veth.mac, veth.mtu, "veth", veth.alias)
    far = FakeLink(pod, veth.peer_link, veth.peer_name, veth.peer_mac, veth.mtu, "veth", peer=near)
    near.peer = far
    host.links[near.ifindex], pod.links[far.ifindex] = near, far
    host.set_up(near, True)
    return near.shown
