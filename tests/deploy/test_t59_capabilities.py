"""The capabilities of the manifests are enough for everything that agents do on nodes, and each is needed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.confined import ConfinedCloud, ConfinedEdge, Confining, shipped, shipped_uninstall
from tests.system.machine import CONF, Machine, until
from tests.system.switch import new_switch
from tests.system.test_host_ports import WITH_PORT, connects, in_netns

pytestmark = [pytest.mark.root, pytest.mark.slow]

ENTER = "cannot enter the network namespace: EPERM: Operation not permitted"
FORWARD = (
    "NotReady n1: plugin {} cannot start: Sysctl(path='ipv4/ip_forward', value='1', when=''): Operation not permitted"
)
LIST = "cannot list: EPERM"
MISSED = {
    ("edge", "NET_ADMIN"): (FORWARD.format("flannel_route"), LIST, "nft refused our table: "),
    ("cloud", "NET_ADMIN"): (FORWARD.format("terway"), LIST, "nft refused our table: "),
    ("edge", "SYS_ADMIN"): (ENTER,),
    ("cloud", "SYS_ADMIN"): (ENTER,),
}
"""What the agent says that it cannot do, by nodes and by the capability that it lacks."""
MACHINES: dict[str, Callable[[Path, list[str]], Confining]] = {"edge": ConfinedEdge, "cloud": ConfinedCloud}


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def confined(tmp_path: Path, closing: ExitStack) -> Callable[..., Any]:
    def make(nodes: str, missing: str = "") -> Confining:
        made = MACHINES[nodes](tmp_path, [right for right in shipped(nodes)[1] if right != missing])
        closing.callback(made.close)
        made.prepare()
        return made

    return make


def collected(machine: Machine, *kept: str) -> int:
    """The exit status of GC, of a runtime that has these pods."""
    valid = [{"containerID": pod, "ifname": "eth0"} for pod in kept]
    return machine.cni("GC", "", conf=json.dumps({**json.loads(CONF), "cni.dev/valid-attachments": valid}))[0]


def leases(machine: Machine) -> int:
    return len(machine.ask("leases")["leases"])


def test_t59_an_edge_node_does_everything(confined: Callable[..., Any], tmp_path: Path, closing: ExitStack) -> None:
    machine = confined("edge")
    switch = new_switch(machine, tmp_path / "switch", "capab1lities")
    closing.callback(switch.stop)
    machine.start()
    pod, address = machine.add()
    until(lambda: machine.pings(machine.peer, address), f"the switch has learned the way: {switch.paths(4)}")
    until(lambda: "10.64.2.0/24" in machine.routes(), "routes")
    machine.ip("route flush proto 158")
    until(lambda: "10.64.2.0/24" in machine.routes(), "routes come back")
    assert machine.cni("CHECK", pod)[0] == 0

    server = machine.new_pod()
    assert machine.cni("ADD", server, conf=WITH_PORT)[0] == 0
    with in_netns(server, lambda: socket.create_server(("0.0.0.0", 80))):
        until(lambda: connects(machine.peer), "the hostPort is open")
    machine.forget_pod(server)
    assert (collected(machine, pod), leases(machine)) == (0, 1)
    until(lambda: not connects(machine.peer), "GC closes the hostPort")
    machine.delete(pod)
    assert leases(machine) == 0
    assert machine.denials() == []
    assert machine.terminate() == 0

    machine.rights = shipped_uninstall()
    machine.cli("uninstall")
    assert machine.routes() == {}
    assert not (machine.directory / "bin" / "terway-edge").exists()


def test_t59_a_cloud_node_does_everything(confined: Callable[..., Any]) -> None:
    machine = confined("cloud")
    machine.start()
    (pod, address), (lost, other) = machine.await_pods(2)
    assert machine.reaches(pod, address)
    assert machine.reaches(lost, other)
    assert machine.cni("CHECK", pod)[0] == 0
    machine.forget_pod(lost)
    assert (collected(machine, pod), leases(machine)) == (0, 1)
    machine.delete(pod)
    assert leases(machine) == 0
    assert machine.denials() == []
    assert machine.terminate() == 0


@pytest.mark.parametrize(("nodes", "missing"), MISSED, ids=map("-".join, MISSED))
def test_t59_without_one_it_says_what_it_cannot_do(confined: Callable[..., Any], nodes: str, missing: str) -> None:
    machine = confined(nodes, missing)
    machine.start(wait=False)
    for told in MISSED[nodes, missing]:
        until(lambda told=told: told in machine.log.read_text(), f"it says: {told}")  # type: ignore[misc]
    assert missing == "NET_ADMIN" or machine.wait(10) == 1, "nothing at all can be done"


def test_t59_every_capability_is_tried_without() -> None:
    assert {(nodes, right) for nodes in MACHINES for right in shipped(nodes)[1]} == MISSED.keys()
    assert shipped("ens") == shipped("cloud") == shipped("edge") == ([], shipped_uninstall())
