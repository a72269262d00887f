"""T63: how soon a node is ready, and what must not make it unready: restarts of the agent, a pool without addresses."""

import json
import os
import threading
import time

import pytest

from tests.system.libcni import Runtime
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
RESTARTS = 100 if FULL else 4


@pytest.fixture
def speaks_status(stopped):
    """A runtime that asks for STATUS, which is more than the Debian one does."""
    return Runtime(stopped)


class Kubelet:
    """Asks all the time, in a thread; `answers` are all there were."""

    def __init__(self, runtime):
        self.answers, self._runtime, self._ends = [], runtime, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()

    def _ask(self):
        while not self._ends.is_set():
            self.answers.append(self._runtime.ready())


def test_t63_a_fresh_node_is_ready_within_15_seconds(stopped, speaks_status):
    assert not speaks_status.ready()
    began = time.monotonic()
    stopped.start(wait=False)
    until(speaks_status.ready, "the node is ready", began + 15.0 - time.monotonic())
    assert speaks_status.run().network.version == "1.1.0", "it was asked for STATUS"


@pytest.mark.timeout(60 + 6 * RESTARTS)
def test_t63_restarts_never_make_it_unready(machine, speaks_status):
    assert speaks_status.ready()
    conf = machine.directory / "net.d" / "10-terway-edge.conflist"
    before = conf.stat()
    with Kubelet(speaks_status) as kubelet:
        for restart in range(RESTARTS):
            if restart % 2:
                machine.kill()
            else:
                assert machine.terminate() == 0
            machine.start()
    assert len(kubelet.answers) > 5 * RESTARTS
    assert set(kubelet.answers) == {True}
    after = conf.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "no runtime has reason to reload"


def test_t63_a_node_without_addresses_stays_ready(stopped, speaks_status):
    machine = stopped
    machine.settings["ipam"] = {"pods_per_node": 2}
    machine.start()
    for _ in range(2):
        machine.add()
    status, error = machine.cni("ADD", machine.new_pod())
    assert (status, error["code"]) == (1, 11)
    assert speaks_status.ready()
    assert machine.ask("status")["ready"]
    said = json.loads(next(machine.manifests.glob("status/Node-*.NetworkUnavailable.json")).read_text())
    assert said["status"] == "False"
