"""A backend at work in a world: what the agent does around a plugin, reduced to what a test needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import Lock

import pluggy

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config import Settings
from terway_edge.core.context import BackendContext
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.hookspecs import PROJECT, Hooks
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import (
    Attachment,
    Lease,
    Member,
    Node,
    NodeView,
    RouteSet,
    Sandbox,
    Selection,
    StopReason,
    Uplink,
)
from terway_edge.core.plumbing import Plumbing
from terway_edge.core.ports import Annotations, Clock, Events, Firewall, Kernel, Statuses
from terway_edge.core.routes import desired_routes
from terway_edge.testing.annotations import MemoryAnnotations
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.faulty_kernel import FaultyKernel
from terway_edge.testing.memory_firewall import MemoryFirewall
from terway_edge.testing.memory_store import MemoryStore
from terway_edge.testing.statuses import RecordedStatuses
from terway_edge.testing.worlds import UPLINK, World

LAN = "lan"
NODE = "node-a"
IFNAME = "eth0"
PATIENCE = 60.0  # seconds of the clock that a caller waits for an address
Factory = Callable[[BackendContext], object]
"""A plugin's class, or anything else that builds the plugin."""


def make_context(
    kernel: Kernel,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    store: MemoryStore | None = None,
    events: Events | None = None,
    firewall: Firewall | None = None,
    statuses: Statuses | None = None,
    annotations: Annotations | None = None,
) -> BackendContext:
    """What a plugin is built with, in memory but for the kernel. A store's leases are loaded, as after a restart."""
    settings = settings or Settings(node_name=NODE)
    clock, store = clock or FakeClock(), store or MemoryStore()
    cooldown, most = settings.ipam.cooldown_seconds, settings.ipam.pods_per_node
    ipam = Ipam(store, clock, cooldown=cooldown, max_pods=most, lock=Lock())
    ipam.load(store.stored)
    return BackendContext(
        settings.node_name,
        kernel,
        Plumbing(kernel),
        ipam,
        firewall or MemoryFirewall(),
        clock,
        events or RecordedEvents(),
        statuses or RecordedStatuses(),
        settings,
        annotations=annotations or MemoryAnnotations(),
    )


def make_node(index: int) -> Node:
    """The index-th node of the LAN, counted from 1: 64 addresses per family for its pods."""
    return Node(
        f"node-{chr(96 + index)}",
        {},
        (Address.parse(f"192.0.2.{index}"), Address.parse(f"2001:db8::{index}")),
        (Prefix.parse(f"10.244.{index}.0/26"), Prefix.parse(f"2001:db8:244:{index}::/122")),
    )


def make_view(
    backend: str, *, advertisers: tuple[str, ...] = (), others: int = 2, uplink: Uplink | None = UPLINK
) -> NodeView:
    """The first node of a dual-stack LAN of `others` further nodes."""
    members = tuple(Member(make_node(index), LAN) for index in range(2, 2 + others))
    return NodeView(make_node(1), Selection(backend, advertisers, LAN), members, uplink)


@dataclass(frozen=True, slots=True)
class Plugged:
    """A sandbox that was plugged in."""

    sandbox: Sandbox
    lease: Lease
    attachment: Attachment


class Harness:
    """One plugin, built and started as the agent does it, called through the agent's own dispatcher."""

    def __init__(
        self,
        world: World,
        name: str,
        factory: Factory,
        *,
        serves_pods: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self.world = world
        self.name = name
        self.kernel = FaultyKernel(world.kernel)
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.events = RecordedEvents()
        self.statuses = RecordedStatuses()
        self.annotations = MemoryAnnotations()
        self.firewall = MemoryFirewall()
        self.settings = settings or Settings(node_name=NODE)
        self.view = make_view(name if serves_pods else "another", advertisers=(name,))
        self._factory = factory
        self._serial = count(1)
        self._running = False
        self._build()

    # --- life ----------------------------------------------------------------------------------------------------

    def restart(self, reason: StopReason = StopReason.UPGRADE) -> None:
        """A new process: of the old one only the store and the kernel are left."""
        self.stop(reason)
        self.store = MemoryStore(self.store.stored)
        self._build()

    def stop(self, reason: StopReason) -> None:
        """End the plugin, once."""
        if self._running:
            self._running = False
            self.hooks.stop(self.name, reason)

    def close(self) -> None:
        """Stop the plugin, if no test has done so; the world is its maker's to close."""
        self.stop(StopReason.UPGRADE)

    def _build(self) -> None:
        self.context = make_context(
            self.kernel,
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            events=self.events,
            firewall=self.firewall,
            statuses=self.statuses,
            annotations=self.annotations,
        )
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(Hooks)
        manager.register(self._factory(self.context), name=self.name)
        manager.check_pending()
        self.hooks = Dispatcher(manager, _fail)
        self.hooks.start(self.name, self.view)
        self.ports = HostPorts(self.kernel, self.firewall)
        self.ports.restore(self.context.ipam.leases())
        self._running = True

    # --- pods ----------------------------------------------------------------------------------------------------

    def sandbox(self, netns: str | None = None) -> Sandbox:
        """A new sandbox of a new pod, in a new namespace unless one is given."""
        serial = next(self._serial)
        path = self.world.create_netns() if netns is None else netns
        return Sandbox(f"container{serial}", IFNAME, path, "default", f"pod{serial}", f"uid{serial}")

    def allocate(self, sandbox: Sandbox | None = None, *, view: NodeView | None = None) -> Lease:
        """With a deadline that a clock which stands still never reaches."""
        sandbox = sandbox or self.sandbox(netns="")
        return self.hooks.allocate(self.name, sandbox, view or self.view, self.clock.now() + PATIENCE)

    def plug(self, sandbox: Sandbox | None = None) -> Plugged:
        """What ADD does, for a new sandbox unless one is given."""
        sandbox = sandbox or self.sandbox()
        lease = self.allocate(sandbox)
        attachment = self.hooks.attach(sandbox, lease, self.view)
        self.ports.open(lease)
        self.hooks.lease_granted(lease)
        return Plugged(sandbox, lease, attachment)

    def unplug(self, pod: Plugged) -> None:
        """What DEL does, and the background work after it."""
        self.ports.close(pod.lease)
        self.hooks.detach(pod.sandbox, pod.lease)
        self.hooks.release(pod.lease)
        self.hooks.lease_released(pod.lease)
        self.kernel.settle()

    # --- routes --------------------------------------------------------------------------------------------------

    def routes(self, nodes: Sequence[int] = (2, 3)) -> RouteSet:
        """The desired routes to these nodes of the LAN (`make_node`)."""
        return desired_routes(replace(self.view, members=tuple(Member(make_node(index), LAN) for index in nodes)))

    def advertise(self, routes: RouteSet) -> None:
        self.hooks.advertise(self.name, routes, self.view)


def _fail(plugin: str, hook: str, error: Exception) -> None:
    """The agent logs a failing observer or report and goes on; a test stops."""
    raise error
