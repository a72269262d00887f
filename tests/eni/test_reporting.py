"""What an operator is told."""

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.core.models import Condition
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ENS
from tests.eni.rig import Rig, names


def condition(rig: Rig, reason: str) -> Condition:
    return next(each for each in rig.keeper.conditions() if each.reason == reason)


def test_a_node_at_ease_has_nothing_to_say() -> None:
    rig = Rig(Policy(min_pool_size=2))
    rig.settle()
    assert rig.keeper.conditions() == []


def test_a_full_node_says_what_would_help() -> None:
    rig = Rig(Policy(max_pool_size=0), limits=Limits(2, 4))
    rig.want(*names(5))
    rig.run(20)
    assert condition(rig, "InsufficientIP") == Condition(
        "InsufficientIP",
        "i-node",
        "all 1 ENIs that this node may have are full or on their way (4 pods each); "
        "take a larger instance type, or raise max_eni",
    )
    rig.give_up("pod-4")
    rig.run(70)
    assert rig.keeper.conditions() == []


def test_vswitches_without_addresses_are_named() -> None:
    rig = Rig(Policy(max_pool_size=0, vswitches=("vsw-a", "vsw-b")), vswitches={"vsw-a": "10.0.0.0/27"})
    rig.run(1)
    rig.cloud.use_up("vsw-a", 0)
    rig.want("pod")
    rig.run(30)
    assert condition(rig, "InsufficientIP").message == (
        "no vSwitch of zone zone-a has an address left (known: vsw-a, vsw-b); add another one to vswitches"
    )
    assert {each.subject for each in rig.keeper.conditions() if each.reason == "VSwitchExhausted"} == {"vsw-a", "vsw-b"}


def test_a_node_with_vswitches_of_other_zones_only() -> None:
    rig = Rig(Policy(max_pool_size=0, vswitches=("vsw-b",)), vswitches={"vsw-b": "10.0.1.0/24"}, zones={"vsw-b": "z"})
    rig.want("pod")
    rig.run(30)
    assert rig.cloud.made("create_eni") == 0
    assert "no vSwitch of zone zone-a has an address left (known: vsw-b)" in condition(rig, "InsufficientIP").message


def test_an_ens_node_without_a_bound_eni() -> None:
    rig = Rig(Policy(min_pool_size=1), limits=Limits(10, 25), features=ENS)
    rig.settle()
    assert condition(rig, "InsufficientIP").message.startswith(
        "no ENI for pods is bound to the instance; stop instance"
    )
    assert rig.keeper.standing.capacity == 0


def test_a_call_that_is_denied_is_told_until_it_works() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.run(1)
    rig.cloud.faults["create_eni"] = [Fault.DENIED] * 2
    rig.want("pod")
    rig.run(30)
    assert condition(rig, "CloudCallFails") == Condition("CloudCallFails", "create_eni", "create_eni: denied")
    assert rig.cloud.made("create_eni") == 1  # what an operator must mend is not tried every second
    rig.run(300)
    assert rig.served == 1
    assert rig.keeper.conditions() == []


def test_a_failure_of_long_ago_is_told_no_more() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.run(1)
    rig.cloud.faults["create_eni"] = [Fault.DENIED]
    rig.want("pod")
    rig.run(30)
    rig.give_up("pod")
    rig.run(1000)
    assert rig.keeper.conditions() == []


def test_dual_stack_that_cannot_be_is_told() -> None:
    rig = Rig(Policy(families=(4, 6)), limits=Limits(6, 15, 10))
    rig.run(1)
    assert (
        condition(rig, "Ipv6Off").message
        == "ENIs of instance type ecs.fake take too few IPv6 addresses: pods get IPv4 only"
    )


def test_details_are_counts() -> None:
    rig = Rig(Policy(min_pool_size=5, max_pool_size=5))
    rig.settle()
    rig.want("a", "b", "c")
    rig.release("c")
    rig.run(1)
    found = rig.keeper.details
    assert found["enis"] == 1
    assert (found["cooling"], found["waiting"], found["capacity"]) == (1, 0, 75)
    assert found["addresses"] == 2 + int(found["free"]) + int(found["cooling"])


@pytest.mark.parametrize(("waiting", "told"), [(3, 0), (5, 1), (9, 5)])
def test_only_those_who_cannot_be_served_are_told_so_the_last_first(waiting: int, told: int) -> None:
    rig = Rig(Policy(max_pool_size=0), limits=Limits(2, 4))
    rig.run(1)
    rig.want(*names(waiting))
    rig.keeper.turn()
    assert [key[0] for key in rig.keeper.hopeless()] == names(waiting)[waiting - told :]


def test_nobody_is_told_anything_before_the_first_look() -> None:
    rig = Rig(Policy(max_pool_size=0), limits=Limits(1, 4))
    rig.want("pod")
    (look,) = rig.keeper.turn()
    assert rig.keeper.hopeless() == {}
    rig.keeper.carry_out(look)
    rig.run(1)
    assert list(rig.keeper.hopeless()) == [("pod", "eth0")]
