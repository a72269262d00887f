"""Sources that follow a scripted API server with short pauses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue

from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.cluster.api.timing import Timing
from terway_edge.core.ports import Closable, Snapshot
from tests.cluster.api.scripted import DEADLINE, ScriptedApi

FAST = Timing(
    idle=5.0,
    list_gap=0.0,
    spread=0.02,
    short_lived=0.0,
    first_pause=0.01,
    longest_pause=0.05,
    absent=0.05,
    request=5.0,
    connect=2.0,
    poll=0.05,
    grace=0.05,
    gather=0.005,
    coalesce=0.002,
    cache=0.01,
    rewrite=0.01,
    flush=1.0,
    with_cache=1.0,
    without_cache=5.0,
)


class Listener:
    """Collects snapshots; `until` waits for one that satisfies a condition."""

    def __init__(self) -> None:
        self.queue: Queue[Snapshot] = Queue()
        self.last: Snapshot | None = None
        self.seen: list[Snapshot] = []

    def __call__(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)
        self.queue.put(snapshot)

    def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        if self.last is not None and condition(self.last):
            return self.last
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.last = self.queue.get(timeout=max(end - time.monotonic(), 0))
            except Empty:
                raise AssertionError(f"not seen within {DEADLINE} s; last was {self.last}") from None
            if condition(self.last):
                return self.last

    def until_nodes(self, *names: str) -> Snapshot:
        return self.until(lambda snapshot: tuple(node.name for node in snapshot.nodes) == names)


def wait_until(condition: Callable[[], bool]) -> None:
    """For what nobody tells of, such as a file."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not so within the deadline"
        time.sleep(0.005)


@dataclass
class Cluster:
    """A server, and agents of node n1 that come and go."""

    api: ScriptedApi
    state_dir: Path
    kubeconfig: Path
    timing: Timing = FAST
    closing: ExitStack = field(default_factory=ExitStack)

    def open(self, **timing: float) -> KubernetesApi:
        found = KubernetesApi("n1", self.state_dir, self.kubeconfig, "1.2.3", replace(self.timing, **timing))
        self.closing.callback(found.close)
        return found

    def listen(self, source: KubernetesApi) -> Listener:
        """To a source that was loaded, beginning with what it has now."""
        listener = Listener()
        watch: Closable = source.watch(listener)
        self.closing.callback(watch.close)
        return listener

    def followed(self, **timing: float) -> tuple[KubernetesApi, Listener]:
        """A source, and a listener that knows what was loaded."""
        source = self.open(**timing)
        first = source.load()
        listener = self.listen(source)
        listener.last = first
        return source, listener


def write_kubeconfig(path: Path, server: str, **user: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": "secret-token", **user}}],
    }
    path.write_text(json.dumps(config))
    return path
