"""T09: while no agent is there, DELs succeed and are carried out before the next one serves; an ADD says: try again.

What the shim does about it is in tests/cni/test_t09_shim_spool.py, what becomes of the spool in
tests/agent/test_t09_spool.py.
"""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.failpoints import FailpointFile
from tests.system.machine import until
from tests.system.reboots import Reboots, leases, usage

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS = 250 if FULL else 12
BUDGET = {} if FULL else {"TERWAY_EDGE_BUDGET_MS": "1500"}  # for ADD
HALF = PODS // 2


def timed(work, *arguments, **more):
    began = time.monotonic()
    return work(*arguments, **more), time.monotonic() - began


def listens(machine):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(machine.directory / "run" / "cni.sock")) == 0


@pytest.mark.parametrize("reboots", [True, pytest.param(False, marks=pytest.mark.full)])
def test_t09_dels_outlive_everything_and_come_first(stopped, tmp_path, reboots):
    machine, node, points = stopped, Reboots(stopped), FailpointFile(tmp_path)
    machine.environ = points.environ
    spool = machine.directory / "state" / "spool"
    machine.start()
    pods = [machine.new_pod() for _ in range(PODS)]
    with ThreadPoolExecutor(4) as runtime:
        list(runtime.map(machine.add, pods))
        machine.kill()
        extra = machine.new_pod()
        adding = runtime.submit(timed, machine.cni, "ADD", extra, **BUDGET)
        answers = list(runtime.map(lambda pod: timed(machine.cni, "DEL", pod), pods))
        assert {status for (status, _), _ in answers} == {0}
        assert max(seconds for _, seconds in answers) <= 1.0
        (status, error), seconds = adding.result()
    assert (status, error["code"]) == (1, 11)
    assert seconds <= 10.0
    assert len(list(spool.glob("*.del"))) == PODS

    points.write("spool.remove.before kill 3")
    machine.start(wait=False)
    assert machine.wait(10) == -signal.SIGKILL
    assert len(list(spool.glob("*.del"))) == PODS - 2, "what was not carried out for sure is still there"
    points.write()
    if reboots:
        node.reboot(pods)

    points.forget()
    points.write(f"spool.remove.before pause {HALF}")
    machine.start(wait=False)
    points.wait_for(("spool.remove.before", HALF))
    assert not listens(machine), "nobody is served before all DELs are carried out"
    points.write()
    until(machine.serves, "it serves")
    assert leases(machine) == {}
    assert list(spool.glob("*.del")) == []
    assert usage(machine)["used"] == 0
    until(lambda: machine.links() == [], "all are unplugged")
    assert machine.add(extra)
