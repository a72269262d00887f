"""Anti-spoofing in the agent: a pod's sources are let in for as long as it has a lease and a link."""

import errno

import pytest

from terway_edge.core.anti_spoofing import sources_of
from terway_edge.core.errors import KernelError
from terway_edge.core.plans import Veth
from tests.agent.rig import Caller, Rig


def test_sources_are_let_in_from_add_to_del(rig):
    rig.add("c1")
    assert rig.firewall.sources() == set(sources_of(rig.lease("c1")))
    rig.delete("c1")
    assert rig.firewall.sources() == frozenset()


def test_they_are_let_in_before_the_link_is_there_and_shut_out_if_it_does_not_come(rig):
    seen = []

    def refuse(change):
        if isinstance(change.item, Veth):
            seen.append(rig.firewall.sources())
            return True
        return False

    rig.kernel.fail_next(refuse, errno=errno.ENOMEM)
    with pytest.raises(KernelError):
        rig.add("c1")
    assert [len(sources) for sources in seen] == [2]
    assert rig.firewall.sources() == frozenset()


@pytest.mark.parametrize("caller", [Caller(leaves_at=2), Caller(takes=False)])
def test_an_add_that_nobody_waits_for_leaves_nothing(rig, caller):
    with pytest.raises(Exception, match="undone"):
        rig.add("c1", caller=caller)
    assert rig.firewall.sources() == frozenset()


def test_without_nftables_no_pod_starts_and_nothing_is_left(rig):
    rig.firewall.refuse_sources(3, errno.ENOENT)
    with pytest.raises(KernelError, match="anti_spoofing"):
        rig.add("c1")
    assert rig.nothing_of("c1")


def test_a_del_frees_the_address_even_if_the_pod_cannot_be_shut_out(rig):
    rig.add("c1")
    rig.firewall.refuse_sources()
    rig.delete("c1")
    assert rig.nothing_of("c1")
    assert len(rig.firewall.sources()) == 2
    rig.repair.audit()
    assert rig.firewall.sources() == frozenset()


def test_check_tells_what_is_not_let_in_and_the_audit_puts_it_right(rig):
    rig.add("c1")
    rig.firewall.lose_source(sources_of(rig.lease("c1"))[0])
    assert len(rig.check("c1")) == 1
    rig.repair.audit()
    assert rig.check("c1") == []
    rig.firewall.flush()
    rig.firewall.refuse_sources()
    rig.repair.audit()
    assert rig.firewall.sources() is None
    rig.repair.audit()
    assert (rig.check("c1"), rig.telemetry.repairs) == ([], {"audit": 2})


def test_a_new_process_lets_in_who_has_a_lease(rig):
    rig.add("c1")
    rig.firewall.flush()
    later = rig.restarted()
    assert later.firewall.sources() == set(sources_of(later.lease("c1")))


def test_it_can_be_switched_off():
    rig = Rig(cni={"anti_spoofing": False})
    rig.add("c1")
    assert (rig.firewall.sources(), rig.firewall.source_writes) == (None, 0)
