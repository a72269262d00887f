"""The composition root and the life of the agent.

Start: instance lock, store, kernel, plugins, cluster source, routes, leases against kernel, spooled DELs, socket, CNI
configuration, metrics. Stop: requests in flight are drained; kernel state, routes and pods stay as they
are (a stop is an upgrade unless `terway-edge uninstall` says otherwise).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from terway_edge.agent.clock import BootClock
from terway_edge.agent.clouds import AliyunClouds
from terway_edge.agent.conditions import Conditions
from terway_edge.agent.door import LOOK_AGAIN as LOOK_FOR_SOCKET
from terway_edge.agent.door import Door
from terway_edge.agent.ending import Ending
from terway_edge.agent.events import LoggedEvents
from terway_edge.agent.gc import Collector, LostSandboxes
from terway_edge.agent.handler import CniHandler
from terway_edge.agent.heartbeat import PERIOD, beat
from terway_edge.agent.housekeeper import Chore, Housekeeper
from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.mending import Mending, parts_of
from terway_edge.agent.publication import LOOK_AGAIN, Publication
from terway_edge.agent.queries import Queries
from terway_edge.agent.reconciler import Reconciler
from terway_edge.agent.recovery import orphans, rebuild
from terway_edge.agent.repair import Repair
from terway_edge.agent.service import Service
from terway_edge.agent.store import Journal
from terway_edge.agent.telemetry import Telemetry
from terway_edge.agent.uplinks import find_uplink
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.config import Settings
from terway_edge.core.context import BackendContext
from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.errors import KernelError
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, StopReason
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, network_serving
from terway_edge.core.plugins import build_plugins, find_plugins
from terway_edge.core.plumbing import Plumbing
from terway_edge.core.ports import ClusterSource, Firewall, Kernel, StatusEntry, Stored

log = logging.getLogger(__name__)

FIRST_ROUTES = 5.0  # seconds the start waits for the advertisers' first set
DRAIN = 10.0  # seconds requests in flight have at stop
CATCH_UP = 2.0  # seconds between looks at what somebody keeps undoing
REPORTS = 5.0  # seconds between the reports of plugins that advertise nothing


class Agent:
    """One node's agent. `start` returns when pods can be served, `stop` when nothing of it runs any more."""

    def __init__(
        self,
        settings: Settings,
        kernel: Kernel,
        firewall: Firewall,
        store: Journal,
        stored: Stored,
        source: ClusterSource,
    ) -> None:
        self._settings = settings
        self._kernel = kernel
        self._store = store
        self._stored = stored
        self._source = source
        self._clock = BootClock()
        self._telemetry = Telemetry()
        self._store_guard = threading.Lock()
        self._ipam = Ipam(
            store,
            self._clock,
            cooldown=settings.ipam.cooldown_seconds,
            max_pods=settings.ipam.pods_per_node,
            lock=self._store_guard,
        )
        self._ipam.load(stored)
        self._plumbing = Plumbing(kernel)
        events = LoggedEvents(source)
        self._conditions = Conditions(events)
        context = BackendContext(
            settings.node_name,
            kernel,
            self._plumbing,
            self._ipam,
            firewall,
            self._clock,
            events,
            source,
            settings,
            AliyunClouds(settings, self._clock),
            self._config_map,
            source,
        )
        manager, self._plugins = build_plugins(find_plugins(settings.plugins.disabled), context)
        for info in self._plugins:
            if info.error:
                log.warning("plugin %s cannot be used: %s", info.name, info.error)
        self._dispatcher = Dispatcher(manager, _plugin_failed)
        self._reconciler = Reconciler(
            settings,
            self._dispatcher,
            partial(find_uplink, kernel, settings),
            self._drop_pools,
            self._conditions,
            self._clock,
        )
        self._firewall = firewall
        self._ports = HostPorts(kernel, firewall, lock=threading.Lock())
        self._sources = SourceGuard(firewall, on=settings.cni.anti_spoofing, lock=threading.Lock())
        locks = SandboxLocks()
        self._service = Service(
            self._dispatcher,
            self._ipam,
            kernel,
            self._plumbing,
            self._clock,
            self._reconciler.node,
            locks,
            self._ports,
            self._sources,
        )
        self._mending = Mending(
            kernel,
            self._ipam,
            self._clock,
            self._telemetry,
            locks,
            self._plumbing.settings,
            parts_of(firewall, self._sources, self._ports),
        )
        self._repair = Repair(
            kernel,
            self._ipam,
            self._dispatcher,
            self._clock,
            self._telemetry,
            locks,
            self._mending,
            self._conditions,
            lambda: self._reconciler.view,
            self._reconciler.poke,
        )
        self._collector = Collector(
            kernel, self._ipam, self._service, self._clock, LostSandboxes(settings.gc.grace_seconds)
        )
        self._closing = ExitStack()
        self._ending = Ending(lambda: self._dispatcher.under_way)

    def start(self) -> None:
        """Raises EdgeError or OSError if the agent cannot serve; what was begun is ended by `stop`."""
        settings = self._settings
        # First of all, so that nothing that happens after the first look is missed.
        self._closing.callback(self._kernel.subscribe(self._repair.on_event).close)
        self._watch_tables()
        self._reconciler.run_once(self._source.load())
        self._closing.callback(self._ending.end, "routes", self._reconciler.stop)
        self._recover()
        self._reconciler.start()
        self._closing.callback(self._source.watch(self._reconciler.set_snapshot).close)
        self._reconciler.settle(FIRST_ROUTES)
        queries = Queries(
            settings,
            self._kernel,
            self._ipam,
            self._dispatcher,
            self._reconciler,
            self._conditions,
            self._plugins,
            self._telemetry,
            self._clock,
        )
        handler = CniHandler(self._service, queries, self._telemetry, self._clock, settings.cni.network)
        door = Door(settings, handler, self._conditions)
        self._closing.callback(self._ending.end, "requests", door.drain, DRAIN)
        door.serve()
        heartbeat = partial(self._beat, settings.run_dir / "heartbeat")
        heartbeat()
        chores = [
            Chore("heartbeat", PERIOD, heartbeat),
            Chore("socket", LOOK_FOR_SOCKET, door.keep),
            Chore("condition of the network", PERIOD, self._tell_network),
            Chore("audit", settings.routes.resync_seconds, self._repair.audit),
            Chore("repair", CATCH_UP, self._repair.catch_up),
            Chore("reports", REPORTS, self._hear_backends),
            Chore("garbage collection", settings.gc.period_seconds, self._collect, first=0),
            Chore("store repair", max(settings.ipam.cooldown_seconds, 1.0), self._mend_store),
        ]
        if settings.cni.install:
            publication = Publication(settings, self._conditions, self._telemetry)
            publication.begin()
            chores.append(Chore("CNI configuration", LOOK_AGAIN, publication.keep))
        housekeeper = Housekeeper(chores, self._clock)
        self._closing.callback(self._ending.end, "chores", housekeeper.close)
        housekeeper.start()
        self._mending.hurry = partial(housekeeper.hurry, "repair")
        self._tell_network()
        if settings.metrics.enabled:
            self._serve_metrics()
        why_not = self._service.why_not()
        log.log(
            logging.WARNING if why_not else logging.INFO,
            "serving node %s%s",
            settings.node_name,
            f", but no new pods yet: {why_not}" if why_not else "",
        )

    def stop(self, reason: StopReason = StopReason.UPGRADE) -> None:
        """End in the reverse order of the start; pods, routes and kernel state stay for the next process."""
        self._closing.close()
        self._ending.call("plugins", [partial(self._stop_plugin, name, reason) for name in self._reconciler.active])
        self._kernel.settle()
        self._store.close()

    def _stop_plugin(self, name: str, reason: StopReason) -> None:
        try:
            self._dispatcher.stop(name, reason)
        except Exception as error:  # noqa: BLE001 - the others must be stopped too
            log.error("plugin %s: stop: %s", name, explain(error))

    def _watch_tables(self) -> None:
        try:
            self._closing.callback(self._firewall.watch(self._mending.note_tables).close)
        except KernelError as error:  # a kernel without nftables has no tables of ours either
            log.warning("what others do to our nftables tables is seen by comparison only: %s", error)

    def _recover(self) -> None:
        """Bring leases and kernel together before anything is served."""
        view = self._reconciler.view
        backend = view.selection.backend if view else ""
        if self._stored.damage:
            told = f"{self._stored.damage}; leases were rebuilt from the kernel, free addresses rest for a cool-down"
            self._conditions.say("store", Condition("StoreDamaged", self._settings.node_name, told))
            rebuilt = rebuild(self._kernel, self._ipam.leases(), backend, self._clock, self._firewall.forwards())
            for lease in rebuilt.disproved:
                self._ipam.release(lease)
            for lease in rebuilt.found:
                self._ipam.adopt(lease)
                log.warning("container %s keeps %s", lease.sandbox.container_id, ", ".join(map(str, lease.addresses)))
        elif lost := orphans(self._kernel, self._ipam.leases()):
            log.info("unplugging %d links whose leases were released", len(lost))
            self._kernel.unplug(lost)
        # A process that was killed may not have got to forgetting the connections of what it released.
        self._kernel.forget([record.address for record in self._stored.cooling])
        self._reconciler.keep_working({lease.backend for lease in self._ipam.leases()})
        parts = (
            ("anti-spoofing is not as it should be", self._sources.restore),
            ("hostPorts are not as they should be", self._ports.restore),
        )
        for what, restore in parts:
            try:
                restore(self._ipam.leases())
            except KernelError as error:
                log.error("%s, the next comparison tries again: %s", what, error)
        self._repair.audit()

    def _collect(self) -> None:
        # After damage, a link without a lease may be a live pod whose lease was lost.
        self._collector.run(with_links=not self._store.damage)

    def _hear_backends(self) -> None:
        """Advertisers are asked after each set of routes."""
        for name in set(self._reconciler.active) - set(self._dispatcher.advertisers):
            report = self._dispatcher.report(name)
            self._conditions.say(name, *(report.conditions if report else ()))

    def _config_map(self, name: str) -> Mapping[str, object] | None:
        """Plugins are built before the reconciler is, and ask later."""
        return self._reconciler.config_map(name)

    def _drop_pools(self) -> None:
        for name in self._ipam.pools():
            self._ipam.remove_pool(name)

    def _mend_store(self) -> None:
        with self._store_guard:
            self._store.mended()
            self._conditions.say("store")

    def _beat(self, path: Path) -> None:
        beat(path, self._clock.now())

    def _tell_network(self) -> None:
        """That pods of this node get a network. An agent that is gone for long cannot take that back: the control
        plane does."""
        if not self._service.why_not():
            name = self._settings.node_name
            self._source.write_status(StatusEntry("Node", name, NETWORK_UNAVAILABLE, network_serving()))

    def _serve_metrics(self) -> None:
        """Last of all, for the library takes a while to import; pods are served even if the port is taken."""
        from prometheus_client import CollectorRegistry

        from terway_edge.agent.metrics import AgentCollector, MetricsServer

        registry = CollectorRegistry()
        registry.register(
            AgentCollector(self._telemetry, self._ipam, lambda: self._reconciler.routes, self._conditions)
        )
        self._dispatcher.metrics(registry)
        metrics = self._settings.metrics
        try:
            server = MetricsServer(
                str(metrics.address), metrics.port, registry, lambda: self._reconciler.node().why_not
            )
        except OSError as error:
            log.error(
                "metrics: cannot listen on %s port %d: %s; set metrics.port, or metrics.enabled to false",
                metrics.address,
                metrics.port,
                error.strerror,
            )
        else:
            self._closing.callback(server.close)


def _plugin_failed(plugin: str, hook: str, error: Exception) -> None:
    log.error("plugin %s: %s: %s", plugin, hook, explain(error))
