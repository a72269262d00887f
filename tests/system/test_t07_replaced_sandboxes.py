"""T07: a runtime makes the new sandbox of a pod before it deletes the old one.

By turns the new one has a namespace of its own, or one at the very path where the old one's was.
"""

import os
import time

import pytest

from tests.system.machine import until
from tests.system.reboots import leases, remake_namespace, usage

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(1800)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
TIMES = 1000 if FULL else 8
COOLDOWN = 5.0  # seconds; long enough to be seen, and short enough for the pool to last


class Pods:
    """What the runtime was told: by address, when it was given back and whose it was."""

    def __init__(self, machine):
        self._machine, self._released = machine, {}

    def call(self, command, container, netns, uid):
        pod = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID={uid}"
        status, answer = self._machine.cni(command, netns, container=container, CNI_ARGS=pod)
        assert status == 0, answer
        return answer

    def add(self, container, netns, uid):
        address = self.call("ADD", container, netns, uid)["ips"][0]["address"].split("/")[0]
        at, last = self._released.get(address, (-COOLDOWN, ""))
        assert last == uid or time.monotonic() - at >= COOLDOWN, f"{address} had not rested"
        return address

    def delete(self, container, netns, uid, address):
        self.call("DEL", container, netns, uid)
        self._released[address] = (time.monotonic(), uid)

    def resting(self):
        """How many addresses rest for a second more, at the least."""
        return sum(time.monotonic() - at < COOLDOWN - 1.0 for at, _ in self._released.values())


def test_t07_the_new_sandbox_keeps_all_it_has(stopped):
    machine = stopped
    machine.settings["ipam"] = {"cooldown_seconds": COOLDOWN}
    machine.start()
    pods, same, other = Pods(machine), machine.new_pod(), machine.new_pod()
    for number in range(TIMES):
        uid, old, new = f"uid-{number}", f"old-{number}", f"new-{number}"
        had = pods.add(old, same, uid)
        has_own = number % 2
        if not has_own:
            remake_namespace(same)
        netns = other if has_own else same
        has = pods.add(new, netns, uid)
        assert has != had, "the old one's is not free yet"
        pods.delete(old, same, uid, had)
        assert leases(machine) == {new: has}
        assert usage(machine)["cooling"] >= pods.resting() > 0
        assert f"inet {has}/32" in machine.enter("ip", "-o", "-4", "address", "show", "eth0", netns=netns).stdout
        assert machine.pings(machine.peer, has)
        assert pods.call("CHECK", new, netns, uid) is None
        pods.delete(new, netns, uid, has)
        until(lambda: machine.links() == [], "both are unplugged")


def test_t07_a_namespace_takes_the_next_container_at_once(stopped):
    machine = stopped
    machine.start()
    pods, netns = Pods(machine), machine.new_pod()
    for number in range(5):
        uid, container = f"uid-{number}", f"c-{number}"
        address = pods.add(container, netns, uid)
        assert machine.pings(machine.peer, address)
        pods.delete(container, netns, uid, address)
