"""T10: after a reboot no lease of the former boot is left, and no address is lost to the pool."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.machine import until
from tests.system.reboots import Reboots, leases, usage

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
CYCLES, PODS = (10, 110) if FULL else (2, 6)


def test_t10_a_reboot_frees_every_address(stopped):
    machine, node, pods = stopped, Reboots(stopped), []
    machine.start()
    fresh = usage(machine)
    assert fresh["used"] == 0
    with ThreadPoolExecutor(8) as runtime:
        for _ in range(CYCLES):
            pods = [machine.new_pod() for _ in range(PODS)]
            addresses = dict(runtime.map(machine.add, pods))
            assert len(set(addresses.values())) == PODS
            assert leases(machine) == addresses
            node.reboot(pods)
            assert (machine.directory / "state" / "leases.journal").read_bytes().count(b"\n") > PODS, "the disk stays"
            machine.start()
            assert leases(machine) == {}
            assert usage(machine) == fresh, "none is used, none rests, none is missing"
            assert machine.links() == []
    assert not list((machine.directory / "state").glob("*.damaged-*"))
    pod, address = machine.add()
    until(lambda: machine.pings(machine.peer, address), "a new pod answers")
    assert leases(machine) == {pod: address}
