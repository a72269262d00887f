"""hostPort through ADD, DEL, CHECK, audits and restarts, on the kernel's twin and the firewall in memory."""

import errno

import pytest

from terway_edge.agent.recovery import rebuild
from terway_edge.core.errors import Conflict, KernelError, Retry
from terway_edge.core.host_ports import forwards_of
from terway_edge.core.models import PortMapping
from terway_edge.core.ports import Forward
from tests.agent.rig import Caller, InThread

WEB = (PortMapping(8080, 80),)
DNS = (PortMapping(53, 53, "udp"), PortMapping(53, 53, "tcp"))


def expected(rig, *names):
    return {forward for name in names for forward in forwards_of(rig.lease(name), ())}


def test_ports_are_open_from_add_to_del(rig):
    rig.add("c1", ports=WEB)
    rig.add("c2", ports=DNS)
    assert rig.firewall.forwards() == expected(rig, "c1", "c2")
    assert len(rig.firewall.forwards()) == 6
    rig.delete("c1")
    assert rig.firewall.forwards() == expected(rig, "c2")
    rig.delete("c1")
    rig.delete("c2")
    assert rig.firewall.forwards() == frozenset()


def test_pods_without_ports_do_not_touch_the_firewall(rig):
    rig.add("c1")
    assert rig.check("c1") == []
    rig.delete("c1")
    assert rig.firewall.writes == 0


def test_a_port_that_another_pod_has_is_refused_and_nothing_is_left(rig):
    rig.add("c1", ports=WEB)
    free = [rig.ipam.usage(pool) for pool in rig.ipam.pools()]
    rig.create("c2")
    with pytest.raises(Conflict, match="hostPort 8080/tcp is open for pod default/c1, container c1") as refused:
        rig.add("c2", ports=(PortMapping(8081, 80), *WEB))
    assert refused.value.code == 104
    assert rig.nothing_of("c2")
    assert [rig.ipam.usage(pool) for pool in rig.ipam.pools()] == free, "no address was spent on it"
    rig.delete("c2")
    assert rig.firewall.forwards() == expected(rig, "c1")


def test_of_pods_that_want_a_port_at_once_exactly_one_gets_it(rig):
    names = [f"c{number}" for number in range(6)]
    errors = [call.join() for call in [InThread(lambda name=name: rig.add(name, ports=WEB)) for name in names]]
    assert sorted(type(error).__name__ for error in errors) == ["Conflict"] * 5 + ["NoneType"]
    (winner,) = [name for name in names if rig.lease(name)]
    assert rig.firewall.forwards() == expected(rig, winner)
    assert all(rig.nothing_of(name) for name in names if name != winner)


def test_without_nft_a_pod_with_a_host_port_is_refused_and_others_are_served(rig):
    rig.firewall.refuse_next(number=errno.ENOENT)
    with pytest.raises(KernelError, match="install nftables"):
        rig.add("c1", ports=WEB)
    assert rig.nothing_of("c1")
    rig.add("c2")
    assert rig.reaches("c2")


@pytest.mark.parametrize("caller", [Caller(leaves_at=2), Caller(takes=False)])
def test_an_add_that_nobody_waits_for_leaves_no_port(rig, caller):
    with pytest.raises(Retry, match="undone"):
        rig.add("c1", caller, ports=WEB)
    assert rig.firewall.forwards() == frozenset()
    rig.add("c2", ports=WEB)


def test_a_port_that_cannot_be_closed_keeps_the_lease_and_unplugs_the_pod(rig):
    rig.add("c1", ports=WEB)
    rig.firewall.refuse_next()
    with pytest.raises(KernelError):
        rig.delete("c1")
    assert rig.link("c1") is None
    assert rig.lease("c1") is not None
    rig.delete("c1")
    assert rig.nothing_of("c1")
    assert rig.firewall.forwards() == frozenset()


def test_check_tells_what_is_not_in_force_and_the_audit_puts_it_right(rig):
    rig.add("c1", ports=WEB)
    assert rig.check("c1") == []
    rig.firewall.set_forwards(())
    assert [found.what.rpartition(" to ")[0] for found in rig.check("c1")] == ["hostPort 8080/tcp"] * 2
    rig.repair.audit()
    assert rig.check("c1") == []
    assert rig.telemetry.repairs == {"audit": 2}
    rig.repair.audit()
    assert rig.telemetry.repairs == {"audit": 2}


def test_an_audit_that_cannot_mend_goes_on(rig):
    rig.add("c1", ports=WEB)
    rig.firewall.flush()
    rig.firewall.refuse_next()
    rig.repair.audit()
    assert rig.firewall.forwards() == frozenset()
    rig.repair.audit()
    assert rig.firewall.forwards() == expected(rig, "c1")


def test_a_new_process_knows_whose_ports_are_open(rig):
    rig.add("c1", ports=WEB)
    rig.firewall.add_stranger(Forward("tcp", 9, None, rig.lease("c1").addresses[0], 9))
    writes = rig.firewall.writes
    later = rig.restarted()
    assert later.firewall.forwards() == expected(later, "c1")
    assert later.firewall.writes == writes + 1, "the dead pod's port is gone"
    with pytest.raises(Conflict):
        later.add("c2", ports=WEB)
    later.delete("c1")
    later.add("c2", ports=WEB)


def test_a_restart_without_changes_writes_nothing(rig):
    rig.add("c1", ports=WEB)
    writes = rig.firewall.writes
    assert rig.restarted().firewall.writes == writes


def test_an_add_cut_short_is_resumed_with_its_ports(rig):
    rig.add("c1", ports=WEB)
    rig.kernel.delete_netns("/run/netns/c1")
    rig.add("c1", ports=WEB)
    assert rig.firewall.forwards() == expected(rig, "c1")


def test_ports_of_a_lost_lease_are_read_off_the_firewall(rig):
    rig.add("c1", ports=(*WEB, PortMapping(53, 5353, "udp", rig.view.node.addresses[0])))
    lost = rebuild(rig.kernel, [], "flannel_route", rig.clock, rig.firewall.forwards())
    (found,) = lost.found
    assert set(found.sandbox.ports) == set(rig.lease("c1").sandbox.ports)


def test_an_add_that_asks_for_other_ports_than_the_one_cut_short_gets_what_it_asks_for(rig):
    """Some runtimes start a container again under its id; the DEL before may have been lost with its namespace."""
    rig.add("c1", ports=DNS)
    rig.kernel.delete_netns("/run/netns/c1")
    rig.add("c1", ports=WEB)
    assert rig.lease("c1").sandbox.ports == WEB
    assert rig.firewall.forwards() == expected(rig, "c1")
    assert {forward.port for forward in rig.firewall.forwards()} == {8080}
    assert rig.check("c1") == []
    rig.delete("c1")
    assert rig.firewall.forwards() == frozenset()
    assert rig.nothing_of("c1")
    rig.assert_pools_add_up()
