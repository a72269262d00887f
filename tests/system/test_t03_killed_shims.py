"""T03: the shim is killed at every point of its own, and while the agent works for it: nothing is left behind."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from terway_edge.cni import installer
from tests.system.crashes import Crashes
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
SOURCE = Path(installer.__file__).with_name("shim.c")
POINTS = re.findall(r'reach\("([a-z.]+)"\)', SOURCE.read_text())
ALONE = [point for point in POINTS if point.startswith("spool.")]
"""Those of a shim that no agent answers."""
ROLL_BACK = 2.0  # seconds
SECONDS = (1, 2, 5, 10, 20, 40, 59) if FULL else (1,)
"""How long an agent has been at it when its shim is killed."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A shim with failpoints."""
    path = tmp_path_factory.mktemp("shim") / "terway-edge"
    flags = ["-std=c11", "-Os", "-static", "-Wall", "-Wextra", "-Werror", "-DFAILPOINTS"]
    subprocess.run(["musl-gcc", *flags, "-o", path, SOURCE], check=True)
    return path


@pytest.fixture
def crashes(tmp_path, built):
    made = Crashes(tmp_path)
    try:
        made.machine.settings["cni"]["install"] = False
        (tmp_path / "bin" / "terway-edge").symlink_to(built)
        made.machine.start()
        yield made
    finally:
        made.close()


def kill_shim_at(machine, point, command, pod):
    """What it printed before."""
    status, printed = machine.cni(command, pod, TERWAY_EDGE_SHIM_FAILPOINT=f"{point}:kill")
    assert status == -signal.SIGKILL, f"{point} was not reached: {status}, {printed}"
    return printed


def test_what_is_installed_has_no_failpoints(built):
    flags = ["-std=c11", "-Os", "-static"]
    ordinary = built.with_name("ordinary")
    subprocess.run(["musl-gcc", *flags, "-o", ordinary, SOURCE], check=True)
    assert b"TERWAY_EDGE_SHIM_FAILPOINT" in built.read_bytes()
    assert b"FAILPOINT" not in ordinary.read_bytes()


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_t03_a_shim_killed_anywhere_leaves_nothing(crashes, command):
    machine = crashes.machine
    kept = machine.new_pod()
    assert crashes.add(kept)
    for point in [point for point in POINTS if point not in ALONE]:
        pod = machine.new_pod()
        if command == "DEL":
            assert crashes.add(pod)
        if point == "send.after":
            # The agent must not have answered before the death of the shim is over.
            crashes.points.write("request.read.after pause")
        printed = kill_shim_at(machine, point, command, pod)
        crashes.points.write()
        began = time.monotonic()
        if command == "DEL":
            left = 2 if point in UNSENT else 1
            until(lambda left=left: len(crashes.leases()) == left, "the DEL is carried out", ROLL_BACK)
        elif point.startswith("reply."):
            # The answer has left the agent: nobody can know that the runtime did not get it. It will DEL.
            assert pod in crashes.leases()
            assert (printed is None) == (point == "reply.before")
        else:
            until(lambda: len(crashes.leases()) == 1, "the ADD is rolled back", ROLL_BACK)
        assert time.monotonic() - began < ROLL_BACK
        crashes.delete(pod)
        crashes.assert_whole()


UNSENT = ("stdin.after", "connect.after")
"""Before the agent has heard of anything."""


def test_t03_an_add_whose_shim_dies_meanwhile_is_rolled_back_at_every_step(crashes):
    """The agent waits at each of its points until the shim is dead."""
    machine = crashes.machine
    kept = machine.new_pod()
    assert crashes.add(kept)
    steps = crashes.steps()
    assert len(steps) > 15
    for name, nth in steps if FULL else steps[:: len(steps) // 8]:
        with crashes.paused_add(machine.new_pod(), name, nth) as add:
            add.shim.kill()
            add.shim.wait()
        began = time.monotonic()
        until(lambda: crashes.leases() == crashes.books, f"the ADD is rolled back after {name} {nth}", ROLL_BACK)
        crashes.assert_whole()
        assert time.monotonic() - began < ROLL_BACK


@pytest.mark.parametrize("seconds", SECONDS)
def test_t03_a_shim_that_dies_late_is_noticed_as_well(crashes, seconds):
    crashes.points.write("store.append.after pause")
    with crashes.machine.begin("ADD", crashes.machine.new_pod()) as shim:
        crashes.points.wait_for(("store.append.after", 1))
        with pytest.raises(subprocess.TimeoutExpired):
            shim.wait(seconds - 0.5)
        shim.kill()
    crashes.points.write()
    until(lambda: crashes.leases() == {}, "the ADD is rolled back", ROLL_BACK)
    crashes.assert_whole()


@pytest.mark.parametrize("point", ALONE if FULL else ["spool.created", "spool.renamed"])
def test_t03_a_del_that_was_not_acknowledged_is_asked_for_again(crashes, point):
    """The agent is away and the shim dies while it spools: the runtime repeats the DEL, whatever is in the spool."""
    machine = crashes.machine
    pod, kept = machine.new_pod(), machine.new_pod()
    assert crashes.add(pod)
    assert crashes.add(kept)
    machine.kill()
    kill_shim_at(machine, point, "DEL", pod)
    spool = machine.directory / "state" / "spool"
    assert bool(list(spool.glob("*.del"))) == (point in ("spool.renamed", "spool.after")), "whole, or not there"
    crashes.delete(pod)
    crashes.restart()
    crashes.assert_whole()
    assert [path.name for path in spool.iterdir()] == [".lock"]


def test_t03_a_del_in_the_spool_is_carried_out_even_if_nobody_asks_again(crashes):
    machine = crashes.machine
    pod = machine.new_pod()
    assert crashes.add(pod)
    machine.kill()
    kill_shim_at(machine, "spool.renamed", "DEL", pod)
    del crashes.books[pod]
    crashes.restart()
    crashes.assert_whole()


def test_t03_a_shim_that_hangs_as_it_spools_keeps_no_agent_away(crashes):
    machine = crashes.machine
    pod, kept = machine.new_pod(), machine.new_pod()
    assert crashes.add(pod)
    assert crashes.add(kept)
    machine.kill()
    with machine.begin("DEL", pod, TERWAY_EDGE_SHIM_FAILPOINT="spool.created:stop") as shim:
        until(lambda: Path(f"/proc/{shim.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it hangs")
        machine.start()
        assert crashes.add(machine.new_pod())
        shim.send_signal(signal.SIGCONT)
        assert shim.wait(10) == 0, "the runtime is told of success"
    del crashes.books[pod]
    until(lambda: crashes.leases() == crashes.books, "the DEL is carried out, without a restart")
    crashes.assert_whole()
