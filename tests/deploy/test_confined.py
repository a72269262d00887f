"""What the containers of deploy/ leave to agents: capabilities, a read-only root and /proc/sys, no shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.confined import ConfinedEdge, shipped
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[ConfinedEdge]:
    made = ConfinedEdge(tmp_path, shipped("edge")[1])
    yield made
    made.close()


def test_the_init_container_leaves_what_the_agent_asks_for(machine: ConfinedEdge) -> None:
    told = machine.prepare()
    assert (machine.mode("run"), machine.mode("state")) == (0o700, 0o700)
    assert (machine.directory / "bin" / "terway-edge").is_file()
    assert told.splitlines()[:2] == [f"made {machine.directory}/{name} private" for name in ("run", "state")]
    assert machine.prepare() == "", "all is right already"


def test_pods_of_both_families_live_and_end(machine: ConfinedEdge) -> None:
    machine.prepare()
    machine.start()
    one, address = machine.add()
    two, _ = machine.add()
    assert machine.pings(two, address)
    assert machine.pings(one, "192.0.2.20")
    assert machine.seen_source(one, "203.0.113.1") == "192.0.2.10", "masqueraded"
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert machine.enter("sysctl", "-n", name).stdout == "1\n"
    assert machine.enter("sysctl", "-n", "net.ipv6.conf.eth0.accept_ra", netns=one).stdout == "0\n"
    assert machine.connections(address)
    assert machine.cni("CHECK", one)[0] == 0
    machine.delete(one)
    until(lambda: len(machine.links()) == 1, "the link is unplugged")
    until(lambda: not machine.connections(address), "its connections are forgotten")
    assert machine.complaints() == []
    assert machine.terminate() == 0
