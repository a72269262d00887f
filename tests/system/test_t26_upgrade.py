"""T26: upgrade and downgrade while pods come and go; the store is readable both ways, or refused clearly.

`TERWAY_EDGE_FULL=1` changes the version 20 times, at 5 pods/s.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.system.machine import REPOSITORY, until
from tests.system.versions import MAJOR, MINOR, version

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
CHANGES, BETWEEN = (20, 5.0) if FULL else (2, 0.5)  # seconds of service between two changes
RATE = 5 if FULL else 10  # pods per second
STAYS = 4  # of so many pods one
TRY_AGAIN = 11


class Churn:
    """Pods that come at a rate, and go again but for some. `stay`: their addresses by name."""

    def __init__(self, machine):
        self.machine, self.stay, self.tries = machine, {}, []
        self._over = threading.Event()

    def live(self, number):
        """As a runtime has it: ADD is tried again when told so, after a DEL; DEL never fails."""
        pod, tries = self.machine.new_pod(), 1
        while (answer := self.machine.cni("ADD", pod))[0]:
            assert answer[1]["code"] == TRY_AGAIN, answer
            assert tries < 10, answer
            self.machine.delete(pod)
            tries += 1
        self.tries.append(tries)
        address = answer[1]["ips"][0]["address"].split("/")[0]
        until(lambda: self.machine.pings(self.machine.peer, address), f"{address} answers", 3.0)
        if number % STAYS == 0:
            self.stay[pod] = address
        else:
            self.machine.delete(pod)
            self.machine.forget_pod(pod)

    def pace(self):
        with ThreadPoolExecutor(16) as runtime:
            lives = []
            while not self._over.wait(1 / RATE):
                lives.append(runtime.submit(self.live, len(lives)))
        for life in lives:
            life.result()
        return len(lives)

    def wait(self, pods):
        """Until so many more have come."""
        wanted = len(self.tries) + pods
        until(lambda: len(self.tries) >= wanted, "pods come and go", 30.0)

    @contextmanager
    def going_on(self):
        with ThreadPoolExecutor(1) as side:
            pacing = side.submit(self.pace)
            try:
                yield
            finally:
                self._over.set()
            came = pacing.result()
        assert len(self.tries) == came > 0


def change(machine, sources):
    assert machine.terminate() == 0
    machine.sources = sources
    machine.start()


def assert_holds(machine, stay):
    """Leases and links are those of the pods that stay, all of which are reached."""
    leases = machine.ask("leases")["leases"]
    assert {lease["container"]: lease["addresses"] for lease in leases} == {pod: [stay[pod]] for pod in stay}
    until(lambda: len(machine.links()) == len(stay), "the links of the others are gone")
    assert all(machine.pings(machine.peer, address) for address in stay.values())
    assert not list((machine.directory / "state" / "spool").glob("*.del"))


def journal(machine):
    return machine.directory / "state" / "leases.journal"


def test_t26_versions_of_the_same_format_take_turns_while_pods_come_and_go(machine, tmp_path):
    other = version(tmp_path / "minor", MINOR)
    churn = Churn(machine)
    with churn.going_on():
        for turn in range(CHANGES):
            churn.wait(BETWEEN * RATE)
            change(machine, REPOSITORY if turn % 2 else other)
    assert_holds(machine, churn.stay)
    assert not list(journal(machine).parent.glob("*.damaged-*"))
    change(machine, other)
    machine.add()
    assert b'"zone":"z"' in journal(machine).read_bytes(), "the other version was not what ran"


def test_t26_a_later_format_is_refused_by_the_version_before_and_costs_nothing(machine, tmp_path):
    held = dict(machine.add() for _ in range(3))
    change(machine, version(tmp_path / "major", MAJOR))
    assert_holds(machine, held)
    pod, address = machine.add()
    held[pod] = address
    machine.delete(gone := next(iter(held)))
    del held[gone]
    assert machine.terminate() == 0
    written = journal(machine).read_bytes()
    assert b'"format":2' in written.splitlines()[0]

    back, machine.sources = machine.sources, REPOSITORY
    machine.start(wait=False)
    until(lambda: not machine.runs(), "the version before ends")
    assert machine.terminate() == 1
    assert f"{journal(machine)} has format 2, and this version reads 1 only" in machine.tail()
    assert "start the version that wrote it" in machine.tail()
    assert "Traceback" not in machine.tail()
    status, error = machine.cni("ADD", machine.new_pod(), TERWAY_EDGE_BUDGET_MS="500")
    assert (status, error["code"]) == (1, TRY_AGAIN), "no pod is served from nothing"
    assert all(machine.pings(machine.peer, each) for each in held.values())
    assert journal(machine).read_bytes() == written

    machine.sources = back
    machine.start()
    assert_holds(machine, held)

    assert machine.terminate() == 0  # and the way back all the same
    journal(machine).rename(tmp_path / "away")
    machine.sources = REPOSITORY
    machine.start()
    assert_holds(machine, held)
