"""When a fault fires."""

from __future__ import annotations

import pytest

from terway_edge.testing.openapi import Script


@pytest.fixture
def load(emulator):
    return lambda *faults: emulator.load_faults(Script.model_validate({"faults": faults}))


def codes(call, *names, times=1):
    found = []
    for name in names * times:
        reply = call.emulator.invoke("ecs", name, {"RegionId": "cn-hangzhou"})
        found.append("T" if reply.code.startswith("Throttling") else "-")
    return "".join(found)


@pytest.mark.parametrize(
    ("conditions", "seen"),
    [
        ({}, "TTTTTT"),
        ({"calls": [2, 5]}, "-T--T-"),
        ({"count": 2}, "TT----"),
        ({"action": "DescribeInstances"}, "T-T-T-"),
        ({"action": "ecs:Describe*Types"}, "-T-T-T"),
        ({"action": "ens:*"}, "------"),
        ({"action": "metadata:*"}, "------"),
        ({"action": "DescribeInstances", "calls": [2]}, "--T---"),
        ({"until": 1}, "TTTTTT"),
        ({"since": 1}, "------"),
    ],
)
def test_each_one_narrows(call, load, conditions, seen):
    load({"kind": "throttle", **conditions})
    assert codes(call, "DescribeInstances", "DescribeInstanceTypes", times=3) == seen


def test_windows_of_time(call, load, clock):
    load(
        {"kind": "throttle", "until": 600},
        {"kind": "throttle", "since": 600, "until": 1200, "probability": 0.1, "seed": 3},
    )
    assert codes(call, "DescribeInstances", times=50) == "T" * 50
    clock.advance(600)
    some = codes(call, "DescribeInstances", times=200)
    assert 5 <= some.count("T") <= 40
    clock.advance(600)
    assert codes(call, "DescribeInstances", times=50) == "-" * 50


def test_chance_is_the_same_in_every_run_and_differs_with_the_seed(call, load):
    def run(seed):
        load({"kind": "throttle", "probability": 0.5, "seed": seed})
        return codes(call, "DescribeInstances", times=64)

    assert run(1) == run(1) != run(2)


def test_the_first_that_prevents_wins_and_the_others_add_up(emulator, load):
    load(
        {"kind": "slow", "seconds": 1},
        {"kind": "throttle"},
        {"kind": "server_error"},
        {"kind": "slow", "seconds": 2},
    )
    reply = emulator.invoke("ecs", "DescribeInstances", {"RegionId": "cn-hangzhou"})
    assert (reply.code, reply.delay) == ("Throttling.User", 3)
    assert emulator.log.calls()[-1].faults == ("slow", "throttle", "server_error", "slow")
