"""The loop that keeps routes as the cluster wants them: view -> desired set -> advertisers.

A cycle runs only if its inputs changed, or to compare with the kernel again. The first change of a burst waits 20 ms
for the rest, later ones of the burst at most 200 ms.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.ending import PATIENCE
from terway_edge.agent.mailbox import Mailbox
from terway_edge.agent.service import Node
from terway_edge.agent.view import Members, node_view, why_no_view
from terway_edge.core.config import Settings
from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Condition, NodeView, RouteSet, Uplink
from terway_edge.core.peer_rules import peer_conditions
from terway_edge.core.ports import Clock, Snapshot
from terway_edge.core.routes import RouteMemory, desired_routes
from terway_edge.core.selection import skipped
from terway_edge.core.spokesmen import CONTROL_PLANE, Spokesmen

log = logging.getLogger(__name__)

LEADING, TRAILING = 0.02, 0.2  # seconds


class Reconciler:
    """Owns the current view and route set. `poke` and `set_snapshot` may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        dispatcher: Dispatcher,
        find_uplink: Callable[[Snapshot], Uplink | None],
        drop_pools: Callable[[], None],
        conditions: Conditions,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._find_uplink = find_uplink
        self._drop_pools = drop_pools
        self._conditions = conditions
        self._clock = clock
        self._wake = threading.Condition()
        self._snapshot = Snapshot(in_sync=False)
        self._changed = self._look = self._closed = False
        self._mailboxes: dict[str, Mailbox[tuple[RouteSet, NodeView]]] = {}
        self._started: dict[str, str] = {}
        self._backend = ""  # the one served last, though there may be no view now
        self._uplink: Uplink | None = None
        self._members = Members(settings.node_name, settings.pool_rules, dispatcher.select_backend)
        self._route_memory = RouteMemory()
        self._config_maps = self._snapshot.config_maps
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self.view: NodeView | None = None
        self.routes = RouteSet(in_sync=False)
        self._why_no_view = "the agent has not yet seen what the cluster says of this node"

    # --- inputs ---------------------------------------------------------------------------------------------------

    def set_snapshot(self, snapshot: Snapshot) -> None:
        with self._wake:
            self._snapshot = snapshot
            self._changed = True
            self._wake.notify()

    def poke(self) -> None:
        """Look at links and kernel again: something may have changed that no snapshot tells."""
        with self._wake:
            self._changed = self._look = True
            self._wake.notify()

    # --- life -----------------------------------------------------------------------------------------------------

    def run_once(self, snapshot: Snapshot) -> None:
        """The first cycle, in the caller's thread: when it returns, the view is there and plugins have started."""
        self._snapshot = snapshot
        self._cycle(look=True)

    def start(self) -> None:
        self._thread.start()

    def settle(self, timeout: float) -> bool:
        """Wait until every advertiser has worked through what it was given."""
        return all(mailbox.idle(timeout) for mailbox in list(self._mailboxes.values()))  # a cycle may be adding one

    def stop(self, timeout: float = PATIENCE) -> bool:
        """False if what is under way is not done within `timeout` seconds: it is left to itself."""
        deadline = self._clock.now() + timeout
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        mailboxes = list(self._mailboxes.values())
        for mailbox in mailboxes:
            mailbox.end()
        ended = [mailbox.close(max(deadline - self._clock.now(), 0)) for mailbox in mailboxes]
        return all(ended) and not self._thread.is_alive()

    # --- what others ask ------------------------------------------------------------------------------------------

    def node(self) -> Node:
        """What the CNI service needs to know."""
        view = self.view
        if view is None:
            return Node(None, self._why_no_view)
        return Node(view, self._started.get(view.selection.backend, "") or self._why_not_loaded(view))

    def config_map(self, name: str) -> Mapping[str, object] | None:
        """`core.ports.ConfigMaps` of the newest snapshot."""
        return self._snapshot.config_maps.get(name)

    @property
    def active(self) -> list[str]:
        """Plugins that were started without an error."""
        return [name for name, error in list(self._started.items()) if not error]  # a cycle may be adding one

    # --- the cycle ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        last, failed = 0.0, False
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._changed or self._closed, self._settings.routes.resync_seconds)
                if self._closed:
                    return
                self._wake.wait_for(lambda: self._closed, max(LEADING, last + TRAILING - self._clock.now()))
                periodic = not self._changed and not failed
                look = self._look or failed
                self._changed = self._look = False
            failed = False
            try:
                self._compare() if periodic else self._cycle(look=look)
            except Exception:
                failed = True
                log.exception("a reconcile cycle failed; it is tried again at the next change or resync")
            last = self._clock.now()

    def _compare(self) -> None:
        """Hand the same set to the advertisers, who compare it with the kernel; start what could not start before."""
        self._members.forget()  # a plugin that could not answer may be able to at the next change
        if self.view is not None:
            self._start_plugins((self.view.selection.backend, *self.view.selection.advertisers), self.view)
            self._advertise(self.routes, self.view)

    def _cycle(self, *, look: bool) -> None:
        snapshot = self._snapshot
        config_maps_changed = snapshot.config_maps != self._config_maps
        self._config_maps = snapshot.config_maps
        said: dict[str, Sequence[Condition]] = {
            "objects": [Condition(problem.reason, problem.where, problem.message) for problem in snapshot.problems]
        }
        if snapshot.in_sync:  # a speaker that is missing in half a listing is not missing
            said["peers"] = peer_conditions(snapshot.peers, snapshot.nodes)
        self._conditions.say_of_cluster(said, self._teller(snapshot))
        if look or self._uplink is None or self._own_node_changed(snapshot):
            self._uplink = self._look_for_uplink(snapshot)
        if look or config_maps_changed:
            self._members.forget()
        view = node_view(
            self._settings.node_name,
            snapshot,
            self._uplink,
            self._settings.pool_rules,
            self._dispatcher.select_backend,
            self._dispatcher.names,
            self._members,
        )
        if view is None:
            self._lose_view(snapshot)
            return
        if view == self.view:
            if look or config_maps_changed:
                self._compare()
            return
        routes = self._desired_routes(view)
        backend = view.selection.backend
        if self._backend not in ("", backend):
            # The new backend's pools may lie where the old one's did; leases stay valid without a pool. A backend
            # that served before is started again, and adds the pools that it needs.
            self.settle(1.0)  # an advertiser at work with the old view might add one again
            self._drop_pools()
            self._started.pop(backend, None)
        self._backend = backend
        self._start_plugins((backend, *view.selection.advertisers), view)
        self.view, self.routes = view, routes
        self._conditions.say("routes", *routes.conditions)
        self._say_whether_ready()
        self._advertise(routes, view)
        self._dispatcher.cycle_done(routes, view)

    def _teller(self, snapshot: Snapshot) -> Callable[[Condition], bool]:
        """Which conditions are for this agent to make events of, and not for another one's."""
        own = self._settings.node_name
        nodes = {node.name for node in snapshot.nodes if not skipped(node)}
        has_control_plane = self._settings.cluster.source == "api"
        spokesmen = Spokesmen(snapshot.peers, nodes, CONTROL_PLANE if has_control_plane else min(nodes, default=own))
        return partial(spokesmen.tells, own)

    def _desired_routes(self, view: NodeView) -> RouteSet:
        """None on a node without advertisers, whose network knows by itself where pods are."""
        if not view.selection.advertisers:
            return RouteSet(in_sync=view.in_sync)
        settings = self._settings.routes
        return desired_routes(
            view,
            gateways=settings.gateway,
            edge_cidrs=settings.edge_cidrs,
            cross_domain_cidrs=settings.cross_domain_cidrs,
            memory=self._route_memory,
        )

    def _lose_view(self, snapshot: Snapshot) -> None:
        """Routes and pods stay as they are: an object that is missing for a moment must not cut anybody off."""
        self._why_no_view = why_no_view(self._settings.node_name, snapshot)
        self.view = None
        self._say_whether_ready()

    def _say_whether_ready(self) -> None:
        why_not = self.node().why_not
        self._conditions.say("ready", *([Condition("NotReady", self._settings.node_name, why_not)] if why_not else []))

    def _own_node_changed(self, snapshot: Snapshot) -> bool:
        """True if what the cluster says of this node is new: its InternalIP may choose another link."""
        own = next((node for node in snapshot.nodes if node.name == self._settings.node_name), None)
        return self.view is None or own != self.view.node

    def _look_for_uplink(self, snapshot: Snapshot) -> Uplink | None:
        """The last one stays in force while a new one cannot be had: a link that flaps comes back."""
        try:
            uplink = self._find_uplink(snapshot)
        except EdgeError as error:
            self._conditions.say("uplink", Condition("NoUplink", self._settings.node_name, str(error)))
            return self._uplink
        self._conditions.say("uplink")
        return uplink

    def keep_working(self, backends: Iterable[str]) -> None:
        """Backends that are no longer selected but still own leases stay in work until the last one is gone."""
        if self.view is not None:
            self._start_plugins(backends, self.view)

    def _start_plugins(self, names: Iterable[str], view: NodeView) -> None:
        for name in dict.fromkeys(names):
            if not self._dispatcher.has(name) or self._started.get(name) == "":
                continue
            try:
                self._dispatcher.start(name, view)
                self._started[name] = ""
            except Exception as error:  # noqa: BLE001 - one plugin must not keep the others from starting
                self._started[name] = f"plugin {name} cannot start: {explain(error)}"
                log.error("%s; trying again with the next cycle", self._started[name])

    def _advertise(self, routes: RouteSet, view: NodeView) -> None:
        """The set for the selected, an empty one for all others: what those announced, in an earlier life perhaps,
        must go."""
        wanted = view.selection.advertisers
        for name in self._dispatcher.advertisers:
            if name in wanted and self._started.get(name) != "":
                continue  # it could not start
            mailbox = self._mailboxes.get(name)
            if mailbox is None:
                mailbox = self._mailboxes[name] = Mailbox(f"advertiser-{name}", self._advertiser(name))
            mailbox.put((routes if name in wanted else RouteSet(in_sync=routes.in_sync), view))

    def _advertiser(self, name: str) -> Callable[[tuple[RouteSet, NodeView]], None]:
        def advertise(value: tuple[RouteSet, NodeView]) -> None:
            try:
                self._dispatcher.advertise(name, *value)
            except Exception as error:
                self._conditions.say(name, Condition("AdvertiseFailed", name, explain(error)))
                raise
            report = self._dispatcher.report(name)
            self._conditions.say(name, *(report.conditions if report else ()))

        return advertise

    def _why_not_loaded(self, view: NodeView) -> str:
        backend = view.selection.backend
        if self._dispatcher.has(backend):
            return ""
        return f"node {view.node.name} needs backend {backend!r}, which is not loaded: see 'terway-edge plugins'"
