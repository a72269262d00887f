"""An agent is killed after it released an address and before it had the kernel forget that address' connections."""

import pytest

from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]


def track(machine, address):
    """A connection as the dead pod left it: it would outlive the cool-down."""
    ends = ["-s", address, "-d", "192.0.2.99", "--sport", "7", "--dport", "7"]
    machine.enter("conntrack", "-I", "-p", "udp", *ends, "--timeout", "600")


def test_t40_the_next_agent_forgets_them_and_no_others(machine):
    (gone, released), (_, kept) = machine.add(), machine.add()
    machine.delete(gone)
    until(lambda: gone not in machine.links(), "the first agent is done with the pod")
    machine.kill()
    for address in (released, kept):
        track(machine, address)
    machine.start()
    until(lambda: not machine.connections(released), "connections of the dead pod are gone", 2.0)
    assert machine.connections(kept)
