"""T32: an agent that is started anew while the cloud is away, or refuses every call, serves pods from the stock that
its predecessor left, and is as it should be when the cloud is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terway_edge.testing.openapi import Script
from tests.eni_cloud.cloud_machine import PORT, WARM, CloudMachine
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

STOCK = 5
ENDPOINTS = ("ecs_endpoint", "vpc_endpoint")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    """Its stock is complete, and was never touched."""
    made = CloudMachine(tmp_path, WARM)
    try:
        made.start()
        until(lambda: stock(made) == (STOCK, 0), f"a full stock; {made.tail()}")
        yield made
    finally:
        made.close()


def stock(node: CloudMachine) -> tuple[int, int]:
    """Addresses that pods could have, and those on their way."""
    (report,) = (each for each in node.ask("status")["plugins"] if each["plugin"] == "terway")
    return int(report["details"].get("free", -1)), int(report["details"].get("coming", -1))


def away(node: CloudMachine) -> None:
    node.settings["cloud"] |= dict.fromkeys(ENDPOINTS, "127.0.0.1:9")


def throttled(node: CloudMachine) -> None:
    node.emulator.load_faults(Script.model_validate({"faults": [{"kind": "throttle"}]}))


def back(node: CloudMachine) -> None:
    node.settings["cloud"] |= dict.fromkeys(ENDPOINTS, f"127.0.0.1:{PORT}")
    node.emulator.load_faults(Script())


@pytest.mark.parametrize("trouble", [away, throttled])
def test_t32_pods_are_served_from_stock_though_the_cloud_says_nothing(
    node: CloudMachine, trouble: Callable[[CloudMachine], None]
) -> None:
    node.kill()
    trouble(node)
    node.emulator.log.clear()
    node.start()
    pods = [node.add() for _ in range(STOCK)]
    assert len({address for _, address in pods}) == STOCK
    assert all(node.reaches(pod, address) for pod, address in pods)
    assert [call for call in node.emulator.log.calls() if not call.code] == []
    assert node.conditions() == ["InstanceUnknown"]


def test_t32_when_the_cloud_is_back_all_is_as_if_it_had_been_there(node: CloudMachine) -> None:
    node.kill()
    throttled(node)
    node.start()
    pods = [node.add()]
    back(node)
    until(lambda: stock(node) == (STOCK, 0), f"the stock is full again; {node.tail()}", 60.0)
    assert node.conditions() == []
    pods += node.await_pods(2)
    assert all(node.reaches(pod, address) for pod, address in pods)
    assert node.emulator.violations() == []
