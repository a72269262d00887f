"""Plugging sandboxes in and out through the kernel port, the same way for every backend."""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence
from itertools import count

from terway_edge.core.addresses import Prefix
from terway_edge.core.datapath import GATEWAYS, attach_plan, attachment, detach_plan, host_items
from terway_edge.core.errors import KernelError, Refused, Retry
from terway_edge.core.models import Attachment, Discrepancy, Lease, NodeView, Sandbox, Uplink
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.node_settings import NodeSettings
from terway_edge.core.plans import (
    HOST,
    PROTO,
    Change,
    FibRoute,
    Item,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Plan,
    Rule,
    Step,
    Sysctl,
    Verb,
    Veth,
    Where,
)
from terway_edge.core.ports import Kernel

FIRST_IFINDEX = 1 << 20
"""Our links take indexes from here on, far from those that the kernel gives out."""
TRIES = 4  # with a fresh index each, should somebody else sit on one


class Plumbing:
    """Attach, check and detach by the plans of `core.datapath`. Safe to call from many threads.

    `settings` are those of the node that the pods of all backends need.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.settings = NodeSettings()
        taken = [link.ifindex for link in kernel.dump(Link) if link.ifindex >= FIRST_IFINDEX]
        self._indexes = count(max(taken, default=FIRST_IFINDEX - 1) + 1)

    def forward_packets(self, view: NodeView, families: Collection[int] = ()) -> None:
        """Let the node forward its pods' packets; again writes nothing, for what others change is put right from
        `settings`. Raises Retry if the kernel refuses.

        :param families: of pods' addresses, beside those of the node's pod CIDRs
        """
        sysctls = [Sysctl("ipv4/ip_forward", "1")]
        if view.uplink is not None:
            sysctls.append(Sysctl(f"ipv4/conf/{view.uplink.name}/forwarding", "1"))
        if 6 in families or any(prefix.family == 6 for prefix in view.node.pod_cidrs):
            if view.uplink is not None:
                # A forwarding host ignores router advertisements unless told so: keep its default route.
                sysctls.append(Sysctl(f"ipv6/conf/{view.uplink.name}/accept_ra", "2", when="1"))
            sysctls.append(Sysctl("ipv6/conf/all/forwarding", "1"))
        if self.settings.of(self) == tuple(sysctls):
            return
        self.settings.drop(self)
        changes = tuple(Change(Verb.REPLACE, sysctl) for sysctl in sysctls)
        for failure in self._kernel.apply(Plan((Step(HOST, changes),), atomic=False)):
            if failure.errno == errno.ENOENT and _is_about(failure.change.item, view.uplink):
                continue  # it is gone, which is told elsewhere
            raise Retry(f"{failure.change.item}: {failure.message}; the node cannot forward packets for its pods")
        self.settings.want(self, sysctls)

    def attach(self, sandbox: Sandbox, lease: Lease, mtu: int, rules: Sequence[Rule] = ()) -> Attachment:
        """Plug the sandbox in. Raises KernelError after undoing everything, Refused if the pod's link exists."""
        enable_ipv6 = False
        tries = 0
        while True:
            tries += 1
            ifindex = next(self._indexes)
            plan = attach_plan(
                sandbox, lease, host_link=ifindex, pod_link=ifindex, mtu=mtu, rules=rules, enable_ipv6=enable_ipv6
            )
            try:
                self._kernel.apply(plan)
                return attachment(lease, mtu)
            except KernelError as error:
                if tries == TRIES:
                    raise
                if error.errno == errno.EACCES and not enable_ipv6:
                    enable_ipv6 = True  # some host or runtime disables it by default
                elif error.errno == errno.EEXIST and isinstance(error.item, Rule):
                    self._remove(rules)  # left by a pod whose end nobody saw; its address is this one's now
                else:
                    self._explain(sandbox, error)

    def detach(self, lease: Lease, rules: Sequence[Rule] = ()) -> None:
        """Make the addresses unreachable now, delete the link and forget connections soon.

        What is missing is success.
        """
        failures = self._kernel.apply(detach_plan(lease, rules))
        self._kernel.unplug([lease.key])
        self._kernel.forget(lease.addresses)
        for failure in failures:
            raise KernelError(f"route to {lease.addresses[0]} stays: {failure.message}", errno=failure.errno)

    def check(
        self, sandbox: Sandbox, lease: Lease, rules: Sequence[Rule] = (), *, repair: bool = False
    ) -> list[Discrepancy]:
        """What of the lease's datapath is missing; with `repair`, the host's side of it is put back."""
        name = link_name(lease.key)
        link = next((i for i in self._kernel.dump(Link) if i.name == name and i.alias == link_alias(lease.key)), None)
        if link is None:
            return [Discrepancy(f"host link {name} is missing")]
        where = Where(link=link.ifindex)
        present: set[Item] = {*self._kernel.dump(FibRoute, where), *self._kernel.dump(Neighbour, where)}
        missing: list[Item] = [] if link.up else [LinkSetting(link.ifindex, up=True)]
        host_mac, _ = link_macs(lease.key)
        if link.mac != host_mac:  # the pod sends to the one that its neighbour entry says
            missing.append(LinkSetting(link.ifindex, mac=host_mac))
        if rules:
            present |= set(self._kernel.dump(Rule, Where(proto=PROTO)))
        missing += [item for item in (*host_items(lease, link.ifindex), *rules) if item not in present]
        found = self._mend(missing, repair=repair)
        if netns := _netns(sandbox):
            found += self._check_pod(sandbox.ifname, lease, netns, link.mtu)
        return found

    def _remove(self, rules: Sequence[Rule]) -> None:
        self._kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, rule) for rule in rules)),), atomic=False))

    def _mend(self, missing: list[Item], *, repair: bool) -> list[Discrepancy]:
        if repair and missing:
            # A route is added, not replaced: one that somebody else has for the address is theirs.
            verbs = [Verb.ADD if isinstance(item, FibRoute) else Verb.REPLACE for item in missing]
            changes = tuple(map(Change, verbs, missing))
            failed = {failure.change.item for failure in self._kernel.apply(Plan((Step(HOST, changes),), atomic=False))}
        else:
            failed = set(missing)
        return [Discrepancy(_complaint(item), mended=item not in failed) for item in missing]

    def _check_pod(self, ifname: str, lease: Lease, netns: Netns, host_mtu: int) -> list[Discrepancy]:
        where = Where(netns=netns)
        link = next((i for i in self._kernel.dump(Link, where) if i.name == ifname), None)
        if link is None:
            return [Discrepancy(f"link {ifname} in the pod is missing")]
        found: list[Discrepancy] = []
        host_mac, pod_mac = link_macs(lease.key)
        if not link.up:
            found.append(Discrepancy(f"link {ifname} in the pod is down"))
        if link.mac != pod_mac:
            found.append(Discrepancy(f"link {ifname} in the pod has MAC {link.mac.hex(':')}, not {pod_mac.hex(':')}"))
        if link.mtu > host_mtu:  # a smaller one is a later plugin's to set
            found.append(Discrepancy(f"link {ifname} in the pod has MTU {link.mtu}, its host end {host_mtu}"))
        where = Where(netns=netns, link=link.ifindex)
        addresses = {(a.address, a.length) for a in self._kernel.dump(LinkAddress, where)}
        neighbours = {(n.address, n.mac) for n in self._kernel.dump(Neighbour, where)}
        # Later plugins of a chain may add routes of any kind; only ours must be there.
        routes = {(r.prefix, r.via) for r in self._kernel.dump(FibRoute, where)}
        for address in lease.addresses:
            gateway = GATEWAYS[address.family]
            if (address, address.bits) not in addresses:
                found.append(Discrepancy(f"address {address} on {ifname} in the pod is missing"))
            if (gateway, host_mac) not in neighbours:
                found.append(Discrepancy(f"neighbour {gateway} in the pod is missing or has another MAC"))
            if (Prefix(address.family, 0, 0), gateway) not in routes:
                found.append(Discrepancy(f"IPv{address.family} default route in the pod is missing"))
        return found

    def _explain(self, sandbox: Sandbox, error: KernelError) -> None:
        """Raise what the caller should see; return to try again with another index."""
        if error.errno not in (errno.EEXIST, errno.EBUSY):
            raise error
        netns = _netns(sandbox)
        if netns and self._has_link(netns, sandbox.ifname):
            self._kernel.settle()  # maybe the link of a container that was here before is about to go
            if not self._has_link(netns, sandbox.ifname):
                return
            raise Refused(
                f"link {sandbox.ifname} exists already in {sandbox.netns or 'the pod'}; nothing was changed"
            ) from error
        name = link_name(sandbox.key)
        taken = [link for link in self._kernel.dump(Link) if link.name == name]
        if taken or not isinstance(error.item, Veth):
            raise error

    def _has_link(self, netns: Netns, ifname: str) -> bool:
        return any(link.name == ifname for link in self._kernel.dump(Link, Where(netns=netns)))


def _is_about(item: Item, uplink: Uplink | None) -> bool:
    return isinstance(item, Sysctl) and uplink is not None and f"/{uplink.name}/" in item.path


def _netns(sandbox: Sandbox) -> Netns | None:
    if sandbox.netns_fd >= 0:
        return sandbox.netns_fd
    return sandbox.netns or None


def _complaint(missing: Item) -> str:
    """What is wrong on the host while this item is missing, in an operator's words."""
    match missing:
        case FibRoute(prefix=prefix):
            return f"route to {prefix} is missing"
        case Neighbour(address=address):
            return f"neighbour entry for {address} is missing"
        case Rule(priority=priority, src=source, dst=target):
            return f"rule {priority} {'to' if source is None else 'from'} {source or target} is missing"
        case LinkSetting(mac=bytes(mac)):
            return f"host link has not the MAC {mac.hex(':')}"
        case _:
            return "host link is down"
