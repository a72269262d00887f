"""Only marked processes are killed, whatever their ids and names."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, kill_marked, marked_processes, recorded_token

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
PARENT = [sys.executable, "-c", f"import subprocess; subprocess.run({SLEEP!r})"]


def test_marked_processes_and_their_children_die_and_no_other(layout: Layout, processes: Processes) -> None:
    token = recorded_token(layout)
    log = layout.root / "log"
    parent = processes.start(PARENT, netns="", log=log)
    stranger = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while "up" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(marked_processes(token)) == 2
        assert kill_marked(token) == 2
        assert marked_processes(token) == []
        assert parent.wait(5) == -9
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_without_a_token_nobody_is_killed() -> None:
    assert kill_marked("") == 0


def test_a_started_process_survives_the_terminal(layout: Layout, processes: Processes) -> None:
    child = processes.start(SLEEP, netns="", log=layout.root / "log")
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        child.kill()
        child.wait()


def test_settings_of_the_caller_do_not_reach_the_lab(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERWAY_EDGE_LOG__LEVEL", "CNI_COMMAND", "K8S_POD_NAME", "NODE_NAME"):
        monkeypatch.setenv(name, "foreign")
    seen = Processes("token").run(["env"], environ={"CNI_IFNAME": "eth0"}).stdout.splitlines()
    assert "CNI_IFNAME=eth0" in seen
    assert "TWLAB_TOKEN=token" in seen
    assert not [line for line in seen if line.endswith("=foreign")]


def test_a_failing_command_is_told_with_its_words() -> None:
    with pytest.raises(LabError, match=r"in the host ended with 3: first; second"):
        Processes("token").must(["sh", "-c", "echo first >&2; echo second >&2; exit 3"])


def test_a_command_that_does_not_end_is_told() -> None:
    with pytest.raises(LabError, match="did not end within 0 s"):
        Processes("token").run(["sleep", "60"], timeout=0.05)
