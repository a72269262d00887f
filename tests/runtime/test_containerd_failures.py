"""containerd and the agent die, separately and at bad moments; what is left must be what the runtime knows of."""

import signal

import pytest

from tests.runtime.between import Between
from tests.runtime.cri import CriError
from tests.runtime.node import assert_holds_only, leases
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

PORT = {"protocol": "TCP", "container_port": 80, "host_port": 8080}
LIMITS = {"kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "10M"}


def test_pods_keep_their_network_while_containerd_is_dead(machine, runtime):
    one, two = runtime.run(ports=[PORT]), runtime.run()
    runtime.kill()
    assert runtime.pings(one, two.address)
    assert machine.pings(machine.peer, two.address)
    runtime.start()
    assert runtime.sandboxes("READY") == {one.id, two.id}
    assert runtime.pod(one.id) == one, "it remembers the address, too"
    runtime.end(one.id)
    assert_holds_only(machine, two)
    assert runtime.pings(two, "192.0.2.20")
    again = runtime.run(ports=[PORT])
    assert runtime.pings(again, two.address)


def test_without_an_agent_a_sandbox_fails_in_clear_words_and_comes_about_when_it_is_back(machine, runtime):
    old = runtime.run()
    machine.kill()
    with pytest.raises(CriError, match=r"no terway-edge agent listens on .*/cni.sock"):
        runtime.run()
    assert runtime.pings(old, "192.0.2.20")
    assert runtime.sandboxes("READY") == {old.id}
    runtime.end(old.id)
    machine.start()
    assert_holds_only(machine)
    new = runtime.run()
    assert runtime.pings(new, "192.0.2.20")
    assert_holds_only(machine, new)


@pytest.mark.parametrize("seconds", [0, 0.0005, 0.0015, None])
def test_an_agent_killed_during_an_add_leaves_nothing_once_it_is_back(machine, runtime, seconds):
    between = Between(machine, machine.kill, seconds)
    with pytest.raises(CriError, match="broke off before its whole answer to ADD"):
        runtime.run(ports=[PORT], annotations=LIMITS)
    between.join()
    assert between.command == "ADD"
    machine.start()
    assert_holds_only(machine)
    assert "8080" not in machine.enter("nft", "list", "ruleset").stdout
    pod = runtime.run(ports=[PORT], annotations=LIMITS)
    assert runtime.pings(pod, "192.0.2.20")
    assert_holds_only(machine, pod)


def test_an_agent_killed_during_a_del_loses_neither_the_del_nor_the_pods(machine, runtime):
    gone, stays = runtime.run(ports=[PORT]), runtime.run()
    between = Between(machine, machine.kill, None)
    runtime.end(gone.id)
    between.join()
    assert between.command == "DEL"
    machine.start()
    assert_holds_only(machine, stays)
    assert machine.pings(machine.peer, stays.address)


def test_a_call_that_the_kubelet_breaks_off_leaves_nothing_when_a_hung_agent_goes_on(machine, runtime):
    machine.signal(signal.SIGSTOP)
    with pytest.raises(CriError, match="Deadline Exceeded"):
        runtime.run(ports=[PORT], timeout=0.5)
    killed = "(add): netplugin failed with no error message: signal: killed"
    until(lambda: runtime.said(killed), "containerd has given up, its DEL too")
    machine.signal(signal.SIGCONT)
    runtime.clear()
    assert_holds_only(machine)
    assert "not begun: the sandbox was deleted, or its caller went away" in machine.log.read_text()
    pod = runtime.run(ports=[PORT])
    assert runtime.pings(pod, "192.0.2.20")


def test_containerd_killed_during_an_add_frees_the_sandbox_when_it_is_told_to_stop_it(machine, runtime):
    between = Between(machine, runtime.kill, None)
    with pytest.raises(CriError):
        runtime.run(ports=[PORT])
    between.join()
    assert between.command == "ADD"
    runtime.start()
    [half] = runtime.sandboxes("NOTREADY")
    assert set(leases(machine)) == {half}, "the agent plugged it in, so it is held until a DEL"
    runtime.end(half)
    assert_holds_only(machine)
    new = runtime.run(ports=[PORT])
    assert_holds_only(machine, new)


@pytest.fixture
def collecting(machine):
    """The node with an agent that collects soon; others must not be helped by that."""
    machine.kill()
    machine.settings["gc"] = {"period_seconds": 1, "grace_seconds": 1}
    machine.start()
    yield machine
    machine.kill()
    del machine.settings["gc"]


def test_a_sandbox_lost_behind_the_runtimes_back_is_collected(collecting, runtime):
    machine = collecting
    lost, stays = runtime.run(), runtime.run()
    runtime.kill_pod(lost)
    runtime.lose_netns(lost)
    until(lambda: set(leases(machine)) == {stays.id}, "the lease is free", 15.0)
    assert_holds_only(machine, stays)
    assert runtime.pings(stays, "192.0.2.20")
    runtime.end(lost.id)
    assert runtime.sandboxes() == {stays.id}
    assert_holds_only(machine, stays)
