"""What is the pool's, what only looks like it, and what was lost and is found."""

from dataclasses import replace

import pytest

from terway_edge.core.cloud import EniKind, EniStatus
from terway_edge.eni import sweep
from terway_edge.eni.policy import Policy
from terway_edge.testing.fake_cloud import INSTANCE
from tests.eni.rig import Rig, names

OURS = {"creator": "terway-edge", "terway-edge-instance": INSTANCE.id}


def test_what_is_attached_already_is_adopted_with_all_its_addresses() -> None:
    rig = Rig(Policy(max_pool_size=30))
    rig.cloud.add_eni(7)
    rig.run(1)
    rig.want(*names(7))
    assert rig.served == 7
    assert rig.cloud.made("create_eni", "assign", "attach") == 0
    assert "EniAdopted" in rig.events.reasons()


def test_what_somebody_attaches_later_is_adopted_after_two_looks() -> None:
    rig = Rig(Policy(max_pool_size=30))
    rig.run(1)
    eni = rig.cloud.add_eni(7)
    rig.run(60)
    assert rig.idle() == 0
    rig.run(15)
    assert rig.idle() == 7
    assert rig.events.reasons(eni.id) == ["EniAdopted"]


def test_the_primary_eni_is_never_touched() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0, min_eni=1))
    rig.want(*names(30))
    rig.run(60)
    rig.release(*names(30))
    rig.run(300)
    assert "eni-primary" not in {call.subject for call in rig.cloud.calls}
    primary = rig.cloud.enis()["eni-primary"].primary
    assert primary not in {address for lease in rig.ipam.leases() for address in lease.addresses}


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        (Policy(tag_filter={"team": "a"}), {"tags": {"team": "b"}}),
        (Policy(tag_block_list=(("owner", "rdma"),)), {"tags": {"owner": "rdma"} | OURS}),
        (Policy(), {"kind": EniKind.TRUNK}),
        (Policy(), {"kind": EniKind.MEMBER}),
        (Policy(), {"kind": EniKind.UNKNOWN}),
        (Policy(), {"status": EniStatus.UNKNOWN}),
    ],
)
def test_excluded_enis_are_neither_used_nor_released(policy: Policy, changes: dict[str, object]) -> None:
    rig = Rig(replace(policy, max_pool_size=0, trim_after=0))
    excluded = rig.cloud.add_eni(5, **changes)
    rig.want(*names(3))
    rig.run(60)
    assert rig.served == 3
    assert not {address for lease in rig.ipam.leases() for address in lease.addresses} & set(excluded.addresses)
    rig.release(*names(3))
    rig.run(300)
    assert excluded.id not in {call.subject for call in rig.cloud.calls}
    assert rig.cloud.enis()[excluded.id] == excluded


def test_an_eni_that_is_excluded_later_leaves_the_pool_and_stays_as_it_is() -> None:
    rig = Rig(Policy(tag_block_list=(("owner", "rdma"),), max_pool_size=9))
    eni = rig.cloud.add_eni(5)
    rig.want("pod")
    rig.run(1)
    assert rig.served == 1
    rig.cloud.enis()[eni.id] = replace(eni, tags={"owner": "rdma"})
    rig.run(70)
    assert rig.events.reasons(eni.id) == ["EniAdopted", "EniExcluded"]
    rig.want("next")
    rig.run(20)
    lease = rig.lease("next")
    assert lease is not None
    assert lease.addresses[0] not in eni.addresses
    assert rig.address("pod") in eni.addresses
    assert rig.cloud.made("unassign", "detach", "delete_eni") == 0


def test_enis_of_others_give_addresses_but_are_never_detached() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    eni = rig.cloud.add_eni(5)
    rig.run(300)
    assert rig.cloud.enis()[eni.id].addresses == (eni.primary,)
    assert rig.cloud.made("detach", "delete_eni") == 0


def test_ipam_pools_are_one_per_eni_and_family() -> None:
    rig = Rig(Policy(families=(4, 6), min_pool_size=3))
    rig.settle()
    assert set(rig.ipam.pools()) == {"eni-1/4", "eni-1/6"}


def test_pools_that_the_agent_dropped_are_made_again() -> None:
    rig = Rig(Policy(min_pool_size=3, max_pool_size=3))
    rig.settle()
    for name in rig.ipam.pools():
        rig.ipam.remove_pool(name)
    rig.run(70)
    rig.want("pod")
    assert rig.served == 1


# --- the sweep ----------------------------------------------------------------------------------------------------


def orphan(rig: Rig, **changes: object) -> str:
    """An ENI that is attached to nothing."""
    eni = rig.cloud.add_eni(2, tags=OURS, **changes)
    rig.cloud.tear_off(eni.id)
    return eni.id


def test_an_orphan_is_deleted_after_two_looks_and_an_age() -> None:
    rig = Rig()
    lost = orphan(rig)
    rig.run(sweep.AGE - 1)
    assert rig.cloud.made("delete_eni") == 0
    rig.run(10)
    assert lost not in rig.cloud.enis()
    assert rig.events.reasons(lost) == ["OrphanEni", "EniDeleted"]
    assert rig.cloud.made("detach") == 0


@pytest.mark.parametrize(
    "tags", [{}, {"creator": "terway"}, {"creator": "terway-edge"}, OURS | {"terway-edge-instance": "i-other"}]
)
def test_what_is_not_provably_ours_is_never_deleted(tags: dict[str, str]) -> None:
    rig = Rig()
    eni = rig.cloud.add_eni(2, tags=tags)
    rig.cloud.tear_off(eni.id)
    rig.run(2000)
    assert eni.id in rig.cloud.enis()
    assert rig.cloud.made("delete_eni", "detach") == 0


def test_ours_on_another_instance_is_left_there() -> None:
    rig = Rig()
    eni = rig.cloud.add_eni(2, tags=OURS)
    rig.cloud.move(eni.id, "i-other")
    rig.run(2000)
    assert eni.id in rig.cloud.enis()
    assert rig.cloud.made("delete_eni", "detach") == 0


def test_an_orphan_that_is_in_use_after_all_is_never_detached() -> None:
    """Old lists show it loose; the cloud refuses to delete it, and nothing more is tried."""
    rig = Rig()
    eni = rig.cloud.add_eni(2, tags=OURS, kind=EniKind.TRUNK)  # of no use to the pool, so unknown to it
    rig.cloud.enis()[eni.id] = replace(eni, instance="", status=EniStatus.IN_USE)
    rig.run(2000)
    assert rig.cloud.made("detach") == 0
    rig.cloud.enis()[eni.id] = replace(eni, instance="", status=EniStatus.AVAILABLE)
    rig.run(2000)
    assert eni.id not in rig.cloud.enis()


def test_an_orphan_that_changes_hands_between_two_looks_is_left() -> None:
    rig = Rig()
    lost = orphan(rig)
    rig.run(1)
    rig.cloud.move(lost, INSTANCE.id)
    rig.run(2000)
    assert rig.cloud.made("detach", "delete_eni") == 0
    assert lost in rig.secondary()


def test_what_is_on_its_way_is_no_orphan() -> None:
    rig = Rig()
    rig.run(1)
    rig.want("pod")
    rig.clock.advance(1)
    create = rig.turn()[0]
    assert create.verb == "create"
    rig.cloud.outage = None
    rig.start()  # the process was killed before it attached what it made
    rig.run(2000)
    assert rig.served == 1
    assert len(rig.secondary()) == 1


def test_a_leaving_eni_that_somebody_attaches_elsewhere_is_theirs() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want("pod")
    rig.run(20)
    rig.release("pod")
    rig.run(29)
    eni = rig.secondary()[0]
    rig.cloud.move(eni, "i-other")
    rig.run(600)
    assert eni in rig.cloud.enis()
    assert rig.keeper.details["enis leaving"] == 0
    assert rig.events.reasons(eni)[-1] == "EniMoved"
