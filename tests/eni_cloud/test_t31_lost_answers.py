"""T31: the answer is lost after the effect. One resource each, by the token that outlives the process; no orphan."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from terway_edge.core.cloud import CloudError, EniWish
from terway_edge.eni.policy import Policy
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ENS_NODE, TIGHT, CloudRig

T = TypeVar("T")
ROUNDS = 1000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 3
DUAL = Policy(families=(4, 6), max_pool_size=0, trim_after=0)
TOKENED = ("CreateNetworkInterface", "AssignPrivateIpAddresses", "AssignIpv6Addresses")
ECS_CHANGES = (
    *TOKENED,
    *("AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface"),
    *("UnassignPrivateIpAddresses", "UnassignIpv6Addresses"),
)
ENS_CHANGES = ("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses")


def lost(action: str, times: int = 1) -> dict[str, object]:
    """The connection is cut after the effect of its first calls."""
    return {"kind": "drop", "when": "after", "action": action, "count": times}


def dropped(rig: CloudRig, action: str) -> bool:
    return any(each.dropped for each in rig.calls(action))


def live(rig: CloudRig, until: Callable[[], bool] = lambda: False) -> None:
    """A life for which every change is needed: two bursts, a lull, the end of all pods."""
    stages: list[Callable[[], None]] = [
        lambda: rig.want(*names(6)),
        lambda: rig.want(*names(12)),
        lambda: rig.release(*names(12)[:7]),
        lambda: rig.release(*names(12)),
    ]
    for stage in stages:
        stage()
        rig.run(COOLDOWN + 30, until=until)
        if until():
            return


def tokens(rig: CloudRig, action: str) -> Counter[str]:
    """ClientTokens of the calls that had their effect, and how often each was sent."""
    return Counter(each.parameters["ClientToken"] for each in rig.calls(action) if not each.code)


@pytest.mark.parametrize("action", ECS_CHANGES)
@pytest.mark.parametrize("times", [1, 3])
def test_t31_a_lost_answer_makes_one_resource(make: Callable[..., CloudRig], action: str, times: int) -> None:
    rig = make(DUAL)
    rig.faults(lost(action, times))
    rig.want(*names(12))
    rig.run(40)
    assert (rig.served, rig.sizes()) == (12, [12])
    rig.check()
    live(rig)
    assert sum(each.dropped for each in rig.calls(action)) == times
    assert rig.made() == []
    rig.check_rest()
    for tokened in TOKENED:
        assert all(count <= times + 1 for count in tokens(rig, tokened).values())


@pytest.mark.parametrize("action", ECS_CHANGES)
def test_t31_the_next_process_repeats_the_call_with_the_same_token(make: Callable[..., CloudRig], action: str) -> None:
    """The answer is lost, and with it whoever asked."""
    rig = make(DUAL, read_timeout=0.5)
    # Until the process is gone, its own repetitions do not get through.
    rig.faults({"kind": "drop", "when": "after", "action": action})
    live(rig, until=lambda: dropped(rig, action))
    assert dropped(rig, action)
    rig.faults()
    rig.start()
    peak = 0
    for _ in range(120):
        rig.run(1)
        peak = max(peak, len(rig.made()))
    assert peak == (action != "DeleteNetworkInterface")
    rig.check_rest()
    for eni in rig.made():  # as many as pods have, and the primary address, which cannot go
        assert {eni.ipv4_count - rig.served, eni.ipv6_count - rig.served} <= {0, 1}
    if action in TOKENED:
        (times,) = tokens(rig, action).values()
        assert times > 1
    rig.release(*names(12))
    rig.run(2 * COOLDOWN + 30)
    assert rig.made() == []
    rig.check_rest()


@pytest.mark.parametrize("action", ENS_CHANGES)
@pytest.mark.parametrize("dies", [False, True])
def test_t31_without_tokens_the_difference_tells(make: Callable[..., CloudRig], action: str, dies: bool) -> None:
    rig = make(TIGHT, ENS_NODE)
    rig.faults({"kind": "drop", "when": "after", "action": action, "count": 100 if dies else 2})
    if dies:
        live(rig, until=lambda: dropped(rig, action))
        assert dropped(rig, action)
        rig.faults()
        rig.start()
    else:
        rig.want(*names(12))
    rig.run(120)
    rig.check_rest()
    assert sum(rig.sizes()) <= rig.served + len(rig.sizes())  # the primary addresses stay
    rig.release(*names(12))
    rig.run(2 * COOLDOWN + 120)
    assert rig.sizes() == [1, 1]
    rig.check_rest()


def repeated(call: Callable[[], T], rig: CloudRig, dies: bool) -> T:
    """Until it succeeds, by the next process each time if this one dies with the answer."""
    while True:
        try:
            return call()
        except CloudError as error:
            if not error.is_retryable:
                raise
        if dies:
            rig.start()


@pytest.mark.parametrize("dies", [False, True])
def test_t31_an_ens_eni_is_found_by_its_name(make: Callable[..., CloudRig], dies: bool) -> None:
    """The pool binds no ENS ENIs; whoever does by this client makes each once."""
    rig = make(TIGHT, ENS_NODE)
    rig.faults({"kind": "drop", "when": "after", "action": "*NetworkInterface*", "probability": 0.4, "seed": 5})
    before = len(rig.emulator.enis())
    for number in range(ROUNDS):
        wish = EniWish(f"wish-{number}", "vsw-e", ("sg-e1",))
        made = repeated(lambda wish=wish: rig.client.create_eni(wish, rig.clock.now() + 10).id, rig, dies)
        assert [each.id for each in rig.emulator.enis() if each.name == wish.intent] == [made]
        assert len(rig.emulator.enis()) == before + 1
        repeated(lambda made=made: rig.client.delete_eni(made, rig.clock.now() + 10), rig, dies)
        rig.clock.advance(10)
        assert len(rig.emulator.enis()) == before
    assert rig.emulator.violations() == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_t31_many_lost_answers_of_each_kind_leave_nothing_behind(make: Callable[..., CloudRig]) -> None:
    rig = make(DUAL)
    missed: Counter[str] = Counter()
    for _ in range(ROUNDS):
        rig.emulator.log.clear()
        rig.faults(*map(lost, ECS_CHANGES))
        live(rig)
        assert rig.made() == []
        rig.check_rest()
        missed.update(each.action for each in rig.calls() if each.dropped)
    assert missed == dict.fromkeys(ECS_CHANGES, ROUNDS)
