"""T36: an ENI that appears late, renamed by udev, or whose MAC another link has too: bound by its MAC, soon after it is
there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.eni.rig import names
from tests.eni_cloud.cloud_machine import CloudMachine
from tests.eni_cloud.rig import COOLDOWN, CloudRig

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
POLL = 11.0  # seconds between two lists at most while an ENI is attaching
SOON = 1.0


@pytest.mark.parametrize("seconds", [0, 7, 20, 60, 100])
def test_t36_an_eni_that_the_cloud_attaches_late(make: Callable[..., CloudRig], seconds: float) -> None:
    rig = make()
    if seconds:
        rig.faults({"kind": "stuck", "seconds": seconds, "action": "AttachNetworkInterface"})
    rig.want(*names(5))
    began = rig.clock.now()
    rig.run(200, until=lambda: rig.served == 5)
    assert seconds <= rig.clock.now() - began <= seconds + 5 + POLL
    assert (rig.count("CreateNetworkInterface"), rig.count("AttachNetworkInterface")) == (1, 1)
    rig.check_rest()


def test_t36_an_eni_that_never_comes_is_taken_away_and_another_one_made(make: Callable[..., CloudRig]) -> None:
    rig = make()
    rig.faults({"kind": "stuck", "action": "AttachNetworkInterface", "count": 1})
    rig.want(*names(5))
    rig.run(170)
    assert rig.served == 5
    stuck = next(each for each in rig.made() if each.status == "Attaching")
    with rig.others() as others:
        others.unstick(stuck.id)
    rig.release(*names(5))
    rig.run(COOLDOWN + 200)
    assert rig.made() == []
    rig.check_rest()


@pytest.mark.parametrize("times", [1, 3])
def test_t36_an_eni_that_falls_back_is_attached_again(make: Callable[..., CloudRig], times: int) -> None:
    rig = make()
    rig.faults({"kind": "fails", "action": "AttachNetworkInterface", "count": times})
    rig.want(*names(5))
    rig.run(200)
    assert rig.served == 5
    assert rig.count("CreateNetworkInterface") == 1
    assert rig.count("AttachNetworkInterface") == 1 + times
    rig.check_rest()


# --- the link on the node -----------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    made = CloudMachine(tmp_path)
    yield made
    made.close()


def plug_retrying(node: CloudMachine, pod: str) -> str:
    """As a runtime that is told to try again."""
    while True:
        status, result = node.cni("ADD", pod)
        if status == 0:
            assert result is not None
            return str(result["ips"][0]["address"]).split("/")[0]
        assert result is not None
        assert result["code"] == 11, result


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 20, 60] if FULL else [0.5])
def test_t36_a_link_that_appears_late(node: CloudMachine, seconds: float) -> None:
    node.wires.late = True
    node.start()
    assert node.wires.appeared.wait(20)
    pod = node.new_pod()
    for _ in range(int(seconds * 2)):
        status, result = node.cni("ADD", pod)
        assert (status, result["code"]) == (1, 11)
        time.sleep(0.5)
    assert "does not show its link yet" in f"{result}"
    assert node.links() == []
    node.wires.appear()
    began = time.monotonic()
    address = plug_retrying(node, pod)
    assert time.monotonic() - began <= SOON
    assert node.reaches(pod, address)
    node.delete(pod)


@pytest.mark.root
@pytest.mark.slow
def test_t36_a_link_that_is_renamed_and_another_one_with_its_mac(node: CloudMachine) -> None:
    """Renamed before the first pod, between pods, and while a pod is there; the double comes after the ENI, as what is
    on top of a link does."""
    node.start()
    (first, address), *_ = node.await_pods(1)
    link = node.eni_link(address)
    mac = next(each.mac for each in node.emulator.enis("i-1") if each.primary and node.wires.has(each.id))
    node.ip(f"link add double type veth peer name other address {mac}", f"link set double address {mac}")
    node.ip(f"link set {link} down", f"link set {link} name enp9s0", "link set enp9s0 up")
    node.ip("link set double up", "link set other up")
    second, other = node.add()
    assert node.reaches(first, address)
    assert node.reaches(second, other)
    table = node.enter("ip", "-o", "rule", "show", "from", other).stdout.split()[-3]
    assert "dev enp9s0" in node.enter("ip", "route", "show", "table", table).stdout
    node.kill()
    node.ip("link set enp9s0 down", "link set enp9s0 name ens5", "link set ens5 up")
    node.start()
    third, another = node.await_pods(1)[0]
    for pod, own in ((first, address), (second, other), (third, another)):
        assert node.reaches(pod, own)
