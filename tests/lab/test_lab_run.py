"""The lab as a user runs it: real agents, real shim, the command line's own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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


def lab_processes() -> list[str]:
    """Command lines that name the lab's root: agents and whatever else was started for it."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(LAYOUT.root) in line:
            found.append(line)
    return found


def assert_nothing_left() -> None:
    assert LAYOUT.namespaces() == []
    assert lab_processes() == []
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
    deadline = time.monotonic() + 10
    while LAYOUT.root.exists():
        assert time.monotonic() < deadline, "the guardian does not finish"
        time.sleep(0.02)
    assert_nothing_left()


def wait_for_agents() -> None:
    """Until every agent has published its network: pods are being plugged in now."""
    deadline = time.monotonic() + 30
    while len(list(LAYOUT.root.glob("nodes/*/net.d/*.conflist"))) < 3:
        assert time.monotonic() < deadline, "the agents do not come up"
        time.sleep(0.01)
