"""T30: a disk that is full or read-only, errors of the disk, too few descriptors, no memory: no address is given
without a record that lasts, the agent works again within 5 s, and a log that cannot be written fails nobody."""

import errno
import os
import resource
import subprocess
from pathlib import Path

import pytest

from terway_edge.core.failpoints import NAMES
from tests.system.crashes import Crashes
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
RECOVERY = 5.0  # seconds
ERRORS = ("ENOSPC", "EROFS", "EIO", "EMFILE", "ENOMEM")
POINTS = [name for name in NAMES if not name.endswith(".after") and not name.startswith(("bgp.", "eni.", "cache."))]
"""Where a call can fail, on an edge node without peers and API."""


class Disk:
    """A small file system in the place of the state directory, in a mount namespace of the agent's own."""

    def __init__(self, machine, kilobytes):
        self._machine = machine
        state = machine.directory / "state"
        mount = f"mount -t tmpfs -o size={kilobytes}k,mode=0700 tmpfs {state} && echo mounted && exec sleep infinity"
        # Namespaces of pods that are made later must be seen in there too.
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", mount]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.path = Path(f"/proc/{self._holder.pid}/root{state}")
        self._filler = self.path / "filler"
        self._inside = f"--mount=/proc/{self._holder.pid}/ns/mnt"
        machine.entry = [*machine.entry, self._inside]
        assert self._holder.stdout.readline() == "mounted\n"

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def fill(self):
        """To the last byte."""
        with self._filler.open("ab", buffering=0) as file:
            size = 1 << 16
            while size:
                try:
                    file.write(b"x" * size)
                except OSError:
                    size //= 2

    def empty(self):
        self._filler.unlink()

    def remount(self, how):
        target = self._machine.directory / "state"
        subprocess.run(["nsenter", self._inside, "mount", "-o", f"remount,{how}", target], check=True)


@pytest.fixture
def crashes(tmp_path):
    made = Crashes(tmp_path)
    yield made
    made.close()


@pytest.fixture
def disk(crashes):
    made = Disk(crashes.machine, kilobytes=256)
    yield made
    crashes.machine.kill()
    made.close()


def refused(crashes, pod):
    """What an ADD that has to fail says; it has left nothing."""
    machine = crashes.machine
    status, error = machine.cni("ADD", pod)
    assert (status, error["code"]) == (1, 11), error
    assert crashes.leases() == crashes.books
    assert "eth0" not in machine.enter("ip", "-brief", "link", netns=pod).stdout
    return error["msg"]


def recovers(crashes, pod):
    assert until(lambda: crashes.add(pod), "an ADD succeeds again", RECOVERY) < RECOVERY
    crashes.assert_whole()


def test_t30_without_a_record_there_is_no_address_and_no_release(crashes):
    machine = crashes.machine
    machine.start()
    kept, new = machine.new_pod(), machine.new_pod()
    assert crashes.add(kept)
    for name in ERRORS:
        crashes.points.write(f"store.append.before {name} *")
        assert os.strerror(getattr(errno, name)) in refused(crashes, new)
        status, error = machine.cni("DEL", kept)
        assert (status, error["code"]) == (1, 11), "a release that is not on record is not acknowledged"
        assert crashes.leases() == crashes.books
        crashes.points.write()
        crashes.delete(kept)  # as runtimes repeat it
        recovers(crashes, new)
        kept, new = new, kept
    crashes.restart()
    crashes.assert_whole()


def test_t30_an_error_anywhere_is_over_when_it_is_over(crashes):
    """Each point fails for a while, whatever it is for: the agent lives, and afterwards all is as the books say."""
    machine = crashes.machine
    machine.start()
    assert crashes.add(machine.new_pod())
    for number, name in enumerate(POINTS if FULL else POINTS[::8]):
        for error in ERRORS if FULL else [ERRORS[number % len(ERRORS)]]:
            crashes.points.write(f"{name} {error} *")
            pod = machine.new_pod()
            status, answer = machine.cni("ADD", pod, TERWAY_EDGE_BUDGET_MS="2000")
            assert (status == 0) == ("code" not in (answer or {"code": 0})), f"{name} {error}: {answer}"
            machine.cni("DEL", pod, TERWAY_EDGE_BUDGET_MS="2000")
            crashes.points.write()
            assert machine.runs(), f"{name} {error}\n{machine.tail()}"
            crashes.delete(pod)
            recovers(crashes, pod)
            crashes.delete(pod)
            machine.forget_pod(pod)


def test_t30_a_full_disk_with_state_and_log(crashes, disk):
    machine = crashes.machine
    machine.log = disk.path / "agent.log"
    machine.start()
    assert crashes.add(machine.new_pod())
    disk.fill()
    room = machine.log.stat().st_size
    for _ in range(60):  # the last pages of both files have some room
        pod = machine.new_pod()
        if not crashes.add(pod):
            break
    assert "look at the disk's space" in refused(crashes, pod)
    assert machine.cni("STATUS", pod) == (0, None)
    assert machine.log.stat().st_size < room + 4096
    crashes.assert_whole()
    disk.empty()
    recovers(crashes, pod)
    crashes.restart()
    crashes.assert_whole()
    assert list(disk.path.glob("*.damaged-*")) == [], "half a record was taken back"
    assert machine.log.read_text().splitlines()[-1].endswith(f"serving node {machine.settings['node_name']}")


@pytest.mark.full
def test_t30_a_log_that_cannot_be_written_fails_no_add(crashes, disk):
    """The state is elsewhere."""
    machine = crashes.machine
    elsewhere = machine.directory / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    machine.settings["state_dir"] = str(elsewhere)
    machine.settings["log"] = {"level": "debug"}
    machine.log = disk.path / "agent.log"
    machine.start()
    disk.fill()
    for _ in range(5):
        pod = machine.new_pod()
        machine.cni("ADD", pod, conf="no JSON")  # which is told in the log
        assert crashes.add(pod)
    crashes.assert_whole()
    assert machine.terminate() == 0


@pytest.mark.full
def test_t30_a_read_only_disk_is_told_and_the_next_start_is_good(crashes, disk):
    machine = crashes.machine
    machine.start()
    assert crashes.add(machine.new_pod())
    machine.kill()
    disk.remount("ro")
    machine.start(wait=False)
    assert machine.wait(RECOVERY) == 1
    assert "Read-only file system" in machine.tail()
    assert "Traceback" not in machine.tail()
    assert [machine.pings(machine.peer, address) for address in crashes.books.values()] == [True]
    disk.remount("rw")
    machine.start()
    recovers(crashes, machine.new_pod())


def test_t30_without_descriptors_callers_wait_and_then_are_served(crashes):
    machine = crashes.machine
    machine.environ = {}  # failpoints need descriptors, too
    machine.start()
    assert crashes.add(machine.new_pod())
    before = resource.prlimit(machine.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(machine.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{machine.pid}/fd")), before[1]))
    pod = machine.new_pod()
    status, error = machine.cni("ADD", pod, TERWAY_EDGE_BUDGET_MS="500")
    assert (status, error["code"]) == (1, 11)
    assert machine.cni("STATUS", pod) == (0, None)
    resource.prlimit(machine.pid, resource.RLIMIT_NOFILE, before)
    until(lambda: crashes.leases() == crashes.books, "late work is undone", RECOVERY)
    recovers(crashes, pod)
