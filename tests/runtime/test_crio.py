"""The CNI calls of CRI-O, which has what containerd lacks: STATUS before all, CHECK after each ADD, GC at its start."""

import pytest

from tests.runtime.crio import Crio
from tests.runtime.node import assert_holds_only, leases, rates
from tests.system.machine import POD_CIDR, node_manifest, until

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def crio(machine):
    """CRI-O on a node without pods, just started."""
    started = Crio(machine)
    started.start()
    assert_holds_only(machine)
    return started


@pytest.mark.parametrize("newest", ["1.0.0", "1.1.0"])
def test_a_sandbox_comes_and_goes(machine, newest):
    crio = Crio(machine, newest)
    crio.start()
    pod = crio.run(bits=10_000_000)
    assert crio.version == newest
    assert_holds_only(machine, pod)
    assert machine.pings(pod.netns, "192.0.2.20")
    assert rates(machine.enter("tc", "-j", "qdisc", netns=pod.netns).stdout) == {"eth0": 10_000_000}
    crio.stop(pod)
    assert_holds_only(machine)
    crio.stop(pod)


def test_a_del_after_the_namespace_is_gone_succeeds(machine, crio):
    pod, stays = crio.run(), crio.run()
    machine.forget_pod(pod.netns)
    crio.stop(pod)
    assert_holds_only(machine, stays)
    crio.stop(stays)


def test_a_start_without_pods_frees_all_that_a_reboot_left(machine, crio):
    before = [crio.run() for _ in range(3)]
    assert len(leases(machine)) == 3
    for pod in before:
        machine.forget_pod(pod.netns)
    Crio(machine).start()
    assert_holds_only(machine)


def test_a_restart_keeps_the_pods_that_it_knows(machine, crio):
    lost, known = crio.run(), crio.run()
    again = Crio(machine)
    again.pods = {known.id: known}
    again.start()
    assert_holds_only(machine, known)
    assert machine.pings(machine.peer, known.address)
    crio.run()
    crio.stop(lost)


def test_its_start_waits_until_the_agent_is_ready(machine, crio):
    machine.kill()
    (machine.directory / "run" / "heartbeat").unlink()
    assert not crio.ready()
    machine.start()
    assert crio.ready()
    machine.remove("n1")
    until(lambda: not crio.ready(), "the agent says that it does not know its node")
    machine.write("n1", node_manifest("n1", "192.0.2.10", POD_CIDR))
    until(crio.ready, "it is ready again")
    pod = crio.run()
    assert_holds_only(machine, pod)
