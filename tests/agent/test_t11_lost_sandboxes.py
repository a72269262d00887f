"""What counts as a lost sandbox: two proofs, in two rounds, and some age."""

import pytest

from terway_edge.agent.gc import LostSandboxes, plugged_sandboxes
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import Link
from tests.agent.rig import GRACE, Rig

KEY = ("c1", "eth0")


def lease(granted_at=0.0, netns="/run/netns/c1"):
    return Lease(Sandbox(*KEY, netns), (), "b", (), granted_at)


def rounds(*times, plugged=(), exists=False, one=None):
    """The rounds at which the lease was confirmed lost."""
    lost = LostSandboxes(GRACE, exists=lambda path: exists)
    return [now for now in times if lost.confirmed([one or lease()], plugged, now)]


def test_it_takes_two_rounds_and_the_grace_period():
    assert rounds(1000, 1060, 1119, 1120) == [1120]
    assert rounds(1000) == []
    assert rounds(1000, 9999) == [9999]


def test_without_a_grace_period_it_still_takes_two_rounds():
    lost = LostSandboxes(0, exists=lambda path: False)
    assert [lost.confirmed([lease()], (), now) for now in (1000, 1001)] == [[], [lease()]]


@pytest.mark.parametrize(("plugged", "exists"), [((KEY,), False), ((), True), ((KEY,), True)])
def test_one_proof_is_not_enough(plugged, exists):
    assert rounds(1000, 2000, 3000, plugged=plugged, exists=exists) == []


def test_a_young_lease_is_left_alone_whatever_is_missing():
    assert rounds(1000, 1060, 1120, 1180, 1221, one=lease(granted_at=1100)) == [1221]


def test_a_sandbox_that_comes_back_starts_anew():
    lost = LostSandboxes(GRACE, exists=lambda path: False)
    assert lost.confirmed([lease()], (), 1000) == []
    assert lost.confirmed([lease()], (KEY,), 1100) == []
    assert lost.confirmed([lease()], (), 1200) == []
    assert lost.confirmed([lease()], (), 1300) == []
    assert lost.confirmed([lease()], (), 1320) == [lease()]


def test_only_links_proven_ours_count_as_plugged():
    def link(name, alias):
        return Link(5, name, b"", 1500, True, True, "veth", alias, 0)

    ours = link(link_name(KEY), link_alias(KEY))
    strangers = [link(link_name(KEY), ""), link("tw0123456789abc", "c9 eth0"), link("eth0", link_alias(KEY))]
    assert plugged_sandboxes([*strangers, ours]) == {KEY: ours}


def test_a_sandbox_without_del_is_freed_and_live_ones_never():
    rig = Rig()
    for name in ("dead", "alive", "half"):
        rig.add(name)
    rig.kernel.delete_netns("/run/netns/dead")
    rig.kernel.delete_link(rig.link("half").name)  # its namespace is still there
    for _ in range(20):
        rig.collect_lost()
        rig.clock.advance(60)
    assert {lease.key[0] for lease in rig.ipam.leases()} == {"alive", "half"}
    assert rig.reaches("alive")
    rig.assert_pools_add_up()


def test_a_link_left_by_a_killed_agent_is_unplugged():
    rig = Rig()
    rig.add("c1")
    rig.ipam.release(rig.lease("c1"))  # a DEL killed after its record and before its link was gone
    later = rig.restarted()
    later.collect_lost()
    assert later.link("c1") is None
