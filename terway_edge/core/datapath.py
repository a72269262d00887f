"""The one datapath that all backends share, as Plans (docs/explanation/architecture.md, "Datapath").

Pod: `eth0` is a veth end born in the pod's namespace, address /32 (/128), default route via a link-local gateway that
a permanent neighbour entry binds to the host end, so no ARP or ND is ever needed. Host: a route to the address over
the veth and a permanent neighbour entry for the pod. A fresh process knows the link by name and alias
(`names.is_own_link`) and the routes by their protocol number.
"""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Attachment, Bandwidth, Lease, Sandbox
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.plans import (
    HOST,
    MIN_MTU6,
    Change,
    FibRoute,
    Item,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Plan,
    Rule,
    Shaping,
    Step,
    Sysctl,
    Verb,
    Veth,
)

GATEWAYS = {4: Address.parse("169.254.1.1"), 6: Address.parse("fe80::1")}
"""The pod's default gateways; nobody owns these addresses, the neighbour entry alone makes them work."""

# IPV4_DEVCONF_* of linux/ip.h.
FORWARDING, PROXY_ARP, ACCEPT_REDIRECTS, SEND_REDIRECTS, RP_FILTER = 1, 3, 4, 6, 8
ACCEPT_SOURCE_ROUTE, ARP_ACCEPT, ARP_NOTIFY = 9, 21, 22

# Whatever the node's defaults are: what a pod says changes neither the host's routes nor its neighbours.
HOST_CONF4 = (
    (FORWARDING, 1),
    (RP_FILTER, 0),
    *((conf, 0) for conf in (PROXY_ARP, ACCEPT_REDIRECTS, SEND_REDIRECTS, ACCEPT_SOURCE_ROUTE, ARP_ACCEPT)),
)
HOST_CONF6 = ("accept_ra", "accept_redirects")
KEYS4 = {
    FORWARDING: "forwarding",
    PROXY_ARP: "proxy_arp",
    ACCEPT_REDIRECTS: "accept_redirects",
    SEND_REDIRECTS: "send_redirects",
    RP_FILTER: "rp_filter",
    ACCEPT_SOURCE_ROUTE: "accept_source_route",
    ARP_ACCEPT: "arp_accept",
}
"""The sysctl that each of HOST_CONF4 is."""
POD_CONF4 = ((ARP_NOTIFY, 1), (ACCEPT_REDIRECTS, 0))

LATENCY = 0.025  # seconds a packet may wait in the token bucket
NO_BURST = 2**32 - 1  # MaxUint32: what runtimes send for "no burst given", and some eight times that


def attach_plan(
    sandbox: Sandbox,
    lease: Lease,
    *,
    host_link: int,
    pod_link: int,
    mtu: int,
    rules: Iterable[Rule] = (),
    enable_ipv6: bool = False,
) -> Plan:
    """The plan that plugs a sandbox in: three steps, atomic. Link indexes must be free in their namespaces.

    `rules` steer the pod's packets on the host, for backends whose pods leave by links of their own. With
    `enable_ipv6` a default that disables IPv6 is overruled on both ends; that is a step more, and rarely needed.
    """
    key = sandbox.key
    host_mac, pod_mac = link_macs(key)
    netns: Netns = sandbox.netns_fd if sandbox.netns_fd >= 0 else sandbox.netns
    veth = Veth(
        link_name(key), host_link, host_mac, link_alias(key), mtu, netns, sandbox.ifname, pod_link, pod_mac
    )  # fmt: skip
    has_ipv6 = mtu >= MIN_MTU6
    # The host end is up and reachable first, so that what the pod's end announces when it comes up is heard.
    host = [
        Change(Verb.ADD, veth),
        Change(Verb.REPLACE, LinkSetting(host_link, up=True, conf4=HOST_CONF4, addr_gen_none=has_ipv6)),
        *(Change(Verb.ADD, item) for item in host_items(lease, host_link)),
        *(Change(Verb.ADD, rule) for rule in rules),
        *(Change(Verb.REPLACE, item) for item in _shaping(sandbox.bandwidth, host_link, mtu, egress=False)),
    ]
    pod = [Change(Verb.REPLACE, LinkSetting(pod_link, conf4=POD_CONF4, addr_gen_none=has_ipv6))]
    families = sorted({address.family for address in lease.addresses})
    if 6 in families:
        # A router advertisement must never change a pod's routes; announce the address when it appears.
        pod.append(Change(Verb.REPLACE, Sysctl(f"ipv6/conf/{sandbox.ifname}/accept_ra", "0")))
        pod.append(Change(Verb.REPLACE, Sysctl(f"ipv6/conf/{sandbox.ifname}/ndisc_notify", "1")))
    pod += [Change(Verb.ADD, LinkAddress(pod_link, a, a.bits)) for a in lease.addresses]
    pod.append(Change(Verb.REPLACE, LinkSetting(pod_link, up=True)))
    for family in families:
        gateway = GATEWAYS[family]
        pod.append(Change(Verb.ADD, Neighbour(pod_link, gateway, host_mac)))
        pod.append(Change(Verb.ADD, _default(family, gateway, pod_link)))
    pod += [Change(Verb.REPLACE, item) for item in _shaping(sandbox.bandwidth, pod_link, mtu, egress=True)]
    conf6 = HOST_CONF6 if has_ipv6 else ()
    hardening = [Change(Verb.REPLACE, Sysctl(f"ipv6/conf/{veth.name}/{key}", "0")) for key in conf6]
    # A step's sysctls are written before its links are made: the host end's need a step of their own.
    if not enable_ipv6:
        return Plan((Step(HOST, tuple(host)), Step(HOST, tuple(hardening)), Step(netns, tuple(pod))))
    hardening.insert(0, Change(Verb.REPLACE, Sysctl(f"ipv6/conf/{veth.name}/disable_ipv6", "0")))
    pod.insert(0, Change(Verb.REPLACE, Sysctl(f"ipv6/conf/{sandbox.ifname}/disable_ipv6", "0")))
    return Plan((Step(HOST, tuple(host[:1])), Step(HOST, (*hardening, *host[1:])), Step(netns, tuple(pod))))


def host_items(lease: Lease, host_link: int) -> list[Item]:
    """Routes and neighbour entries by which the host reaches a lease's addresses."""
    _, pod_mac = link_macs(lease.key)
    items: list[Item] = []
    for address in lease.addresses:
        items.append(FibRoute(address.host, link=host_link))
        items.append(Neighbour(host_link, address, pod_mac))
    return items


def host_settings(lease: Lease) -> list[Sysctl]:
    """How the host end of a lease's link is set by `attach_plan`, and is to stay."""
    name = link_name(lease.key)
    conf4 = [Sysctl(f"ipv4/conf/{name}/{KEYS4[number]}", str(value)) for number, value in HOST_CONF4]
    return [*conf4, *(Sysctl(f"ipv6/conf/{name}/{key}", "0") for key in HOST_CONF6)]


def detach_plan(lease: Lease, rules: Iterable[Rule] = ()) -> Plan:
    """Makes a lease's addresses unreachable at once; the link itself is left to Kernel.unplug."""
    items: list[Item] = [*(FibRoute(address.host) for address in lease.addresses), *rules]
    return Plan((Step(HOST, tuple(Change(Verb.REMOVE, item) for item in items)),), atomic=False)


def attachment(lease: Lease, mtu: int) -> Attachment:
    """What the CNI result says of a lease plugged in by `attach_plan`."""
    host_mac, pod_mac = link_macs(lease.key)
    families = {address.family for address in lease.addresses}
    return Attachment(
        link_name(lease.key),
        host_mac,
        pod_mac,
        mtu,
        lease.addresses,
        tuple(GATEWAYS[family] for family in sorted(families)),
    )


def _default(family: int, gateway: Address, link: int) -> FibRoute:
    return FibRoute(Prefix(family, 0, 0), via=gateway, link=link, onlink=True)


def _shaping(bandwidth: Bandwidth | None, link: int, mtu: int, *, egress: bool) -> list[Shaping]:
    """Pod end limits what the pod sends, host end what it receives; a pod without NET_ADMIN cannot remove either."""
    if bandwidth is None:
        return []
    bits = bandwidth.egress_rate if egress else bandwidth.ingress_rate
    burst_bits = bandwidth.egress_burst if egress else bandwidth.ingress_burst
    if bits <= 0:
        return []
    rate = max(bits // 8, 1)
    given = 0 < burst_bits < NO_BURST
    # A burst above a second's worth shapes nothing; one without room for a packet lets nothing pass.
    burst = max(min(burst_bits // 8, rate) if given else rate // 1000, mtu + 1500)
    return [Shaping(link, rate, burst, int(rate * LATENCY) + burst)]
