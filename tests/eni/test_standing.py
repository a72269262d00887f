"""What a pool in its various troubles has the cluster told of its node."""

from __future__ import annotations

from typing import Any

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.eni.actions import Action
from terway_edge.eni.policy import Policy
from terway_edge.eni.publishing import HELD, Publisher
from terway_edge.testing import MemoryAnnotations, RecordedStatuses
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ENS
from tests.eni.rig import Rig, names

SMALL = {"vsw-a": "10.0.0.0/27"}


class Told(Rig):
    """The rig with a publisher, as the manager has it: after each turn."""

    def __init__(self, *policy: Policy, **world: Any) -> None:
        self.annotations, self.statuses = MemoryAnnotations(), RecordedStatuses()
        super().__init__(*policy, **world)

    def start(self) -> None:
        super().start()
        self.publisher = Publisher("n1", self.annotations, self.statuses)

    def turn(self) -> list[Action]:
        actions = super().turn()
        self.publisher.publish(self.keeper.standing, self.ipam.leases(), self.clock.now())
        return actions

    @property
    def capacities(self) -> list[str | None]:
        return [each.value for each in self.annotations.writes]

    @property
    def answers(self) -> list[tuple[object, object]]:
        """(status, message) of the condition, each time it was written."""
        return [(each.value["status"], each.value["message"]) for each in self.statuses.writes if each.value]

    @property
    def edges(self) -> list[object]:
        return [status for status, _ in self.answers]


def cold(**world: Any) -> Told:
    """A node that keeps nothing idle, at rest."""
    rig = Told(Policy(max_pool_size=0), vswitches=SMALL, **world)
    rig.settle()
    return rig


def test_a_node_at_ease_says_so_once() -> None:
    rig = Told(Policy(min_pool_size=2, max_pool_size=5))
    rig.settle()
    rig.want(*names(4))
    rig.run(3600)
    assert (rig.capacities, rig.edges) == (["75"], ["True"])


def test_a_vswitch_that_runs_out_is_told_until_ten_minutes_are_over_and_it_has_some_again() -> None:
    rig = cold()
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(30)
    assert rig.answers[1:] == [
        ("False", "no vSwitch of zone zone-a has an address left (known: vsw-a); add another one to vswitches")
    ]
    began = rig.clock.now() - 30
    rig.cloud.give_back("vsw-a")
    rig.give_up("pod")
    rig.run(HELD - 60)
    assert rig.edges == ["True", "False"]
    rig.run(3600, until=lambda: len(rig.edges) > 2)
    assert rig.edges == ["True", "False", "True"]
    assert HELD <= rig.clock.now() - began <= HELD + 60


def test_a_shortage_that_lasts_is_told_once() -> None:
    rig = cold()
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(7200)
    assert rig.edges == ["True", "False"]


def test_nobody_need_wait_for_an_address_before_it_is_told() -> None:
    rig = cold()
    rig.cloud.use_up("vsw-a", 0)
    rig.run(601)  # when vSwitches are read again
    assert rig.edges == ["True", "False"]


def test_what_is_idle_can_serve() -> None:
    rig = Told(Policy(min_pool_size=3, max_pool_size=3), vswitches=SMALL)
    rig.settle()
    rig.cloud.use_up("vsw-a", 0)
    rig.run(1300)
    assert rig.edges == ["True"]
    rig.want(*names(3))
    rig.run(30)
    assert rig.edges == ["True", "False"]


def test_one_vswitch_of_two_is_enough() -> None:
    rig = Told(
        Policy(max_pool_size=0, vswitches=("vsw-a", "vsw-b")),
        vswitches={"vsw-a": "10.0.0.0/27", "vsw-b": "10.1.0.0/27"},
    )
    rig.settle()
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(1300)
    assert (rig.served, rig.edges) == (1, ["True"])


def test_a_full_node_lacks_nothing_of_its_capacity() -> None:
    rig = Told(Policy(max_pool_size=0), limits=Limits(2, 4))
    rig.settle()
    rig.want(*names(6))
    rig.run(1300)
    assert (rig.served, rig.capacities, rig.edges) == (4, ["4"], ["True"])


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.DENIED])
def test_a_cloud_that_does_not_serve_is_no_vswitch_that_has_run_out(fault: Fault) -> None:
    rig = cold()
    rig.cloud.outage = fault
    rig.want("pod")
    rig.run(1300)
    assert (rig.served, rig.edges) == (0, ["True"])


def test_nothing_is_told_before_enis_and_vswitches_are_known() -> None:
    rig = Told()
    rig.cloud.outage = Fault.THROTTLE
    rig.run(30)
    assert (rig.capacities, rig.edges) == ([], [])
    rig.cloud.outage = None
    rig.settle()
    assert (rig.capacities, rig.edges) == (["75"], ["True"])


def test_a_list_that_was_not_counted_yet_is_no_reason_to_send_pods_away() -> None:
    rig = Told(Policy(max_pool_size=0), limits=Limits(2, 4))
    rig.cloud.add_eni(4)
    rig.want("pod")
    (look,) = rig.keeper.turn()
    rig.keeper.carry_out(look)
    assert rig.keeper.hopeless() == {}


def test_a_restart_in_a_shortage_writes_nothing() -> None:
    rig = cold()
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(30)
    before = rig.edges
    rig.start()
    rig.run(30)
    assert rig.edges == before == ["True", "False"]


def test_a_new_process_corrects_what_is_so_no_more() -> None:
    rig = cold()
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(30)
    rig.cloud.give_back("vsw-a")
    rig.start()
    rig.run(30)
    assert (rig.served, rig.edges) == (1, ["True", "False", "True"])


def test_a_node_of_an_edge_site_has_what_is_bound_to_it() -> None:
    rig = Told(Policy(max_pool_size=0), limits=Limits(10, 25), features=ENS, vswitches={"vsw-a": "10.0.0.0/24"})
    rig.settle()
    assert (rig.capacities, rig.edges) == ([], ["True"])
    rig.cloud.add_eni(1)
    rig.cloud.add_eni(1)
    rig.run(120)
    assert rig.capacities == ["50"]
    rig.cloud.use_up("vsw-a", 0)
    rig.want(*names(3))
    rig.run(120)
    assert rig.edges == ["True", "False"]
    assert str(rig.answers[-1][1]).startswith(
        "the vSwitches of the ENIs bound to the instance have no address left (vsw-a); stop instance i-node"
    )


def test_an_eni_that_comes_or_goes_does_not_change_what_the_node_can_have() -> None:
    rig = Told(Policy(max_pool_size=0, cooldown=0.0))
    rig.settle()
    rig.want(*names(40))
    rig.settle()
    assert len(rig.secondary()) == 3
    rig.release(*names(40))
    rig.run(1300)
    assert rig.secondary() == []
    assert rig.capacities == ["75"]


def test_enis_of_others_take_their_part() -> None:
    rig = Told(Policy(max_pool_size=0))
    rig.settle()
    rig.cloud.add_eni(1, tags={"terway.alibabacloud.com/excluded": "true"})
    rig.policy = Policy(max_pool_size=0, tag_block_list=(("terway.alibabacloud.com/excluded", "true"),))
    rig.start()
    rig.settle()
    assert rig.capacities == ["75", "60"]
