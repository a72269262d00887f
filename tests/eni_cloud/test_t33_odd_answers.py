"""T33: less than asked for, another order, unknown codes, no body, errors in a 200, a wrong clock: handled, no crash,
no leak."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from terway_edge.eni.policy import Policy
from terway_edge.testing.openapi.gate import WINDOW
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ECS_NODE, ENS_NODE, TIGHT, CloudRig

BOTH = pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
ODD: Mapping[str, Mapping[str, Any]] = {
    "unknown code": {"kind": "error", "code": "Odd.Thing"},
    "unknown code, status 500": {"kind": "error", "code": "Odd.Thing", "status": 500},
    "unknown code, status 429": {"kind": "error", "code": "Odd.Thing", "status": 429},
    "unknown code in a 200": {"kind": "error_in_ok", "code": "Odd.Thing"},
    "internal error in a 200": {"kind": "error_in_ok"},
    "no body": {"kind": "empty"},
    "a page of HTML": {"kind": "not_json"},
    "a page of HTML in a 200": {"kind": "not_json", "status": 200},
    "a server error": {"kind": "server_error"},
    "the generic error of ENS": {"kind": "error", "code": "ens.interface.error", "status": 500},
    "a token that is spent": {"kind": "error", "code": "IdempotentFailed"},
    "a token under way": {"kind": "error", "code": "LastTokenProcessing"},
    "a conflict": {"kind": "error", "code": "Operation.Conflict"},
    "a quota": {"kind": "error", "code": "QuotaExceeded.PrivateIpAddress", "status": 403},
    "no permission": {"kind": "error", "code": "Forbidden.RAM", "status": 403},
    "a key that is refused": {"kind": "error", "code": "SignatureDoesNotMatch", "message": "no colon here"},
}
FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ACTIONS = ("*", "Describe*", "*NetworkInterface", "Assign*", "Unassign*")[: None if FULL else 1]
FORGETFUL = 1500.0  # seconds: the longest hold of the pool twice, and what follows


def whole_life(rig: CloudRig, patience: float) -> None:
    rig.want(*names(14))
    rig.run(patience, until=lambda: rig.served == 14)
    assert rig.served == 14
    rig.check()
    rig.release(*names(14)[:9])
    rig.run(patience)
    rig.release(*names(14))
    rig.run(patience)
    rig.check_rest()


def is_empty(rig: CloudRig) -> bool:
    return rig.made() == [] and rig.sizes() in ([], [1, 1])


@BOTH
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("action", ACTIONS)
def test_t33_an_odd_answer_now_and_then(make: Callable[..., CloudRig], instance: str, odd: str, action: str) -> None:
    rig = make(TIGHT, instance)
    rig.faults({**ODD[odd], "action": action, "probability": 0.4, "seed": 1, "count": 12})
    whole_life(rig, FORGETFUL)
    assert is_empty(rig)
    assert rig.reasons() == []


@pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE] if FULL else [ECS_NODE])
@pytest.mark.parametrize("odd", ODD)
def test_t33_nothing_but_odd_answers_for_ten_minutes(make: Callable[..., CloudRig], instance: str, odd: str) -> None:
    rig = make(TIGHT, instance)
    rig.want(*names(5))
    rig.run(60)
    before = rig.used()
    rig.faults({**ODD[odd], "until": 600})
    rig.want(*names(9, "more"))
    rig.run(600)
    assert (rig.served, rig.used()) == (5, before)
    rig.check()
    rig.release(*names(5))
    rig.run(FORGETFUL, until=lambda: rig.served == 9)
    assert rig.served == 9
    rig.release(*names(9, "more"))
    rig.run(FORGETFUL)
    assert is_empty(rig)
    rig.check_rest()


@pytest.mark.parametrize("families", [(4,), (4, 6)])
@pytest.mark.parametrize("prefixes", [False, True])
@pytest.mark.parametrize("action", ["Create*", "Assign*", "Unassign*", "*"])
def test_t33_three_of_ten(
    make: Callable[..., CloudRig], families: tuple[int, ...], prefixes: bool, action: str
) -> None:
    """The answer tells what there is; what was not given is asked for again, with a token of its own."""
    rig = make(Policy(families=families, use_prefixes=prefixes, max_pool_size=0, trim_after=0))
    rig.faults({"kind": "partial", "portion": 1 if prefixes else 3, "action": action})
    whole_life(rig, 400)
    assert is_empty(rig)
    tokens = [call.parameters["ClientToken"] for call in rig.calls("AssignPrivateIpAddresses")]
    assert len(tokens) == len(set(tokens))


def test_t33_nothing_of_what_was_asked_for(make: Callable[..., CloudRig]) -> None:
    """Success that gives nothing is not asked for without a pause."""
    rig = make()
    rig.want("first")
    rig.run(30)
    rig.faults({"kind": "partial", "portion": 0, "action": "Assign*"})
    rig.want(*names(5))
    rig.run(300)
    assert rig.count("AssignPrivateIpAddresses") < 20
    rig.faults()
    rig.run(120)
    assert rig.served == 6
    rig.check_rest()


@BOTH
def test_t33_enis_in_another_order_are_the_same_enis(make: Callable[..., CloudRig], instance: str) -> None:
    """A pod's ENI is told by its id; the MAC that its link is found by is the ENI's own, whatever the list's order."""
    rig = make(TIGHT, instance)
    rig.want(*names(40))
    rig.run(400)
    before = {lease.key: lease for lease in rig.ipam.leases()}
    assert len(before) == 40
    rig.faults({"kind": "reversed"})
    rig.start()
    rig.run(200)
    assert {lease.key: lease for lease in rig.ipam.leases()} == before
    macs = {eni.id: eni.mac for eni in rig.enis()}
    for lease in before.values():
        eni = rig.keeper.eni_of(lease)
        assert eni is not None
        assert eni.mac.hex(":") == macs[eni.id]
        assert lease.addresses[0] in eni.addresses
    rig.check_rest()


@BOTH
@pytest.mark.parametrize("skew", [WINDOW + 60, -WINDOW - 60])
def test_t33_a_wrong_clock(make: Callable[..., CloudRig], instance: str, skew: float) -> None:
    """The real gate refuses the timestamps; pods keep what they have, and are told what to mend."""
    rig = make(TIGHT, instance)
    rig.want(*names(5))
    rig.run(60)
    rig.skew = skew
    rig.want("late")
    rig.run(600)
    assert rig.served == 5
    assert {call.code for call in rig.calls()[-3:]} == {"InvalidTimeStamp.Expired"}
    told = [condition.message for condition in rig.keeper.conditions() if condition.reason == "CloudCallFails"]
    assert any("clock" in message and "NTP" in message for message in told)
    rig.check()
    rig.skew = 0
    rig.run(FORGETFUL)
    assert rig.served == 6
    assert rig.reasons() == []
    rig.release(*names(5), "late")
    rig.run(2 * COOLDOWN + 60)
    rig.check_rest()


def test_t33_answers_that_come_after_the_client_has_gone(make: Callable[..., CloudRig]) -> None:
    """The effect is there, the answer too late: the repetition finds it by its token."""
    rig = make(read_timeout=0.05)
    rig.faults(*({"kind": "slow", "seconds": 0.2, "action": f"{verb}*", "count": 1} for verb in ("Create", "Attach")))
    rig.want(*names(12))
    rig.run(60)
    assert rig.served == 12
    assert rig.count("CreateNetworkInterface") == 2
    assert len(rig.made()) == 1
    rig.check_rest()
