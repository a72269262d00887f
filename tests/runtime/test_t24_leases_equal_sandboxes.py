"""T24: runs of create, kill, force-delete, evict and restart of the runtime; then leases are what it knows of.

Collection does not help: its periods are longer than the tests. `TERWAY_EDGE_FULL=1` makes ten runs of each.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.runtime.cri import CriError
from tests.runtime.crio import Crio
from tests.runtime.node import assert_holds_only
from tests.runtime.podman import Podman
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
RUNS = 10 if FULL else 2
IMPATIENCE = [0.008, 0.012, 0.02, 0.04]  # seconds until a kubelet that is told to stop breaks off its call


def break_off(runtime, seconds):
    with suppress(CriError):
        runtime.run(timeout=seconds)


def test_t24_containerd(machine, runtime):
    for _ in range(RUNS):
        with ThreadPoolExecutor(4) as kubelet:
            killed, forced, evicted, *stay = kubelet.map(lambda _: runtime.run(), range(5))
            broken_off = [kubelet.submit(break_off, runtime, seconds) for seconds in IMPATIENCE]
            kubelet.submit(runtime.end, evicted.id).result()
            kubelet.submit(runtime.remove, forced.id).result()
            for each in broken_off:
                each.result()
        runtime.kill_pod(killed)
        runtime.kill()
        runtime.start()
        for sandbox in runtime.sandboxes("NOTREADY"):
            runtime.end(sandbox)
        until(lambda: not runtime.sandboxes("NOTREADY"), "what was broken off is gone")
        known = [runtime.pod(sandbox) for sandbox in runtime.sandboxes("READY")]
        assert {pod.id for pod in stay} <= {pod.id for pod in known}
        assert_holds_only(machine, *known)
        assert all(machine.pings(machine.peer, pod.address) for pod in known)
    runtime.clear()
    assert_holds_only(machine)


def test_t24_podman(machine, site, archive):
    _machine, world = site
    podman = Podman(world, machine, archive)
    for _ in range(RUNS if FULL else 1):
        stays, *_ = [podman.run(name) for name in ("stays", "killed", "forced", "evicted", "restarted")]
        podman("kill", "killed")
        podman("rm", "--force", "--time=0", "forced")
        podman("stop", "--time=5", "evicted")
        podman("rm", "evicted")
        podman("restart", "--time=5", "restarted")
        until(lambda: podman("ps", "--quiet").stdout.count("\n") == 2, "conmon has cleaned up")
        assert_holds_only(machine, stays, podman.inspect("restarted"))
        assert machine.pings(machine.peer, stays.address)
        podman.clear()
        assert_holds_only(machine)


def test_t24_crio(machine):
    crio = Crio(machine)
    crio.start()
    for _ in range(RUNS):
        killed, forced, evicted, lost, *stay = [crio.run() for _ in range(6)]
        for gone in (killed, lost):
            machine.forget_pod(gone.netns)
        for pod in (killed, forced, evicted, evicted):
            crio.stop(pod)
        crio.pods.pop(lost.id)  # its DEL failed once, so it is not tried again
        crio.collect()
        assert_holds_only(machine, *crio.pods.values())
        assert all(machine.pings(machine.peer, pod.address) for pod in stay)
    Crio(machine).start()
    assert_holds_only(machine)
