"""T39: packet sizes from the smallest to the largest, and changed while pods run: no pod is stuck, new ones have the
new size, and paths of another size are found out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eni_cloud.cloud_machine import FAR, CloudMachine
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
HEADERS = {4: 28, 6: 48}  # bytes of IP and ICMP


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    made = CloudMachine(tmp_path, {"max_pool_size": 12, "min_pool_size": 0}, bound=2, link_mtu=65535)
    yield made
    made.close()


def mtu_of(node: CloudMachine, pod: str, link: str = "eth0") -> int:
    return int(node.show(link, pod)["mtu"])


def passes(node: CloudMachine, pod: str, size: int, family: int = 4) -> bool:
    """Whether a packet of this size gets out and is answered, unbroken."""
    words = ["ping", "-n", "-q", "-c", "1", "-W", "1", "-M", "do", "-s", str(size - HEADERS[family]), FAR[family]]
    return node.enter(*words, netns=pod, check=False).returncode == 0


@pytest.mark.parametrize("mtu", [576, 1280, 1500, 8500, 9001, 65535] if FULL else [576, 9001])
def test_t39_pods_have_the_configured_size_exactly(node: CloudMachine, mtu: int) -> None:
    node.settings["mtu"] = mtu
    node.start()
    ((pod, address),) = node.await_pods(1)
    assert mtu_of(node, pod) == mtu
    assert mtu_of(node, node.netns, node.eni_link(address)) == mtu
    assert node.reaches(pod, address)
    assert passes(node, pod, mtu)
    assert not passes(node, pod, mtu + 1)


@pytest.mark.parametrize("mtu", [575, 65536])
def test_t39_an_impossible_size_is_refused_by_name(node: CloudMachine, mtu: int) -> None:
    node.settings["mtu"] = mtu
    done = node.cli("config", "validate", check=False)
    assert done.returncode != 0
    assert "mtu" in done.stdout + done.stderr


@pytest.mark.parametrize("mtu", [1280, 1500, 9001] if FULL else [1280])
def test_t39_both_families(node: CloudMachine, mtu: int) -> None:
    node.settings["mtu"] = mtu
    node.write_conf(ip_stack="dual")
    node.start()
    ((pod, _),) = node.await_pods(1)
    for family in (4, 6):
        until(lambda family=family: passes(node, pod, mtu, family), f"IPv{family} packets of {mtu} bytes pass")
        assert not passes(node, pod, mtu + 1, family)


def test_t39_changed_while_pods_run(node: CloudMachine) -> None:
    """Who runs keeps what it has, and is no worse for it; who comes later has the new size."""
    node.settings["mtu"] = 1500
    node.start()
    ((old, old_address),) = node.await_pods(1)
    for mtu in (1400, 9001):
        node.settings["mtu"] = mtu
        node.terminate()
        node.start()
        ((new, address),) = node.await_pods(1)
        assert mtu_of(node, new) == mtu
        assert mtu_of(node, old) == 1500
        assert node.reaches(old, old_address)
        assert node.reaches(new, address)
        assert passes(node, new, mtu)


def test_t39_a_smaller_path_is_found_out(node: CloudMachine) -> None:
    """The network beyond takes less: it says so, and the pod's next packets are that small."""
    node.settings["mtu"] = 1500
    node.start()
    ((pod, address),) = node.await_pods(1)
    port = "v" + node.eni_link(address).removeprefix("eth")
    node.ip(f"link set {port} mtu 1400", netns=node.vpc)
    assert passes(node, pod, 1400)
    node.enter("ping", "-n", "-q", "-c", "1", "-W", "1", "-M", "want", "-s", "1472", FAR[4], netns=pod, check=False)
    assert (
        node.enter("ping", "-n", "-q", "-c", "1", "-W", "1", "-M", "dont", "-s", "1372", FAR[4], netns=pod).returncode
        == 0
    )
