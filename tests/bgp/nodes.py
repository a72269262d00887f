"""The bgp advertiser of one node as the agent runs it, on a network in memory and with the test's own clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from terway_edge.backends.bgp.backend import Bgp
from terway_edge.backends.bgp.memory import FILE
from terway_edge.backends.bgp.peering import Surroundings
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.core.addresses import Address
from terway_edge.core.config import Settings
from terway_edge.core.models import NodeView, Report, StopReason
from terway_edge.core.routes import desired_routes
from terway_edge.core.secret import Secret
from terway_edge.testing import FakeKernel, RecordedEvents, RecordedStatuses
from terway_edge.testing.bgp_switch import FakeSwitch
from terway_edge.testing.harness import make_context
from tests.bgp.clusters import AUTH, REF, node, peer, view
from tests.bgp.scenes import Driven, Scene
from tests.bgp.sessions import SPEAKER

OURS = replace(SPEAKER, local_address=Address.parse("192.0.2.11"))
THREE = [node(1), node(2), node(3)]
PREFIXES = {str(prefix) for each in THREE for prefix in each.pod_cidrs}
VIEW = view(THREE, peer())
NO_PEER = view(THREE)
DESELECTED = view(THREE, peer(), advertisers=("flannel_route",))
PASSWORD = Secret(b"canary")
WITH_SECRET = view(THREE, peer(authPassword=AUTH), secrets={REF: PASSWORD})
SECRET_GONE = view(THREE, peer(authPassword=AUTH))


class WithoutThread(Speaker):
    """The scene drives it, and another thread may close it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = Lock()
        self._is_closed = False

    def start(self) -> None: ...

    def turn(self, timeout: float | None) -> bool:
        with self._lock:
            return not self._is_closed and super().turn(timeout)

    @property
    def deadline(self) -> float | None:
        return None if self._is_closed else super().deadline

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            super().close()


class BgpNode:
    """Lives of one node's plugin; what is on disk and what people see outlives them."""

    def __init__(self, world: Scene, state_dir: Path, **settings: Any) -> None:
        self.world = world
        self.state_dir = state_dir
        self.settings = Settings(node_name="n1", state_dir=state_dir, bgp=settings)
        self.events, self.statuses = RecordedEvents(), RecordedStatuses()
        self.speakers: list[Driven] = []
        self.plugin = self._make()

    def _make(self) -> Bgp:
        context = make_context(
            FakeKernel(), settings=self.settings, clock=self.world.clock, events=self.events, statuses=self.statuses
        )
        plugin = Bgp(context, self._make_speaker)
        plugin.uninstall_within = 0.2
        return plugin

    def _make_speaker(self, around: Surroundings, now: Callable[[], float], listen_port: int) -> Speaker:
        calm = replace(around, network=self.world.network, jitter=lambda pause: pause)
        made = WithoutThread(calm, now, listen_port)
        self.speakers.append(self.world.adopt(made))
        return made

    def advertise(self, seen: NodeView, *, in_sync: bool = True) -> None:
        seen = replace(seen, in_sync=in_sync)
        self.plugin.terway_edge_advertise(desired_routes(seen), seen)
        self.world.settle()

    def die(self) -> None:
        """SIGKILL, and a new process that has seen nothing yet."""
        for driven in self.speakers:
            self.world.end(driven)
        self.speakers.clear()
        self.plugin = self._make()

    def stop(self) -> None:
        """An upgrade's end."""
        self.plugin.terway_edge_stop(StopReason.UPGRADE)
        for driven in self.speakers:
            self.world.end(driven)
        self.speakers.clear()

    def query(self, *words: str) -> dict[str, Any]:
        return self.plugin.terway_edge_query(words)

    @property
    def report(self) -> Report:
        return self.plugin.terway_edge_report()

    @property
    def reasons(self) -> list[str]:
        return [condition.reason for condition in self.report.conditions]

    @property
    def status(self) -> dict[str, Any]:
        """Entries by name of their BGPPeer."""
        return {name: entry for (_, name, _), entry in self.statuses.entries.items()}

    @property
    def on_disk(self) -> dict[str, Any] | None:
        path = self.state_dir / FILE
        return json.loads(path.read_bytes()) if path.exists() else None


def known(switch: FakeSwitch) -> set[str]:
    return {str(prefix) for prefix in switch.paths}
