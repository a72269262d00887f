"""T28: two agents at once, and files of theirs that are gone or left over: one serves, within 5 s."""

import contextlib
import os
import shutil
import subprocess
import time

import pytest

from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

RECOVERY = 5.0  # seconds


@contextlib.contextmanager
def second_agent(machine):
    """An agent with the same directories, beside the machine's."""
    with (machine.directory / "second.log").open("wb") as log:
        command = [*machine.entry, "--", *machine.command("agent")]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=machine.sources)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def second_serves(machine):
    return b": serving node" in (machine.directory / "second.log").read_bytes()


def leases(machine):
    return {lease["container"]: lease["addresses"][0] for lease in machine.ask("leases")["leases"]}


def test_t28_of_two_one_serves_and_the_other_takes_over_what_a_killed_one_leaves(stopped):
    """Its lock file and its socket among it."""
    machine = stopped
    machine.start()
    held = dict([machine.add()])
    with second_agent(machine) as second:
        until(lambda: second.poll() is None and _waits(machine, second), "the second one waits for the lock")
        assert not second_serves(machine)
        held |= dict([machine.add()])
        machine.kill()
        assert (machine.directory / "run" / "cni.sock").is_socket()
        assert (machine.directory / "run" / "agent.lock").exists()
        assert until(lambda: second_serves(machine), "the second one serves", RECOVERY) < RECOVERY
        assert leases(machine) == held
        held |= dict([machine.add()])
        for pod in held:
            assert machine.cni("CHECK", pod) == (0, None)
            machine.delete(pod)


def _waits(machine, second):
    """The lock's file is open, and it sleeps between two tries."""
    lock = machine.directory / "run" / "agent.lock"
    with contextlib.suppress(FileNotFoundError):
        opened = f"/proc/{second.pid}/fd"
        return any(os.readlink(f"{opened}/{each}") == str(lock) for each in os.listdir(opened))
    return False


def test_t28_a_run_directory_that_is_removed_is_made_anew(machine):
    gone, _ = machine.add()
    pod, address = machine.add()
    shutil.rmtree(machine.directory / "run")
    began = time.monotonic()
    machine.delete(gone)  # spooled, or taken already: a DEL never fails for that
    until(lambda: (machine.directory / "run" / "cni.sock").is_socket(), "the socket is there again", RECOVERY)
    held = {pod: address} | dict([machine.add()])
    assert time.monotonic() - began < RECOVERY
    until(lambda: leases(machine) == held, f"the DEL was not lost\n{machine.tail()}", RECOVERY)
    assert machine.cni("STATUS", pod) == (0, None)
    assert list((machine.directory / "state" / "spool").glob("*.del")) == []
    assert "it is there again" in machine.log.read_text()


@pytest.mark.full  # a second agent gives up after 5 s
@pytest.mark.parametrize("removed", ["nothing", "lock", "directory"])
def test_t28_a_second_one_is_refused_whatever_became_of_the_lock_file(machine, removed):
    if removed == "lock":
        (machine.directory / "run" / "agent.lock").unlink()
    elif removed == "directory":
        shutil.rmtree(machine.directory / "run")
    with second_agent(machine) as second:
        assert second.wait(20) == 1
    assert "another agent holds" in (machine.directory / "second.log").read_text()
    held = dict([machine.add()])
    assert leases(machine) == held
