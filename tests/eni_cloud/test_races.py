"""Pods that come at the worst moment of a turn, as they do by other threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from terway_edge.core.errors import Retry
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ECS_NODE, ENS_NODE, TIGHT, CloudRig, sandbox


class Intruder:
    """Takes addresses when the clock is read for the so-many-th time: between what was counted and what is decided."""

    def __init__(self, rig: CloudRig, reading: int) -> None:
        self._rig, self._left, self._now = rig, reading, rig.clock.now
        self.came = False
        rig.clock.now = self._read  # type: ignore[method-assign]

    def _read(self) -> float:
        self._left -= 1
        if self._left == 0:
            for number in range(3):
                try:
                    self._rig.keeper.allocate(sandbox(f"intruder-{number}"), "test")
                    self.came = True
                except Retry:
                    break
        return self._now()


@pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
def test_who_comes_while_the_pool_gives_up_addresses_keeps_what_it_got(
    make: Callable[..., CloudRig], instance: str
) -> None:
    came = 0
    for reading in range(1, 16):
        rig = make(TIGHT, instance)
        rig.want(*names(9))
        rig.run(100)
        rig.release(*names(9)[:6])
        rig.run(COOLDOWN - 5)
        rig.clock.advance(10)
        intruder = Intruder(rig, reading)
        rig.turn()
        rig.check()
        rig.run(60)
        rig.check_rest()
        came += intruder.came
    assert came


def test_who_comes_while_an_eni_goes_keeps_it(make: Callable[..., CloudRig]) -> None:
    came = 0
    for reading in range(1, 16):
        rig = make(TIGHT)
        rig.want(*names(9))
        rig.run(100)
        rig.release(*names(9))
        rig.run(COOLDOWN - 5)
        rig.clock.advance(10)
        intruder = Intruder(rig, reading)
        rig.turn()
        rig.check()
        rig.run(60)
        rig.check_rest()
        came += intruder.came
    assert came


@pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
@pytest.mark.parametrize("stay", [0, 1, 3])
def test_who_comes_between_a_turn_and_its_calls_gets_what_stays(
    make: Callable[..., CloudRig], instance: str, stay: int
) -> None:
    rig = make(TIGHT, instance)
    rig.want(*names(9))
    rig.run(100)
    rig.release(*names(9)[stay:])
    rig.run(COOLDOWN - 1)
    rig.clock.advance(3)
    actions = rig.keeper.turn()
    assert {action.verb for action in actions} & {"unassign", "detach"}
    rig.want(*names(9, "new"))
    for action in actions:
        rig.keeper.carry_out(action)
        rig.check()
    rig.run(120)
    assert rig.served == stay + 9
    rig.check_rest()
