"""When nothing happens nothing is done: what the agent sets on ENIs' links does not come back to it as another's doing.

The kernel tells of an IPv6 address when a work item of its own is done with it, and not who set it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eni_cloud.cloud_machine import CloudMachine
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

NODE6 = "2001:db8:99::10"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    made = CloudMachine(tmp_path, {"ip_stack": "dual", "max_pool_size": 12, "min_pool_size": 0}, bound=2)
    try:
        made.ip(f"addr add {NODE6}/64 dev lan0 nodad")
        manifest = made._node()
        manifest["status"]["addresses"].append({"type": "InternalIP", "address": NODE6})
        made.write("n1", manifest)
        made.start()
        yield made
    finally:
        made.close()


def test_links_at_rest_are_left_alone(node: CloudMachine) -> None:
    pods = node.await_pods(2)
    links = {node.eni_link(address) for _, address in pods}
    for link in links:
        doubled = lambda link=link: NODE6 in node.enter("ip", "-6", "addr", "show", "dev", link).stdout  # noqa: E731
        until(doubled, f"{link} has the node's own address; {node.tail()}")
    heard = node.enter("timeout", "2", "ip", "-o", "monitor", "link", "address", "route", "rule", check=False).stdout
    assert [line for line in heard.splitlines() if NODE6 in line or "192.0.2.10" in line] == []
    assert node.conditions() == []
    node.ip(*(f"addr del {NODE6}/128 dev {link}" for link in links))  # and yet it is not blind
    for link in links:
        doubled = lambda link=link: NODE6 in node.enter("ip", "-6", "addr", "show", "dev", link).stdout  # noqa: E731
        until(doubled, f"{link} has the node's own address again; {node.tail()}", 2.0)
