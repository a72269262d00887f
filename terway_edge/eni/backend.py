"""The hooks of a backend whose pods are on ENIs; what tells one such backend from another is left open."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from terway_edge.core.cloud import Api, Cause, Cloud, CloudError
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Attachment, Discrepancy, Lease, Node, NodeView, Report, Sandbox, StopReason
from terway_edge.core.ports import Closable
from terway_edge.eni.configuration import access_of, families_of, policy_of, retired
from terway_edge.eni.following import Configuration
from terway_edge.eni.intents import IntentsFile
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.links import EniLinks, Wanted
from terway_edge.eni.manager import Manager
from terway_edge.eni.policy import Policy, Site
from terway_edge.eni.policy_routing import pod_rules
from terway_edge.eni.publishing import Publisher

if TYPE_CHECKING:
    from terway_edge.core.eni_keys import EniConfig

MARGIN = 1.0  # seconds of an ADD's time that are left for plugging the pod in
DEFAULT_MTU = 1500  # bytes
RECALL = 2.0  # seconds that the instance's metadata may take to tell its id to an agent that remembers the rest


class EniBackend(ABC):
    """Pods from addresses of the node's ENIs, steered to the ENI that has them."""

    name: ClassVar[str]
    api: ClassVar[Api]

    @abstractmethod
    def instance_id(self, node: Node, deadline: float) -> str:
        """What the cloud calls this node. Raises CloudError or Refused."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._links = EniLinks(context.kernel, context.clock, context.plumbing.settings)
        self._publisher = Publisher(context.node_name, context.annotations, context.statuses)
        self._manager: Manager | None = None
        self._subscription: Closable | None = None
        self._configuration = Configuration(context.config_maps)
        # Each is replaced as a whole: hooks run in many threads.
        self._cloud: Cloud | None = None
        self._view: NodeView | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_start(self, view: NodeView) -> None:
        self._view = view
        if self._manager is not None:
            self._forward(view)
            self._manager.turn_now()
        else:
            context = self._context
            self._configuration.start(view.node)
            self._forward(view)
            self._publisher.tells_pods = self._tells_pods
            self._manager = Manager(
                context.ipam,
                context.clock,
                self._find_site,
                self._build_keeper,
                self._publish,
                self._follow,
                self._recall_site,
            )
            for lease in self._own_leases():  # an earlier process may not have come to it
                self._publisher.changed(lease)
            self._links.left_broken = self._manager.turn_soon
            self._subscription = context.kernel.subscribe(self._links.on_event)
            self._links.recall()
            self._manager.start()

    @hookimpl
    def terway_edge_cycle_done(self, view: NodeView) -> None:
        if self._manager is not None:
            self._view = view
            self._manager.turn_now()

    @hookimpl
    def terway_edge_stop(self, reason: StopReason) -> None:
        if self._manager is not None:
            self._manager.close()
        if self._subscription is not None:
            self._subscription.close()
        if reason is StopReason.UNINSTALL:
            self._links.remove()
            self._publisher.retract(self._own_leases())

    # --- one pod ------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_allocate(self, sandbox: Sandbox, deadline: float, cancelled: Callable[[], bool]) -> Lease:
        return self._started.acquire(sandbox, self.name, deadline - MARGIN, cancelled)

    @hookimpl
    def terway_edge_attach(self, sandbox: Sandbox, lease: Lease) -> Attachment:
        wanted = self._wanted(lease)
        if wanted is None:
            raise Retry(f"the ENI of address {lease.addresses[0]} is not known yet, or is gone: see its conditions")
        if self._config is not None and not self._config.bandwidth:
            sandbox = replace(sandbox, bandwidth=None)
        rules = pod_rules(lease.addresses, self._links.make_ready(wanted))
        return self._context.plumbing.attach(sandbox, lease, wanted.mtu, rules)

    @hookimpl
    def terway_edge_check(self, sandbox: Sandbox, lease: Lease, repair: bool) -> Sequence[Discrepancy]:
        wanted = self._wanted(lease)
        if wanted is None:  # the cloud is not there to tell; the pod's own side can be looked at all the same
            return self._context.plumbing.check(sandbox, lease, repair=repair)
        found = self._links.check(wanted, repair=repair)
        link = self._links.find(wanted)
        if link is None:
            return [*found, *self._context.plumbing.check(sandbox, lease, repair=repair)]
        rules = pod_rules(lease.addresses, link.ifindex)
        found += self._links.check_rules(lease.addresses, rules, repair=repair)
        return [*found, *self._context.plumbing.check(sandbox, lease, rules, repair=repair)]

    @hookimpl
    def terway_edge_audit(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        wanted = {lease.key: each for lease in leases if (each := self._wanted(lease)) is not None}
        links = self._links.audit(set(wanted.values()))
        rules = self._links.rules_by_pod()
        broken = []
        for lease in leases:
            eni = wanted.get(lease.key)
            link = links.get(eni) if eni is not None else None
            if link is not None and any(rules.get(a) != set(pod_rules([a], link)) for a in lease.addresses):
                broken.append(lease)
        if self._view is not None:
            self._forward(self._view)
        return broken

    @hookimpl
    def terway_edge_detach(self, lease: Lease) -> None:
        self._context.plumbing.detach(lease, self._links.rules_of(lease.addresses))

    @hookimpl
    def terway_edge_release(self, lease: Lease) -> None:
        if self._manager is None:
            self._context.ipam.release(lease)
        else:
            self._manager.release(lease)

    # --- what is so -----------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_lease_granted(self, lease: Lease) -> None:
        self._changed(lease)

    @hookimpl
    def terway_edge_lease_released(self, lease: Lease) -> None:
        self._changed(lease)

    @hookimpl
    def terway_edge_report(self) -> Report:
        conditions = (
            *self._started.conditions(),
            *self._configuration.conditions,
            *self._links.conditions(),
        )
        return Report(self.name, not conditions, conditions, self._started.details())

    # --- within ---------------------------------------------------------------------------------------------------

    @property
    def _started(self) -> Manager:
        if self._manager is None:
            raise Retry(f"{self.name} has not been started")
        return self._manager

    @property
    def _config(self) -> EniConfig | None:
        return self._configuration.current

    @property
    def _tells_pods(self) -> bool:
        return self._config is None or self._config.enable_patch_pod_ips

    def _forward(self, view: NodeView) -> None:
        """Raises Retry."""
        self._context.plumbing.forward_packets(view, families_of(self._config))

    def _changed(self, lease: Lease) -> None:
        """The pod has its CNI answer already; the pool's thread tells the cluster."""
        if self._manager is not None and self._is_own(lease):
            self._publisher.changed(lease)
            self._manager.turn_soon()

    def _publish(self) -> float:
        """After each turn."""
        self._links.keep({each for lease in self._own_leases() if (each := self._wanted(lease)) is not None})
        due_at = self._publisher.publish(self._started.standing(), self._own_leases(), self._context.clock.now())
        return min(due_at, self._links.due_at)

    def _own_leases(self) -> Iterator[Lease]:
        return filter(self._is_own, self._context.ipam.leases())

    def _find_site(self, deadline: float) -> Site:
        assert self._view is not None
        node = self._view.node
        self._configuration.follow(node)
        try:
            self._cloud = self._context.clouds.open(self.api, deadline, access_of(self._config, node))
            id = self.instance_id(node, deadline)
        except Refused as error:
            raise CloudError(str(error), action="", cause=Cause.DENIED) from error
        instance = self._cloud.instance(id, deadline)
        site = Site(instance, self._cloud.limits(instance.type, deadline), self._cloud.features)
        self._configuration.is_fixed = True
        return site

    def _recall_site(self) -> Site | None:
        """As an earlier process found it. What was remembered of another instance, as in a copied disk, is not it."""
        assert self._view is not None
        now = self._context.clock.now()
        try:
            id = self.instance_id(self._view.node, now + RECALL)
        except (CloudError, Refused):
            return None
        site = IntentsFile(self._context.settings.state_dir, id).load(now).remembered.site
        return site if site is not None and site.instance.id == id else None

    def _opened(self) -> Cloud:
        if self._cloud is None:
            raise CloudError("the way to the cloud is not known yet", action="", cause=Cause.UNAVAILABLE)
        return self._cloud

    def _build_keeper(self, site: Site, lock: AbstractContextManager[object]) -> Keeper:
        context, settings = self._context, self._context.settings
        policy = self._policy(site.instance.zone)
        intents = IntentsFile(settings.state_dir, site.instance.id)
        return Keeper(
            self._opened, context.ipam, context.clock, intents, context.events, policy, site, random.Random(), lock
        )

    def _follow(self, keeper: Keeper) -> None:
        """Before each turn: what the cluster wants now."""
        assert self._view is not None
        self._configuration.follow(self._view.node)
        self._publisher.tells_pods = self._tells_pods
        keeper.follow(self._policy)

    def _policy(self, zone: str) -> Policy:
        policy = policy_of(self._config, zone, self._context.settings.ipam.cooldown_seconds)
        is_selected = self._view is None or self._view.selection.backend == self.name
        return policy if is_selected else retired(policy)

    def _wanted(self, lease: Lease) -> Wanted | None:
        """How the ENI of a lease is to be; None while the ENI or its vSwitch is unknown."""
        if self._manager is None or self._view is None:
            return None
        eni = self._manager.eni_of(lease)
        vswitch = None if eni is None else self._manager.vswitch_of(eni)
        if eni is None or vswitch is None:
            return None
        families = families_of(self._config)
        gateways = tuple(each for each in (vswitch.gateway, vswitch.ipv6_gateway) if each and each.family in families)
        own = (self._view.node.address(family) for family in families)
        node = tuple(each for each in own if each is not None)
        return Wanted(eni.id, eni.mac, gateways, node, self._mtu(self._view))

    def _mtu(self, view: NodeView) -> int:
        configured = self._context.settings.mtu or (self._config.mtu if self._config else None)
        return configured or (view.uplink.mtu if view.uplink else DEFAULT_MTU)

    def _is_own(self, lease: Lease) -> bool:
        return lease.backend == self.name
