"""T64: SIGTERM while 20 ADDs are in flight: they end well or are undone, within 10 s, and no pod is half plugged in."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.failpoints import FailpointFile
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

ADDS = 20


@pytest.fixture
def points(stopped, tmp_path):
    """Where the agent's threads can be held."""
    made = FailpointFile(tmp_path)
    stopped.environ = made.environ
    return made


class Adds:
    """ADDs for pods, all at once."""

    def __init__(self, machine):
        self._machine = machine
        self.pods = [machine.new_pod() for _ in range(ADDS)]
        self._runtime = ThreadPoolExecutor(ADDS)
        self._calls = [
            self._runtime.submit(machine.cni, "ADD", pod, TERWAY_EDGE_BUDGET_MS="20000") for pod in self.pods
        ]

    def plugged(self):
        """{pod: its address} of those that succeeded, once all have ended; the others must have said to try again."""
        answers = [call.result() for call in self._calls]
        self._runtime.shutdown()
        assert {answer["code"] for status, answer in answers if status} <= {11}
        good = [(pod, answer) for pod, (status, answer) in zip(self.pods, answers, strict=True) if not status]
        return {pod: answer["ips"][0]["address"].split("/")[0] for pod, answer in good}

    def end(self, pods):
        """What a runtime does with those that failed."""
        for pod in pods:
            self._machine.delete(pod)


def leases(machine):
    return {lease["container"]: lease["addresses"][0] for lease in machine.ask("leases")["leases"]}


def assert_whole(machine, plugged, others):
    """These pods have all, in the kernel, and the others nothing."""
    assert len(machine.links()) == len(plugged)
    assert {prefix for prefix in machine.routes() if "/" not in prefix} == set(plugged.values())
    for pod, address in plugged.items():
        assert machine.pings(machine.peer, address), pod
    for pod in others:
        assert "eth0" not in machine.enter("ip", "-brief", "link", netns=pod).stdout


@pytest.mark.parametrize(
    ("point", "workers", "held"),
    [("request.read.after", ADDS, ADDS), ("netlink.send.before", ADDS, 1), ("reply.before", 8, 8)],
)
def test_t64_adds_in_flight_are_drained(stopped, points, point, workers, held):
    """Those that the agent had not taken yet wait for the next one."""
    machine = stopped
    machine.settings["cni"]["workers"] = workers
    machine.start()
    points.forget()
    points.write(f"{point} pause *")
    adds = Adds(machine)
    points.wait_for((point, held))
    machine.signal(signal.SIGTERM)
    until(lambda: not (machine.directory / "run" / "cni.sock").exists(), "the agent takes no more")
    points.write()
    assert machine.wait(10) == 0
    if held < ADDS:
        machine.start()
    plugged = adds.plugged()
    assert len(plugged) >= held
    others = set(adds.pods) - set(plugged)
    assert_whole(machine, plugged, others)
    if held == ADDS:
        machine.start()
    assert leases(machine) == plugged
    assert all(machine.cni("CHECK", pod)[0] == 0 for pod in plugged)
    adds.end(others)
    assert leases(machine) == plugged
    assert "ERROR" not in machine.log.read_text()


@pytest.mark.full
def test_t64_adds_that_hang_are_abandoned_and_undone(stopped, points):
    machine = stopped
    machine.settings["cni"]["workers"] = ADDS
    machine.start()
    points.write("netns.enter.after pause *")
    adds = Adds(machine)
    until(machine.links, "the first link is made, and not yet as it should be")
    machine.signal(signal.SIGTERM)
    assert machine.wait(12) == 0
    assert "requests: not at an end after 10 s" in machine.log.read_text()
    assert adds.plugged() == {}
    points.write()
    adds.end(adds.pods)
    machine.start()
    assert leases(machine) == {}
    until(lambda: machine.links() == [], "what was half plugged in is gone")
    assert_whole(machine, {}, adds.pods)


@pytest.mark.full
def test_t64_an_agent_that_hangs_while_it_starts_ends_before_it_is_killed(stopped, points):
    machine = stopped
    points.write("socket.listen.after pause *")
    machine.start(wait=False)
    points.wait_for(("socket.listen.after", 1))
    machine.signal(signal.SIGTERM)
    assert machine.wait(29) == 1
    assert "not at an end 26 s after the signal" in machine.log.read_text()
