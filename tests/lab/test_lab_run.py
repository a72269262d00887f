"""The lab as a user runs it: real agents, real shim, the command line's own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terway_edge.lab.layout import Layout

pytestmark = [pytest.mark.root, pytest.mark.slow]

LAYOUT = Layout()
COMMAND = [sys.executable, "-m", "terway_edge.cli.main", "lab"]


@pytest.fixture(autouse=True)
def nothing_before_and_after() -> Iterator[None]:
    """A lab that somebody keeps is theirs: these tests do not run then."""
    if LAYOUT.root.exists() or LAYOUT.namespaces():
        pytest.fail(f"a lab is up below {LAYOUT.root}: remove it with './dev lab --down' first")
    yield
    subprocess.run([*COMMAND, "--down"], check=True, capture_output=True)


def run_lab(*options: str) -> dict[str, Any]:
    done = subprocess.run([*COMMAND, "--json", *options], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lab_processes() -> dict[int, str]:
    """Command lines that name the lab's root, by process id: agents and whatever else was started for it."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(LAYOUT.root) in line:
            found[int(entry)] = line
    return found


def assert_nothing_left() -> None:
    assert LAYOUT.namespaces() == []
    assert lab_processes() == {}
    assert not LAYOUT.root.exists()


def test_twice_in_a_row_nothing_is_lost_and_nothing_is_left() -> None:
    for _ in range(2):
        content = run_lab()
        assert content["ok"] is True
        assert (content["nodes"], content["pods"]) == (3, 9)
        assert content["pings"] == {"sent": 504, "lost": 0}
        assert content["service_calls"] == {"made": 36, "failed": 0}
        assert [step["name"] for step in content["steps"] if not step["ok"]] == []
        assert max(content["route_change_seconds"].values()) < 1
        assert content["seconds"] < 30
        assert_nothing_left()


def test_a_kept_lab_can_be_explored_and_removed() -> None:
    content = run_lab("--keep", "--pods", "1")
    assert content["ok"] is True
    assert len(lab_processes()) == 3
    node = LAYOUT.netns("node-1")
    ping = ["nsenter", f"--net=/run/netns/{node}", "ping", "-c1", "-W2", "10.64.3.1"]
    assert subprocess.run(ping, capture_output=True, check=False).returncode == 0
    down = subprocess.run([*COMMAND, "--down"], capture_output=True, text=True, check=False)
    assert down.returncode == 0
    assert "removed 3 processes, 7 namespaces" in down.stderr
    assert_nothing_left()


def test_a_second_lab_is_refused_and_disturbs_nobody() -> None:
    first = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with first:
        wait_for_agents()
        for options in ([], ["--down"]):
            second = subprocess.run([*COMMAND, "--json", *options], capture_output=True, text=True, check=False)
            assert second.returncode == 2
            assert f"another lab is running (process {first.pid})" in json.loads(second.stdout)["error"]
        assert first.wait(60) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_lab_stopped_in_the_middle_leaves_nothing(number: signal.Signals, status: int) -> None:
    lab = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with lab:
        wait_for_agents()
        lab.send_signal(number)
        assert lab.wait(30) == status
    wait_for(lambda: not LAYOUT.root.exists(), "the guardian does not finish")
    assert_nothing_left()


def test_a_fault_in_the_network_is_found_and_named() -> None:
    with start_lab("--json", "--pods", "1") as lab:
        wait_for_agents()
        # node-2 forwards nothing any more: its pod reaches nobody but its own node.
        subprocess.run(
            ["nsenter", f"--net=/run/netns/{LAYOUT.netns('node-2')}", "nft", "-f", "-"],
            input="table inet twt_fault { chain c { type filter hook forward priority 0; policy drop; }\n}\n",
            text=True,
            check=True,
        )
        stdout, stderr = lab.communicate(timeout=90)
    content = json.loads(stdout.splitlines()[-1])
    assert lab.returncode == 1
    assert content["ok"] is False
    # Both families, two requests each: four pairs of pods and two nodes to and from the pod behind node-2.
    assert content["pings"]["lost"] == 2 * 2 * 8
    failed = {step["name"]: step["problems"] for step in content["steps"] if not step["ok"]}
    assert set(failed) == {"pings: pods, nodes, both families", "services by DNAT"}
    assert "pod-1-1 -> pod-2-1 (10.64.2.1): 2 of 2 lost: no answer" in failed["pings: pods, nodes, both families"]
    assert "FAILED in pings" in stderr
    assert_nothing_left()


def test_an_agent_that_dies_is_named_and_its_log_is_shown() -> None:
    with start_lab("--json", "--pods", "1") as lab:
        wait_for(lambda: any("nodes/node-2/config.yaml" in line for line in lab_processes().values()), "no agent")
        victim = next(pid for pid, line in lab_processes().items() if "nodes/node-2/config.yaml" in line)
        os.kill(victim, signal.SIGKILL)
        stdout, _ = lab.communicate(timeout=60)
    assert lab.returncode == 1
    steps = json.loads(stdout.splitlines()[-1])["steps"]
    assert steps[2]["problems"] == [
        "the agent of node-2 ended with -9 before it was ready (look at /run/terway-edge-lab/nodes/node-2/agent.log)"
    ]
    assert_nothing_left()


def start_lab(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_agents() -> None:
    """Until every agent has published its network: pods are being plugged in now."""
    wait_for(lambda: len(list(LAYOUT.root.glob("nodes/*/net.d/*.conflist"))) == 3, "the agents do not come up")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
