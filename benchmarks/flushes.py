"""How long a route that a stranger removes is away, with a real agent on the other side of the kernel."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.agent import node_of
from benchmarks.agents import running_agent, uplink
from benchmarks.report import Report
from benchmarks.sandboxes import own_namespace
from terway_edge.core.plans import HOST, MAIN, PROTO, Change, FibRoute, Plan, Step, Verb, Where
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.kernel import LinuxKernel

NODES = 300
WAIT = 60.0  # seconds until a repair that does not come is given up


class Arrivals:
    """Listens for a route to come back."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._wanted: FibRoute | None = None
        self.at = 0.0

    def expect(self, route: FibRoute) -> None:
        self._came.clear()
        self._wanted = route

    def __call__(self, event: KernelEvent) -> None:
        if event.what is Happening.ROUTE_ADDED and event.item == self._wanted:
            self.at = time.perf_counter()
            self._came.set()

    def wait(self) -> None:
        if not self._came.wait(WAIT):
            raise RuntimeError(f"{self._wanted} did not come back within {WAIT:.0f} s")


def measure_repairs(report: Report) -> list[float]:
    """Seconds from a stranger's removal of a route to its return, each route once. Needs one thread so far."""
    nodes = {f"node-{number}.json": json.dumps(node_of(number)) for number in range(1, NODES + 1)}
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as folder, own_namespace():
        uplink()
        with running_agent(Path(folder), nodes):
            report.progress(f"{NODES} nodes, their routes removed one by one")
            stranger = LinuxKernel()
            try:
                return _remove_each(stranger)
            finally:
                stranger.close()


def _remove_each(stranger: LinuxKernel) -> list[float]:
    arrivals, times = Arrivals(), []
    subscription = stranger.subscribe(arrivals)
    for route in stranger.dump(FibRoute, Where(table=MAIN, proto=PROTO)):
        if route.via is None:
            continue
        arrivals.expect(route)
        start = time.perf_counter()
        stranger.apply(Plan((Step(HOST, (Change(Verb.REMOVE, route),)),), atomic=False))
        arrivals.wait()
        times.append(arrivals.at - start)
    subscription.close()
    return times
