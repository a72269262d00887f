"""The hooks of the flannel_route backend, which is also its own advertiser."""

from __future__ import annotations

from collections.abc import Sequence

from terway_edge.backends.flannel_route.fib import Fib, fib_routes
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.merging import merged
from terway_edge.core.models import (
    Attachment,
    Condition,
    Discrepancy,
    Lease,
    NodeView,
    Report,
    RouteSet,
    Sandbox,
    StopReason,
)
from terway_edge.core.ports import Closable, Masquerade

NAME = "flannel_route"


class FlannelRoute:
    """Pods from the pod CIDR of the Kubernetes node; routes to the other nodes of the LAN in the kernel's table."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._fib = Fib(context.kernel, context.clock, context.events)
        # Each is replaced as a whole: hooks run in many threads.
        self._pod_cidrs: tuple[Prefix, ...] = ()
        self._conditions: tuple[Condition, ...] = ()
        self._routes: RouteSet | None = None
        """The last set. To get the very same one again is a call to compare it with the kernel."""
        self._subscription: Closable | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_start(self, view: NodeView) -> None:
        self._sync_pools(view)
        self._context.plumbing.forward_packets(view)
        if self._subscription is None:
            self._subscription = self._context.kernel.subscribe(self._fib.on_event)

    @hookimpl
    def terway_edge_stop(self, reason: StopReason) -> None:
        if self._subscription is not None:
            self._subscription.close()
        if reason is StopReason.UNINSTALL:
            self._fib.set((), prune=True)
            self._context.firewall.remove()

    # --- one pod ------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_allocate(self, sandbox: Sandbox, view: NodeView) -> Lease:
        pools = [str(prefix) for prefix in self._pod_cidrs]  # not the view's: an ADD may have waited with an old one
        if not pools:
            raise Retry(
                f"node {view.node.name} has no spec.podCIDR yet; the cluster must assign one "
                f"(kube-controller-manager --allocate-node-cidrs)",
                after=5,
            )
        try:
            return self._context.ipam.allocate(sandbox, NAME, pools)
        except Refused as error:
            # The pools are wrong, not the request: they change with the node.
            raise Retry(f"the address pools of node {view.node.name} are changing: {error}") from error

    @hookimpl
    def terway_edge_attach(self, sandbox: Sandbox, lease: Lease, view: NodeView) -> Attachment:
        mtu = self._context.settings.mtu or (view.uplink.mtu if view.uplink else 1500)
        return self._context.plumbing.attach(sandbox, lease, mtu)

    @hookimpl
    def terway_edge_check(self, sandbox: Sandbox, lease: Lease, repair: bool) -> Sequence[Discrepancy]:
        return self._context.plumbing.check(sandbox, lease, repair=repair)

    @hookimpl
    def terway_edge_detach(self, lease: Lease) -> None:
        self._context.plumbing.detach(lease)

    @hookimpl
    def terway_edge_release(self, lease: Lease) -> None:
        self._context.ipam.release(lease)

    # --- routes -------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_advertise(self, routes: RouteSet, view: NodeView) -> None:
        self._sync_pools(view)
        if self._is_needed(view):
            self._conditions = (*routes.conditions, *self._forward_packets(view))
            uplink = view.uplink.ifindex if view.uplink else 0
            wanted = fib_routes(routes, uplink, view.node.pod_cidrs)
            self._fib.set(wanted, prune=routes.in_sync, look=routes is self._routes)
            self._routes = routes
            self._masquerade(view)
        else:
            self._conditions = routes.conditions
            self._fib.set((), prune=routes.in_sync)
            if routes.in_sync:
                self._context.firewall.set_masquerade(None)

    @hookimpl
    def terway_edge_report(self) -> Report:
        conditions = (*self._conditions, *self._fib.conditions())
        return Report(NAME, not conditions, conditions, {"routes": self._fib.size, "repairs": self._fib.repairs})

    def _is_needed(self, view: NodeView) -> bool:
        """False once this node is another backend's and another advertiser's, and the last pod of ours is gone."""
        selection = view.selection
        return (
            selection.backend == NAME
            or NAME in selection.advertisers
            or any(lease.backend == NAME for lease in self._context.ipam.leases())
        )

    def _forward_packets(self, view: NodeView) -> tuple[Condition, ...]:
        """Every time: an IPv6 pod CIDR or the uplink may be new, and others may have switched forwarding off."""
        try:
            self._context.plumbing.forward_packets(view)
        except Retry as error:
            return (Condition("ForwardingRefused", view.node.name, str(error)),)
        return ()

    def _masquerade(self, view: NodeView) -> None:
        masquerade, routes = self._context.settings.masquerade, self._context.settings.routes
        if masquerade.enabled:
            direct = (*masquerade.exclude, *routes.edge_cidrs, *routes.cross_domain_cidrs)
            self._context.firewall.set_masquerade(wanted_masquerade(view, direct))
        else:
            self._context.firewall.set_masquerade(None)

    def _sync_pools(self, view: NodeView) -> None:
        """A changed pod CIDR is a new pool; leases of the old one stay valid until they are released.

        On a node whose pods another backend serves, the pod CIDR is that one's to divide, and pools of the same names
        are its own: the agent has dropped ours. Raises Retry if the pools of another view are in the way.
        """
        wanted = view.node.pod_cidrs if view.selection.backend == NAME else ()
        before, self._pod_cidrs = self._pod_cidrs, wanted
        if not wanted:
            return
        ipam = self._context.ipam
        for prefix in set(before) - set(wanted):
            ipam.remove_pool(str(prefix))
        try:
            for prefix in wanted:
                ipam.add_pool(str(prefix), prefix=prefix, reserved=self._reserved(prefix))
        except Refused as error:
            raise Retry(f"node {view.node.name}: {error}") from error

    def _reserved(self, prefix: Prefix) -> list[Address]:
        return [address for address in self._context.settings.ipam.reserved if prefix.contains(address)]


def wanted_masquerade(view: NodeView, exclude: Sequence[Prefix]) -> Masquerade:
    """Own pods hide behind the node's address, except towards who has a route back: all pods and all nodes.

    These are merged: `nft` takes time for each element, and thousands of nodes are a few dozen ranges.
    """
    nodes = (view.node, *(member.node for member in view.members))
    pods = [prefix for node in nodes for prefix in node.pod_cidrs]
    hosts = [address for node in nodes for address in node.addresses]
    return Masquerade(tuple(sorted(view.node.pod_cidrs)), merged([*pods, *exclude], hosts))
