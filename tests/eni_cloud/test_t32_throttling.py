"""T32: throttled for ten minutes, then at every tenth call. Calls within the bucket, pauses that vary, pods from stock
served all the while, and all others soon after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from terway_edge.eni.policy import Policy
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ECS_NODE, ENS_NODE, CloudRig
from tests.eni_cloud.witness import over_budget

OUTAGE = 600.0
RECOVERY = 120.0
WARM = Policy(min_pool_size=10, max_pool_size=10, trim_after=0)
ATTEMPTS = 7
"""Of the client within the 30 s of one call: pauses of 0.5, 1, 2, 4, 8, 10 s, each half as long or half longer."""
CALLS = ATTEMPTS * 14
"""Of the pool for one purpose within the outage: after 1, 2, 4, ... seconds, then every minute, 30 % sooner at most;
each call takes 20 s or more."""
BOTH = pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])


def throttled(until: float = OUTAGE, **more: object) -> dict[str, object]:
    return {"kind": "throttle", "until": until, **more}


def warm(make: Callable[..., CloudRig], instance: str, **more: object) -> CloudRig:
    rig = make(WARM, instance, **more)
    rig.run(120)
    assert rig.idle() == 10
    rig.emulator.log.clear()
    return rig


@BOTH
def test_t32_ten_minutes_of_throttling(make: Callable[..., CloudRig], instance: str) -> None:
    rig = warm(make, instance)
    rig.faults(throttled(), throttled(3600, probability=0.1, seed=3))
    started, hits = rig.clock.now(), 0
    for number in range(20):  # two pods a minute: the first ten from stock
        before, at = rig.count(), rig.clock.now()
        rig.want(f"pod-{number}")
        if rig.lease(f"pod-{number}"):
            hits += 1
            assert (rig.count(), rig.clock.now()) == (before, at), "a hit waited for the cloud"
        rig.run(started + 30 * (number + 1) - rig.clock.now())
    assert hits == 10
    outage = [each for each in rig.calls() if each.at < started + OUTAGE]
    assert {each.code for each in outage} == {"Throttling.User"}
    for action, count in Counter(each.action for each in outage).items():
        # On ENS every wish for addresses begins with a list of its own.
        purposes = 2 if instance == ENS_NODE and action == "DescribeNetworkInterfaces" else 1
        assert count <= purposes * CALLS, action
    rig.run(RECOVERY, until=lambda: not rig.waiting)
    assert rig.served == 20
    rig.run(600)  # every tenth call is still throttled
    assert rig.idle() == 10
    rig.check_rest()


@BOTH
def test_t32_the_bucket_holds_whatever_comes(make: Callable[..., CloudRig], instance: str) -> None:
    """With a rate that bites: never more calls than it lets pass, and those that it lets pass are made."""
    rates = {"DescribeNetworkInterfaces": 6, "CreateNetworkInterface": 4, "AssignPrivateIpAddresses": 5}
    rig = make(WARM, instance, rate_limit=rates)
    rig.faults(throttled())
    rig.want(*names(14))
    rig.run(OUTAGE)
    assert over_budget(rig.calls(), rates) == []
    looks = rig.count("DescribeNetworkInterfaces")
    assert looks >= 6
    # An emptier bucket than the client believes in would be seen to overflow.
    assert over_budget(rig.calls(), {"DescribeNetworkInterfaces": 2}) != []
    rig.run(14 / 5 * 60 + RECOVERY, until=lambda: rig.served == 14)  # ENS assigns one at a time
    assert rig.served == 14
    rig.run(300)
    rig.check_rest()


@pytest.mark.parametrize("whose", ["pool", "client"])
def test_t32_pauses_vary_from_node_to_node_and_grow(make: Callable[..., CloudRig], whose: str) -> None:
    """Those of the pool though the client's are all alike, and those of the client's first call."""

    def times(seed: int) -> list[float]:
        rig = make(WARM, seed=seed, client_random=(lambda: 0.5) if whose == "pool" else None)
        rig.faults(throttled())
        rig.run(OUTAGE if whose == "pool" else 1)
        return [each.at for each in rig.calls("DescribeNetworkInterfaces")]

    first, second = times(1), times(2)
    alone = ATTEMPTS + 1 if whose == "pool" else 1  # calls before the first pause that varies
    assert not set(first[alone:]) & set(second[alone:])
    pauses = [later - earlier for earlier, later in pairwise(first)]
    assert pauses[0] < 2
    assert max(pauses) > (30 if whose == "pool" else 4)


@BOTH
@pytest.mark.parametrize("action", ["Create*", "Attach*", "Assign*"])
def test_t32_growth_that_fails_holds_up_no_release(make: Callable[..., CloudRig], instance: str, action: str) -> None:
    rig = warm(make, instance)
    rig.want(*names(8))
    rig.run(120)
    rig.faults(throttled(action=action))
    rig.want(*names(60, "more"))
    rig.run(60)
    waiting = len(rig.waiting)
    assert waiting > 8
    rig.release(*names(8))
    rig.run(COOLDOWN + 5)
    assert len(rig.waiting) <= waiting - 8
    for name in names(60, "more"):
        rig.give_up(name)
    rig.release(*names(60, "more"))
    rig.faults()
    rig.run(300)
    assert rig.idle() == 10
    rig.check_rest()


@BOTH
@pytest.mark.parametrize("action", ["Unassign*", "Detach*", "Delete*"])
def test_t32_giving_back_that_fails_holds_up_no_growth(
    make: Callable[..., CloudRig], instance: str, action: str
) -> None:
    rig = warm(make, instance)
    rig.want(*names(20))
    rig.run(120)
    rig.faults(throttled(action=action))
    rig.release(*names(20))
    rig.run(100)
    rig.want(*names(25, "more"))
    rig.run(100)
    assert rig.served == 25
    rig.run(OUTAGE)
    assert rig.idle() == 10
    rig.check_rest()
