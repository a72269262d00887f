"""The hooks of a backend whose pods are on ENIs; what tells one such backend from another is left open."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from terway_edge.core.cloud import Api, Cause, Cloud, CloudError, VSwitch
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Attachment, Discrepancy, Lease, Node, NodeView, Report, Sandbox, StopReason
from terway_edge.core.plans import HOST, Change, Plan, Rule, Step, Verb
from terway_edge.core.ports import Closable, Happening, KernelEvent
from terway_edge.eni.configuration import families_of, policy_of, read_config
from terway_edge.eni.intents import IntentsFile
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.links import EniLinks, Wanted, is_lost_rule
from terway_edge.eni.manager import Manager
from terway_edge.eni.policy import Site
from terway_edge.eni.policy_routing import pod_rules

if TYPE_CHECKING:
    from terway_edge.core.eni_keys import EniConfig

MARGIN = 1.0  # seconds of an ADD's time that are left for plugging the pod in
READ = 5.0  # seconds that reading a vSwitch may take
DEFAULT_MTU = 1500  # bytes


class EniBackend(ABC):
    """Pods from addresses of the node's ENIs, steered to the ENI that has them."""

    name: ClassVar[str]
    api: ClassVar[Api]

    @abstractmethod
    def instance_id(self, node: Node, deadline: float) -> str:
        """What the cloud calls this node. Raises CloudError or Refused."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._links = EniLinks(context.kernel, context.clock)
        self._manager: Manager | None = None
        self._subscription: Closable | None = None
        # Each is replaced as a whole: hooks run in many threads.
        self._cloud: Cloud | None = None
        self._config: EniConfig | None = None
        self._view: NodeView | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_start(self, view: NodeView) -> None:
        self._view = view
        self._config = read_config(self._context.config_maps, view.node)
        self._context.plumbing.forward_packets(view, families_of(self._config))
        if self._manager is None:
            context = self._context
            self._manager = Manager(context.ipam, context.clock, self._find_site, self._build_keeper)
            self._subscription = context.kernel.subscribe(self._on_event)
            self._manager.start()

    @hookimpl
    def terway_edge_stop(self, reason: StopReason) -> None:
        if self._manager is not None:
            self._manager.close()
        if self._subscription is not None:
            self._subscription.close()
        if reason is StopReason.UNINSTALL:
            self._links.remove()

    # --- one pod ------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_allocate(self, sandbox: Sandbox, view: NodeView, deadline: float) -> Lease:
        self._view = view
        return self._started.acquire(sandbox, self.name, deadline - MARGIN)

    @hookimpl
    def terway_edge_attach(self, sandbox: Sandbox, lease: Lease, view: NodeView) -> Attachment:
        self._view = view
        wanted = self._wanted(lease, read=self._read_vswitch)
        if wanted is None:
            raise Retry(f"the ENI of address {lease.addresses[0]} is not known yet, or is gone: see its conditions")
        rules = pod_rules(lease.addresses, self._links.make_ready(wanted))
        return self._context.plumbing.attach(sandbox, lease, wanted.mtu, rules)

    @hookimpl
    def terway_edge_check(self, sandbox: Sandbox, lease: Lease, repair: bool) -> Sequence[Discrepancy]:
        wanted = self._wanted(lease)
        if wanted is None:  # the cloud is not there to tell; the pod's own side can be looked at all the same
            return self._context.plumbing.check(sandbox, lease, repair=repair)
        found = self._links.check(wanted, repair=repair)
        link = self._links.find(wanted)
        rules = () if link is None else pod_rules(lease.addresses, link.ifindex)
        return [*found, *self._context.plumbing.check(sandbox, lease, rules, repair=repair)]

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
    def terway_edge_report(self) -> Report:
        conditions = tuple(self._started.conditions())
        return Report(self.name, not conditions, conditions, self._started.details())

    # --- within ---------------------------------------------------------------------------------------------------

    @property
    def _started(self) -> Manager:
        if self._manager is None:
            raise Retry(f"{self.name} has not been started")
        return self._manager

    def _find_site(self, deadline: float) -> Site:
        assert self._view is not None
        try:
            self._cloud = self._context.clouds.open(self.api, deadline)
            id = self.instance_id(self._view.node, deadline)
        except Refused as error:
            raise CloudError(str(error), action="", cause=Cause.DENIED) from error
        instance = self._cloud.instance(id, deadline)
        return Site(instance, self._cloud.limits(instance.type, deadline), self._cloud.features)

    def _build_keeper(self, site: Site, lock: AbstractContextManager[object]) -> Keeper:
        assert self._cloud is not None
        context, settings = self._context, self._context.settings
        policy = policy_of(self._config, site.instance.zone, settings.ipam.cooldown_seconds)
        intents = IntentsFile(settings.state_dir)
        return Keeper(
            self._cloud, context.ipam, context.clock, intents, context.events, policy, site, random.Random(), lock
        )

    def _wanted(self, lease: Lease, read: Callable[[str], VSwitch | None] = lambda _: None) -> Wanted | None:
        """How the ENI of a lease is to be; None while the ENI or its vSwitch is unknown.

        :param read: asks for a vSwitch that the pool has not read yet
        """
        if self._manager is None or self._view is None:
            return None
        eni = self._manager.eni_of(lease)
        vswitch = None if eni is None else self._manager.vswitch_of(eni) or read(eni.vswitch)
        if eni is None or vswitch is None:
            return None
        families = families_of(self._config)
        gateways = tuple(each for each in (vswitch.gateway, vswitch.ipv6_gateway) if each and each.family in families)
        own = (self._view.node.address(family) for family in families)
        node = tuple(each for each in own if each is not None)
        return Wanted(eni.id, eni.mac, gateways, node, self._mtu(self._view))

    def _read_vswitch(self, vswitch: str) -> VSwitch | None:
        """Raises CloudError."""
        if self._cloud is None:
            return None
        return next(iter(self._cloud.vswitches([vswitch], self._context.clock.now() + READ)), None)

    def _mtu(self, view: NodeView) -> int:
        configured = self._context.settings.mtu or (self._config.mtu if self._config else None)
        return configured or (view.uplink.mtu if view.uplink else DEFAULT_MTU)

    def _on_event(self, event: KernelEvent) -> None:
        """From the kernel's thread: keep ENIs ready, and the rules of pods in force."""
        self._links.on_event(event)
        rule = is_lost_rule(event)
        if rule is not None:
            self._put_back(rule)
        elif event.what is Happening.OVERRUN:
            for lease in self._context.ipam.leases():
                if self._is_own(lease):
                    self.terway_edge_check(Sandbox(*lease.key), lease, repair=True)

    def _put_back(self, rule: Rule) -> None:
        """Unless the pod is gone."""
        about = rule.src or rule.dst
        lease = None if about is None else self._context.ipam.owner(about.address)
        if lease is not None and self._is_own(lease):
            self._context.kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, rule),)),), atomic=False))

    def _is_own(self, lease: Lease) -> bool:
        return lease.backend == self.name
