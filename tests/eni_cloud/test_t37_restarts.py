"""T37: an agent that was started anew puts right at events what somebody does to the links of ENIs, whether the cloud
has told it of them or not, and what was done to them while no agent was there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eni_cloud.cloud_machine import CloudMachine
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

EVENT, START = 1.0, 5.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    made = CloudMachine(tmp_path, {"max_pool_size": 5, "min_pool_size": 0}, bound=1)
    made.settings["routes"] = {"resync_seconds": 600}
    made.start()
    yield made
    made.close()


def damages(node: CloudMachine, link: str) -> list[str]:
    table = 1000 + int(node.show(link)["ifindex"])
    return [f"link set {link} down", f"route flush table {table}", f"addr flush dev {link} scope global"]


@pytest.mark.parametrize("cloud", ["answers", "is away"])
def test_t37_a_new_agent_hears_of_links(node: CloudMachine, cloud: str) -> None:
    ((pod, address),) = node.await_pods(1)
    link = node.eni_link(address)
    good = picture(node, link)
    node.kill()
    if cloud == "is away":
        node.settings["cloud"] |= {"ecs_endpoint": "127.0.0.1:9", "vpc_endpoint": "127.0.0.1:9"}
    node.start()
    for command in damages(node, link):
        node.ip(command)
        until(lambda: picture(node, link) == good, f"{command} is put right; {node.tail()}", EVENT)
    assert node.reaches(pod, address)


def test_t37_what_happened_without_an_agent_is_put_right_when_the_cloud_has_answered(node: CloudMachine) -> None:
    ((pod, address),) = node.await_pods(1)
    link = node.eni_link(address)
    good = picture(node, link)
    node.kill()
    node.ip(*damages(node, link))
    node.start()
    until(lambda: picture(node, link) == good, f"it is put right; {node.tail()}", START)
    assert node.reaches(pod, address)


def picture(node: CloudMachine, link: str) -> list[str]:
    table = 1000 + int(node.show(link)["ifindex"])
    shown = node.enter("ip", "route", "show", "table", str(table), check=False).stdout.splitlines()
    addresses = node.enter("ip", "-o", "-4", "addr", "show", "dev", link).stdout.split()
    return [
        str("UP" in node.show(link)["flags"]),
        *sorted(shown),
        *(each for each in addresses if "/32" in each or each.startswith("192.0.2.")),
    ]
