"""T27: the shim's file is replaced again and again while a runtime runs it; no call fails, no exec meets ETXTBSY."""

import os
import subprocess
import sys
import threading

import pytest

from tests.system.machine import REPOSITORY

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
TIMES = 1000 if FULL else 60
WORKERS = 3
REPLACE = """
import sys
from pathlib import Path
from terway_edge.cni import installer
bin_dir, times, install = Path(sys.argv[1]), int(sys.argv[2]), getattr(installer, sys.argv[3])
for _ in range(times):
    for path in (bin_dir / "terway-edge", bin_dir / "terway-edge-python" / "shim.py"):
        if path.exists():
            path.chmod(0o700)  # so that there is something to replace
    assert install(bin_dir).written
"""


class Load:
    """Pods that come and go in threads until it ends; `failures` holds what any call but a good one said."""

    def __init__(self, machine):
        self.cycles, self.failures = 0, []
        self._machine, self._ends = machine, threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while not self._ends.is_set():
            pod = self._machine.new_pod()
            for command in ("ADD", "DEL"):
                status, answer = self._machine.cni(command, pod)
                if status:
                    self.failures.append((command, status, answer))
            self._machine.forget_pod(pod)
            self.cycles += 1


@pytest.mark.timeout(60 + TIMES)
@pytest.mark.parametrize("install", ["install_shim", "install_twin"])
def test_t27_no_call_fails_while_its_binary_is_replaced(stopped, install):
    machine = stopped
    machine.settings["ipam"] = {"cooldown_seconds": 0}  # so that no ADD fails for want of addresses
    machine.start()
    bin_dir = machine.directory / "bin"
    before = (bin_dir / "terway-edge").stat().st_ctime_ns
    times = TIMES if install == "install_shim" else TIMES // 2
    with Load(machine) as load:
        replaced = subprocess.run(
            [sys.executable, "-c", REPLACE, str(bin_dir), str(times), install],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert replaced.returncode == 0, replaced.stderr
    assert (bin_dir / "terway-edge").stat().st_ctime_ns != before
    assert load.cycles >= WORKERS
    assert load.failures == []
    assert machine.ask("leases")["leases"] == []
