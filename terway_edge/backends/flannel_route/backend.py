"""The hooks of the flannel_route backend, which is also its own advertiser."""

from __future__ import annotations

from collections.abc import Sequence

from terway_edge.backends.flannel_route.fib import Fib, fib_routes
from terway_edge.core.addresses import Prefix
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Retry
from terway_edge.core.hookspecs import hookimpl
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
        self._fib = Fib(context.kernel, context.clock)
        self._pod_cidrs: tuple[Prefix, ...] = ()
        self._conditions: tuple[Condition, ...] = ()
        self._subscription: Closable | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_start(self, view: NodeView) -> None:
        self._sync_pools(view)
        self._context.plumbing.forward_packets(view)
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
        self._sync_pools(view)
        if not view.node.pod_cidrs:
            raise Retry(
                f"node {view.node.name} has no spec.podCIDR yet; the cluster must assign one "
                f"(kube-controller-manager --allocate-node-cidrs)",
                after=5,
            )
        return self._context.ipam.allocate(sandbox, NAME, [str(prefix) for prefix in view.node.pod_cidrs])

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
        self._conditions = routes.conditions
        uplink = view.uplink.ifindex if view.uplink else 0
        self._fib.set(fib_routes(routes, uplink, view.node.pod_cidrs), prune=routes.in_sync)
        masquerade = self._context.settings.masquerade
        if masquerade.enabled:
            self._context.firewall.set_masquerade(
                wanted_masquerade(view, (*masquerade.exclude, *self._context.settings.routes.edge_cidrs))
            )
        else:
            self._context.firewall.remove()

    @hookimpl
    def terway_edge_report(self) -> Report:
        conditions = (*self._conditions, *self._fib.conditions())
        return Report(NAME, not conditions, conditions, {"routes": self._fib.size})

    def _sync_pools(self, view: NodeView) -> None:
        """A changed pod CIDR is a new pool; leases of the old one stay valid until they are released.

        On a node whose pods another backend serves, the pod CIDR is that one's to divide (the agent drops all pools
        when the selection changes).
        """
        wanted = view.node.pod_cidrs
        if view.selection.backend != NAME:
            self._pod_cidrs = ()
            return
        if wanted == self._pod_cidrs:
            return
        for prefix in set(self._pod_cidrs) - set(wanted):
            self._context.ipam.remove_pool(str(prefix))
        reserved = self._context.settings.ipam.reserved
        for prefix in wanted:
            self._context.ipam.add_pool(
                str(prefix), prefix=prefix, reserved=[address for address in reserved if prefix.contains(address)]
            )
        self._pod_cidrs = wanted


def wanted_masquerade(view: NodeView, exclude: Sequence[Prefix]) -> Masquerade:
    """Own pods hide behind the node's address, except towards who has a route back: all pods and all nodes."""
    nodes = (view.node, *(member.node for member in view.members))
    pods = {prefix for node in nodes for prefix in node.pod_cidrs}
    hosts = {address.host for node in nodes for address in node.addresses}
    return Masquerade(tuple(sorted(view.node.pod_cidrs)), tuple(sorted(pods | hosts | set(exclude))))
