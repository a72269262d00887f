"""What kubelets write about their nodes all the time costs decoding and nothing more: no cycle of routes begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pluggy
import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.conditions import Conditions
from terway_edge.agent.reconciler import Reconciler
from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.core.addresses import Address
from terway_edge.core.config import Settings
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.hookspecs import PROJECT, Hooks, hookimpl
from terway_edge.core.models import Condition, NodeView, RouteSet, Uplink
from terway_edge.core.ports import Snapshot
from terway_edge.lab.deployed import objects
from terway_edge.testing import RecordedEvents
from terway_edge.testing.apiserver import ApiServer, Server, listen, write_kubeconfig
from tests.cluster.api.rig import FAST, wait_until

NODES = 100
LABELS = {"alibabacloud.com/is-edge-worker": "true", "alibabacloud.com/nodepool-id": "np"}
UPLINK = Uplink(2, "up0", 1500, ((Address.parse("192.0.2.1"), 24),), why="a test")


def node(number: int) -> dict[str, Any]:
    cidr = f"10.64.{number}.0/24"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"n{number}", "labels": LABELS},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]},
    }


def heartbeat(second: int) -> dict[str, Any]:
    """As kubelets write it: every ten seconds if something is new, every five minutes in any case."""
    time = f"2026-01-01T08:00:{second:02}Z"
    kinds = {"MemoryPressure": "False", "DiskPressure": "False", "Ready": "True" if second % 2 else "False"}
    conditions = [
        {"type": kind, "status": status, "reason": "R", "message": "m", "lastHeartbeatTime": time}
        for kind, status in kinds.items()
    ]
    images = [{"names": [f"registry.example.com/app:{second}"], "sizeBytes": second}]
    return {"status": {"conditions": conditions, "images": images, "allocatable": {"memory": f"{second}Ki"}}}


class CountingConditions(Conditions):
    """Each cycle says what is wrong with the objects, be it nothing."""

    cycles = 0

    def say_of_cluster(self, said: Mapping[str, Sequence[Condition]], tells: Callable[[Condition], bool]) -> None:
        self.cycles += 1
        super().say_of_cluster(said, tells)


class Advertiser:
    def __init__(self) -> None:
        self.sets: list[int] = []

    @hookimpl
    def terway_edge_advertise(self, routes: RouteSet, view: NodeView) -> None:
        self.sets.append(len(routes.routes))


class World:
    """All is real but the kernel: API, source, reconciler."""

    def __init__(self, directory: Path, closing: ExitStack) -> None:
        self.api = ApiServer()
        server = closing.enter_context(Server(self.api, listen()))
        for value in (*objects(), *(node(number) for number in range(1, NODES + 1))):
            self.api.objects.put(value)
        write_kubeconfig(directory / "kubeconfig", server.url)
        self.cache = directory / "cluster" / "nodes.json"
        source = KubernetesApi("n1", directory, directory / "kubeconfig", "1", FAST)
        closing.callback(source.close)
        self.advertiser, self.conditions = Advertiser(), CountingConditions(RecordedEvents())
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(Hooks)
        manager.register(self.advertiser, name="flannel_route")
        dispatcher = Dispatcher(manager, lambda *failure: None)
        self.reconciler = Reconciler(
            Settings(node_name="n1"), dispatcher, lambda snapshot: UPLINK, lambda: None, self.conditions, BootClock()
        )
        self.snapshots: list[Snapshot] = []
        self.reconciler.run_once(source.load())
        closing.callback(self.reconciler.stop)
        self.reconciler.start()
        closing.callback(source.watch(self.hear).close)
        self.api.watches.wait(1, "nodes")

    def hear(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self.reconciler.set_snapshot(snapshot)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Snapshots, cycles, route sets."""
        return len(self.snapshots), self.conditions.cycles, len(self.advertiser.sets)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as closing:
        yield World(tmp_path, closing)


def test_heartbeats_of_all_nodes_start_no_cycle(world: World) -> None:
    wait_until(lambda: world.advertiser.sets == [NODES - 1] and world.cache.exists())
    before, written = world.counts, set()
    for second in range(1, 4):
        for number in range(1, NODES + 1):
            world.api.objects.patch("Node", f"n{number}", heartbeat(second), subresource="status")
            annotations = {"volumes.example.com/used": str(second)}
            world.api.objects.patch("Node", f"n{number}", {"metadata": {"annotations": annotations}})
            written.add(world.cache.stat().st_mtime_ns)
    assert len(written) == 1, "the cache on disk is written anew for nothing"
    # All of them were read once a later change is known, and that is the only one.
    world.api.objects.put(node(NODES + 1))
    wait_until(lambda: world.advertiser.sets[-1] == NODES)
    assert tuple(now - then for now, then in zip(world.counts, before, strict=True)) == (1, 1, 1)
    [watch] = world.api.watches.all("nodes")
    assert watch.sent == 2 * 3 * NODES + 1
