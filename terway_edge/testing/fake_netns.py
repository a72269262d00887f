"""One network namespace: what it holds, and what follows when a link goes down or an address goes away.

Checked against Linux 6.18 by tests/kernel. Not modelled: link-local addresses that the kernel makes itself, secondary
addresses, multipath, `disable_ipv6`, and broadcast addresses as gateways.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from terway_edge.core.addresses import BITS, Address, Prefix
from terway_edge.core.plans import (
    MAIN,
    MIN_MTU6,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Rule,
    Setting,
    Shaping,
    Sysctl,
    Verb,
)
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.testing.fake_fib import Fib, canonical
from terway_edge.testing.fake_gateway import resolved
from terway_edge.testing.fake_links import LOOPBACK, MTU_RANGE, FakeLink
from terway_edge.testing.fake_sysctls import CONF4, FakeSysctls

KERNEL_PROTO = 2  # RTPROT_KERNEL
LOCAL_TABLE, DEFAULT_TABLE = 255, 253
LOOPBACK_ADDRESSES = (LinkAddress(LOOPBACK, Address(4, 0x7F000001), 8), LinkAddress(LOOPBACK, Address(6, 1), 128))
BUILT_IN_RULES = (
    Rule(0, LOCAL_TABLE, proto=KERNEL_PROTO),
    Rule(32766, MAIN, proto=KERNEL_PROTO),
    Rule(32767, DEFAULT_TABLE, proto=KERNEL_PROTO),
    Rule(0, LOCAL_TABLE, family=6, proto=KERNEL_PROTO),
    Rule(32766, MAIN, family=6, proto=KERNEL_PROTO),
)


class FakeNetns:
    """State of a namespace. Each change raises OSError as the kernel would, and returns what a monitor would see of
    it; what the change brings about besides (routes of a link that went down) is appended to `consequences`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.links: dict[int, FakeLink] = {}
        self.addresses: list[LinkAddress] = []
        self.neighbours: dict[tuple[int, Address], Neighbour] = {}
        self.fib = Fib()
        self.rules = list(BUILT_IN_RULES)
        self.sysctls = FakeSysctls()
        self.shaping: dict[int, Shaping] = {}
        self.consequences: list[KernelEvent] = []
        self.links[LOOPBACK] = FakeLink(self, LOOPBACK, "lo", bytes(6), 65536, loopback=True)

    def make(self, change: Change) -> KernelEvent | None:
        """Make a change of any item but a Veth, which concerns two namespaces."""
        verb, item = change
        match item:
            case LinkSetting():
                return self._set_link(item)
            case LinkAddress():
                return self._change_address(verb, item)
            case Neighbour():
                return self._change_neighbour(verb, item)
            case FibRoute():
                return self._change_route(verb, item)
            case Rule():
                return self._change_rule(verb, item)
            case Sysctl():
                self._change_sysctl(item)
            case Shaping():
                self._shape(item)
            case _:
                raise AssertionError(f"{item} cannot be changed inside one namespace")
        return None

    # --- links ---------------------------------------------------------------------------------------------------

    def link(self, ifindex: int) -> FakeLink:
        if ifindex not in self.links:
            raise OSError(errno.ENODEV, f"no link has index {ifindex}")
        return self.links[ifindex]

    def link_named(self, name: str) -> FakeLink | None:
        return next((link for link in self.links.values() if link.name == name), None)

    def set_up(self, link: FakeLink, up: bool) -> None:
        if link.up == up:
            return
        link.up = up
        if up:
            self._came_up(link)
        else:
            self._went_down(link)
        if link.peer is not None:
            link.peer.netns.tell_link(link.peer)

    def remove_link(self, link: FakeLink) -> None:
        """Take the link away with all that is on it; rules stay."""
        self.set_up(link, False)
        for address in [a for a in self.addresses if a.link == link.ifindex]:
            self._drop_address(address)
            self._tell(Happening.ADDRESS_CHANGED, address)
        self._drop_neighbours(lambda entry: entry.link == link.ifindex)
        del self.links[link.ifindex]
        self.shaping.pop(link.ifindex, None)
        self.sysctls.forget_link(link.name)
        self.tell_link(link)

    def tell_link(self, link: FakeLink) -> None:
        self._tell(Happening.LINK_CHANGED, link.shown)

    def _set_link(self, setting: LinkSetting) -> KernelEvent:
        link = self.link(setting.link)
        if setting.mtu is not None:
            if not link.loopback and setting.mtu not in MTU_RANGE:
                raise OSError(errno.EINVAL, f"mtu {setting.mtu} is out of range")
            link.mtu = setting.mtu
        if setting.mac is not None:
            link.mac = setting.mac
        for number, value in setting.conf4:
            if number not in CONF4:
                raise OSError(errno.EINVAL, f"IPV4_DEVCONF number {number} is unknown")
            self._write(Sysctl(f"ipv4/conf/{link.name}/{CONF4[number]}", str(value)))
        if setting.addr_gen_none:
            if link.mtu < MIN_MTU6:
                raise OSError(errno.EAFNOSUPPORT, f"link {link.name} has no IPv6: its mtu is {link.mtu}")
            self._write(Sysctl(f"ipv6/conf/{link.name}/addr_gen_mode", "1"))
        if setting.up is not None:
            self.set_up(link, setting.up)
        return KernelEvent(Happening.LINK_CHANGED, link.shown)

    def _came_up(self, link: FakeLink) -> None:
        if link.loopback:
            self.addresses += [a for a in LOOPBACK_ADDRESSES if a not in self.addresses]
        for address in self.addresses:
            if address.link == link.ifindex:
                self._connect(address)

    def _went_down(self, link: FakeLink) -> None:
        """IPv4 routes go in silence and IPv4 addresses stay; IPv6 routes go with an event each, addresses too."""
        gone = self.fib.discard(lambda route: route.link == link.ifindex)
        for route in gone:
            if route.prefix.family == 6:
                self._tell(Happening.ROUTE_REMOVED, route)
        self._drop_neighbours(lambda entry: entry.link == link.ifindex)
        for address in [a for a in self.addresses if a.link == link.ifindex and a.address.family == 6]:
            self._drop_address(address)
            self._tell(Happening.ADDRESS_CHANGED, address)

    # --- addresses and neighbours --------------------------------------------------------------------------------

    def is_local(self, address: Address) -> bool:
        return any(own.address == address for own in self.addresses)

    def _change_address(self, verb: Verb, item: LinkAddress) -> KernelEvent | None:
        if verb is Verb.REMOVE:
            if item not in self.addresses:
                return None
            self._drop_address(item)
            return KernelEvent(Happening.ADDRESS_CHANGED, item)
        link = self.link(item.link)
        if not 0 <= item.length <= BITS[item.address.family]:
            raise OSError(errno.EINVAL, f"prefix length {item.length} is out of range")
        if any(_same_address(own, item) for own in self.addresses):
            if verb is Verb.ADD:
                raise OSError(errno.EEXIST, "address already assigned")
            return None
        self.addresses.append(item)
        if link.up:
            self._connect(item)
        return KernelEvent(Happening.ADDRESS_CHANGED, item)

    def _connect(self, item: LinkAddress) -> None:
        """The kernel's own route to an address' subnet: not for /32, and not on lo."""
        route = _connected(item)
        if route is not None and route not in self.fib:
            self.fib.append(route)
            self._tell(Happening.ROUTE_ADDED, route)

    def _drop_address(self, item: LinkAddress) -> None:
        self.addresses.remove(item)
        route = _connected(item)
        if route is not None and all(_connected(other) != route for other in self.addresses):
            self._tell_removed(self.fib.discard(lambda other: other == route))
        if not self.is_local(item.address):
            self._forget_source(item.address)
        family = item.address.family
        if family == 4 and not any(a.link == item.link and a.address.family == 4 for a in self.addresses):
            # The last IPv4 address of a link takes IPv4 away from the link: all its routes go, in silence.
            self.fib.discard(lambda other: other.link == item.link and other.prefix.family == 4)
            self._drop_neighbours(lambda entry: entry.link == item.link and entry.address.family == 4)

    def _forget_source(self, source: Address) -> None:
        """IPv4 routes with this source go; IPv6 ones stay and lose it."""
        gone = self.fib.discard(lambda route: route.src == source)
        if source.family == 4:
            self._tell_removed(gone)
        else:
            for route in gone:
                self.fib.append(route._replace(src=None))

    def _change_neighbour(self, verb: Verb, item: Neighbour) -> KernelEvent | None:
        key = (item.link, item.address)
        if verb is Verb.REMOVE:
            gone = self.neighbours.pop(key, None)
            return KernelEvent(Happening.NEIGHBOUR_REMOVED, gone._replace(mac=b"")) if gone else None
        self.link(item.link)
        if verb is Verb.ADD and key in self.neighbours:
            raise OSError(errno.EEXIST, "the neighbour entry exists")
        self.neighbours[key] = item
        return None

    def _drop_neighbours(self, condition: Callable[[Neighbour], bool]) -> None:
        for key, entry in list(self.neighbours.items()):
            if condition(entry):
                del self.neighbours[key]
                self._tell(Happening.NEIGHBOUR_REMOVED, entry._replace(mac=b""))

    # --- routes and rules ----------------------------------------------------------------------------------------

    def lookup(self, address: Address, source: Address | None = None) -> FibRoute | None:
        """The route that the policy rules find for a packet; it may be an unreachable one."""
        for rule in sorted(self.rules, key=lambda rule: rule.priority):
            if rule.family != address.family or (rule.dst is not None and not rule.dst.contains(address)):
                continue
            if rule.src is not None and (source is None or not rule.src.contains(source)):
                continue
            route = self.fib.lookup(rule.table, address, lambda _: True)
            if route is not None:
                return route
        return None

    def _change_route(self, verb: Verb, item: FibRoute) -> KernelEvent | None:
        if verb is Verb.REMOVE:
            gone = self.fib.remove(item)
            return KernelEvent(Happening.ROUTE_REMOVED, gone) if gone else None
        route = canonical(resolved(self, item))
        if verb is Verb.ADD:
            self.fib.add(route)
        else:
            self.fib.replace(route)
        return KernelEvent(Happening.ROUTE_ADDED, route)

    def _change_rule(self, verb: Verb, item: Rule) -> KernelEvent | None:
        if verb is Verb.REMOVE:
            gone = next((rule for rule in self.rules if _rule_fits(rule, item)), None)
            if gone is None:
                return None
            self.rules.remove(gone)
            return KernelEvent(Happening.RULE_REMOVED, gone)
        if not any(_rule_fits(rule, item) for rule in self.rules):
            self.rules.append(item)
        elif verb is Verb.ADD:
            raise OSError(errno.EEXIST, "the rule exists")
        return None

    # --- the rest ------------------------------------------------------------------------------------------------

    def sysctl(self, path: str) -> str:
        return self.sysctls.read(path, self._link_names())

    def deviates(self, item: Sysctl) -> bool:
        try:
            found = self.sysctl(item.path)
        except OSError:
            return False
        return found == item.when if item.when else found != item.value

    def _change_sysctl(self, item: Sysctl) -> None:
        """The kernel tells the switch for all first, then each link's; nothing of what keeps its value, or follows a
        new default."""
        is_told = item.path.endswith(("ip_forward", "/forwarding", "/rp_filter")) and "/default/" not in item.path
        before = self._switches() if is_told else {}
        self._write(item)
        for switch, value in self._switches().items() if is_told else ():
            if value != before[switch] and bool(value) == (switch[2] == "rp_filter"):
                self._tell(Happening.SETTING_CHANGED, Setting(*switch, value))

    def _switches(self) -> dict[tuple[int, int, str], int]:
        """The value of each switch that events tell, by (link, family, key)."""
        names = {0: "all", **{link.ifindex: link.name for link in self.links.values()}}
        told = ((4, "forwarding"), (4, "rp_filter"), (6, "forwarding"))
        return {
            (link, family, key): int(self.sysctl(f"ipv{family}/conf/{name}/{key}"))
            for family, key in told
            for link, name in names.items()
        }

    def _write(self, item: Sysctl) -> None:
        self.sysctls.write(item, self._link_names())

    def _link_names(self) -> list[str]:
        return [link.name for link in self.links.values()]

    def _shape(self, item: Shaping) -> None:
        self.link(item.link)
        if min(item.rate, item.burst, item.limit) <= 0:
            raise OSError(errno.EINVAL, "rate, burst and limit must be positive")
        self.shaping[item.link] = item

    def _tell(self, what: Happening, item: FibRoute | Neighbour | LinkAddress | Link | Setting) -> None:
        self.consequences.append(KernelEvent(what, item))

    def _tell_removed(self, routes: list[FibRoute]) -> None:
        for route in routes:
            self._tell(Happening.ROUTE_REMOVED, route)


def _connected(item: LinkAddress) -> FibRoute | None:
    address, length = item.address, item.length
    if item.link == LOOPBACK or (address.family == 4 and length == 32):
        return None
    shift = address.bits - length
    prefix = Prefix(address.family, address.value >> shift << shift, length)
    if address.family == 4:
        return FibRoute(prefix, link=item.link, proto=KERNEL_PROTO, src=address)
    return FibRoute(prefix, link=item.link, proto=KERNEL_PROTO, metric=256)


def _same_address(own: LinkAddress, item: LinkAddress) -> bool:
    """IPv4 tells addresses of a link apart by prefix length too, IPv6 does not."""
    return (
        own.link == item.link and own.address == item.address and (own.length == item.length or own.address.family == 6)
    )


def _rule_fits(rule: Rule, pattern: Rule) -> bool:
    """What the kernel compares, to remove a rule and to refuse an equal one: a missing src or dst matches anything."""
    return (
        (rule.priority, rule.table, rule.family, rule.proto)
        == (pattern.priority, pattern.table, pattern.family, pattern.proto)
        and pattern.src in (None, rule.src)
        and pattern.dst in (None, rule.dst)
    )
