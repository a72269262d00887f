"""Policy routing of pods on ENIs: a pod's packets leave by the ENI that has its address, as the cloud drops all others.

Rules of a pod: 512, to it, main table (the route over its veth); 2048, from it, the ENI's own table, whose default
route leads to the gateway of the ENI's vSwitch. Between the two lies what the host does for pods: other pods of the
node and Services, whose translation is done before; the node itself is in table local, ahead of all rules.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator, Sequence

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import FORWARDING, KEYS4, RP_FILTER
from terway_edge.core.names import is_own_link
from terway_edge.core.plans import (
    HOST,
    MAIN,
    PROTO,
    Change,
    Failure,
    FibRoute,
    Item,
    Link,
    LinkAddress,
    LinkSetting,
    Plan,
    Rule,
    Step,
    Sysctl,
    Verb,
)

TO_POD, FROM_POD = 512, 2048
"""Priorities of a pod's rules, each of one shape (`core.plans.Rule`)."""
FIRST_TABLE = 1000
CONF4 = ((FORWARDING, 1), (RP_FILTER, 0))
LINK_LOCAL = Prefix.parse("fe80::/10")


def table_of(link: int) -> int:
    """The routing table of an ENI, by its ifindex."""
    return FIRST_TABLE + link


def pod_rules(addresses: Iterable[Address], link: int) -> tuple[Rule, ...]:
    """Of a pod with these addresses, which are of the ENI that is this link."""
    return tuple(
        rule
        for address in addresses
        for rule in (
            Rule(TO_POD, MAIN, dst=address.host, family=address.family),
            Rule(FROM_POD, table_of(link), src=address.host, family=address.family),
        )
    )


def rules_about(rules: Iterable[Rule], addresses: Iterable[Address]) -> tuple[Rule, ...]:
    """Those of ours that are about these addresses, whatever table they lead to."""
    hosts = {address.host for address in addresses}
    return tuple(rule for rule in rules if is_pod_rule(rule) and (rule.src or rule.dst) in hosts)


def is_pod_rule(rule: Rule) -> bool:
    return rule.proto == PROTO and rule.priority in (TO_POD, FROM_POD)


def find_link(links: Iterable[Link], mac: bytes) -> Link | None:
    """The link that an ENI is. Links on top of it, such as a VLAN's, have its MAC as well and give way to it."""
    found = [link for link in links if link.mac == mac and not link.loopback and not is_own_link(link.name, link.alias)]
    return min(found, key=lambda link: (link.kind != "", link.ifindex), default=None)


def eni_plan(
    link: Link, gateways: Sequence[Address], node: Sequence[Address], mtu: int, mac: bytes | None = None
) -> Plan:
    """Make an ENI's link ready for pods; again is harmless.

    :param mac: the ENI's, if the link has another one: the cloud throws away what comes from that
    :param gateways: those of the ENI's vSwitch, one per family that pods have
    :param node: the node's addresses, at most one per family: the host's own source on that link
    """
    items = [
        *_sysctls(link, gateways),
        LinkSetting(link.ifindex, up=True, mtu=mtu, conf4=CONF4, mac=mac),
        *lasting_items(link.ifindex, gateways, node),
    ]
    return _replacing(items)


def settings(link: Link, gateways: Sequence[Address]) -> Iterator[Sysctl]:
    """What no dump shows of a link that is ready, and where the kernel has it."""
    yield from _sysctls(link, gateways)
    for number, value in CONF4:
        yield Sysctl(f"ipv4/conf/{link.name}/{KEYS4[number]}", str(value))


def lasting_items(link: int, gateways: Sequence[Address], node: Sequence[Address]) -> Iterator[LinkAddress | FibRoute]:
    """What a dump shows of a link that is ready. Addresses first: IPv4 is off on a link without one."""
    for address in node:
        yield LinkAddress(link, address, address.bits)
    table = table_of(link)
    for via in gateways:
        # An IPv6 gateway that is said to be on-link is looked up in the main table, and refused if it is on another
        # link there, as it is if the node's own ENI is of that vSwitch. Any other is looked up in this table first.
        if via.family == 6 and not LINK_LOCAL.contains(via):
            yield FibRoute(via.host, link=link, table=table)
        yield FibRoute(Prefix(via.family, 0, 0), via=via, link=link, onlink=via.family == 4, table=table)


def _sysctls(link: Link, gateways: Sequence[Address]) -> Iterator[Sysctl]:
    # The kernel takes the larger value of `all` and of the link.
    yield Sysctl("ipv4/conf/all/rp_filter", "0", when="1")
    # A router advertisement would add a default route beside the node's own.
    yield Sysctl(f"ipv6/conf/{link.name}/accept_ra", "0")
    if any(address.family == 6 for address in gateways):
        yield Sysctl(f"ipv6/conf/{link.name}/disable_ipv6", "0", when="1")
        yield Sysctl(f"ipv6/conf/{link.name}/forwarding", "1")


def _replacing(items: Iterable[Item]) -> Plan:
    return Plan((Step(HOST, tuple(Change(Verb.REPLACE, item) for item in items)),), atomic=False)


def is_harmless(failure: Failure) -> bool:
    """A kernel without IPv6 has no files for it."""
    return isinstance(failure.change.item, Sysctl) and failure.errno == errno.ENOENT


def gateways_of(link: int, routes: Iterable[FibRoute]) -> tuple[Address, ...]:
    """Those that the table of a link leads to; none if it is no link of an ENI that pods are on."""
    table = table_of(link)
    return tuple(
        route.via
        for route in routes
        if route.via and not route.prefix.length and (route.proto, route.table, route.link) == (PROTO, table, link)
    )


def doubles(routes: Iterable[FibRoute], addresses: Collection[LinkAddress]) -> list[LinkAddress]:
    """Addresses of the node that we put on ENIs, as a process without memory knows them: by being on a link with such
    a table, without a subnet, and on another link too."""
    links = {route.link for route in _own(routes)}
    elsewhere = {each.address for each in addresses if each.link not in links}
    return [
        each
        for each in addresses
        if each.link in links and each.length == each.address.bits and each.address in elsewhere
    ]


def remains(
    routes: Collection[FibRoute], rules: Iterable[Rule], addresses: Collection[LinkAddress]
) -> list[FibRoute | Rule | LinkAddress]:
    """All of ours, as a process without memory knows it: rules and tables by their numbers and protocol."""
    return [*(rule for rule in rules if is_pod_rule(rule)), *_own(routes), *doubles(routes, addresses)]


def _own(routes: Iterable[FibRoute]) -> list[FibRoute]:
    return [route for route in routes if route.proto == PROTO and route.link and route.table == table_of(route.link)]
