"""Pods get the upper half of the node's pod CIDRs; the lower half is left to machines with addresses of their own."""

from collections.abc import Sequence

from terway_edge.core.addresses import Prefix
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Attachment, Discrepancy, Lease, NodeView, Sandbox
from terway_edge.core.ports import Event

NAME = "example"


class UpperHalf:
    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._greeted = False

    @hookimpl
    def terway_edge_start(self, view: NodeView) -> None:
        self._context.plumbing.forward_packets(view)
        for cidr in view.node.pod_cidrs:
            self._context.ipam.add_pool(str(cidr), prefix=upper_half(cidr))

    @hookimpl
    def terway_edge_allocate(self, sandbox: Sandbox, view: NodeView) -> Lease:
        if not view.node.pod_cidrs:
            raise Retry(f"node {view.node.name} has no pod CIDR yet", after=5)
        pools = [str(cidr) for cidr in view.node.pod_cidrs]
        if not set(pools) <= set(self._context.ipam.pools()):
            self.terway_edge_start(view)  # the pod CIDR came after the agent's start
        return self._context.ipam.allocate(sandbox, NAME, pools)

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

    @hookimpl
    def terway_edge_lease_granted(self, lease: Lease) -> None:
        if lease.backend == NAME and not self._greeted:
            self._greeted = True
            self._context.events.emit(Event("FirstPod", self._context.node_name, f"{lease.addresses[0]} is in use"))


def upper_half(cidr: Prefix) -> Prefix:
    return Prefix(cidr.family, cidr.value + cidr.size // 2, cidr.length + 1)
