"""The printed lines, applied as they are: packets pass from the data center to the VPC and to edge pods, and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from terway_edge.core.planner.commands import device_commands
from terway_edge.core.planner.plan import NetworkPlan
from tests.core.planned import SEVERAL_LANS, plan

pytestmark = pytest.mark.root

PREFIX = f"twplan{os.getpid()}"
FRR = Path("/usr/lib/frr")
LINKS = [
    {"switch-a": "172.31.0.2", "gateway": "172.31.0.1"},
    {"switch-b": "172.31.0.6", "gateway": "172.31.0.5"},
    {"gateway": "172.31.0.9", "vbr": "172.31.0.10"},
    {"vbr": "172.31.0.13", "cen": "172.31.0.14"},
    {"cen": "172.31.0.17", "vpc": "172.31.0.18"},
    {"vpc": "172.31.0.21", "ens": "172.31.0.22"},
]
# What each device has of its own: nodes, hosts and, in place of BGP, the /24 of an edge node.
OWN = {
    "switch-a": ["172.16.1.5", "10.0.1.5"],
    "switch-b": ["172.16.2.5", "10.0.2.5"],
    "gateway": ["172.16.99.9"],
    "vpc": ["192.168.7.7"],
    "ens": ["172.30.1.1"],
}
BGP = {
    "switch-a": ["10.0.2.0/24 via 172.31.0.1"],
    "switch-b": ["10.0.1.0/24 via 172.31.0.5"],
    "gateway": ["10.0.1.0/24 via 172.31.0.2", "10.0.2.0/24 via 172.31.0.6"],
}


@pytest.fixture
def whole() -> NetworkPlan:
    return plan(lans=SEVERAL_LANS, transit=["vbr", "cen"], links=LINKS, ens_network_cidrs=["172.30.0.0/16"])


@pytest.fixture
def devices(whole: NetworkPlan) -> Iterator[list[str]]:
    """A namespace per device, cabled, with addresses, but without a route."""
    names = [device for level in whole.network.path for device in level]
    made = []
    try:
        for name in names:
            ip("netns", "add", f"{PREFIX}-{name}")
            made.append(name)
            inside(name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            inside(name, "ip", "link", "set", "lo", "up")
            for address in OWN.get(name, []):
                inside(name, "ip", "address", "add", f"{address}/32", "dev", "lo")
        for link in whole.network.links:
            cable(*((name, str(address)) for name, address in link.items()))
        yield names
    finally:
        for name in made:
            ip("netns", "delete", f"{PREFIX}-{name}")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def inside(device: str, *words: str) -> str:
    return ip("netns", "exec", f"{PREFIX}-{device}", *words)


def cable(one: tuple[str, str], two: tuple[str, str]) -> None:
    peer = ["peer", "name", one[0], "netns", f"{PREFIX}-{two[0]}"]
    ip("-n", f"{PREFIX}-{one[0]}", "link", "add", two[0], "type", "veth", *peer)
    for (device, address), (link, _) in ((one, two), (two, one)):
        inside(device, "ip", "address", "add", f"{address}/30", "dev", link)
        inside(device, "ip", "link", "set", link, "up")


def routes_of(device: str) -> dict[str, str]:
    """Prefix -> next hop, or kind of route, of what somebody configured."""
    shown = json.loads(inside(device, "ip", "-j", "-4", "route", "show"))
    return {route["dst"]: route.get("gateway") or route["type"] for route in shown if route.get("protocol") != "kernel"}


@contextmanager
def frr(device: str, lines: list[str], directory: Path) -> Iterator[None]:
    """zebra and staticd with these lines as configuration. They find their files by relative names, for user frr may
    not walk down to the directory."""
    directory.mkdir()
    (directory / "staticd.conf").write_text("\n".join(lines) + "\n")
    for path in (directory, directory / "staticd.conf"):
        shutil.chown(path, "frr", "frr")
    common = ["--vty_socket", ".", "-P", "0", "--log", "stdout", "-z", "./zserv.api"]
    zebra = [str(FRR / "zebra"), *common, "-f", "/dev/null", "-i", "./zebra.pid"]
    staticd = [str(FRR / "staticd"), *common, "-f", "/proc/self/cwd/staticd.conf", "-i", "./staticd.pid"]
    started = []
    try:
        for arguments, ready in ((zebra, "zserv.api"), (staticd, "staticd.vty")):
            with (directory / "log").open("ab") as log:
                started.append(
                    subprocess.Popen(
                        ["nsenter", f"--net=/run/netns/{PREFIX}-{device}", *arguments],
                        cwd=directory,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                    )
                )
            wait_until((directory / ready).exists)
        yield
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(10)


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_done()


def test_generic_lines_connect_everything(whole: NetworkPlan, devices: list[str]) -> None:
    for device in devices:
        for line in device_commands(whole, device, "generic"):
            inside(device, *line.split())
        for line in BGP.get(device, []):
            inside(device, "ip", "route", "add", *line.split(), "metric", "20")
    for device, addresses in OWN.items():
        for other in OWN.values():
            for address in other:
                inside(device, "ping", "-c1", "-W2", "-q", "-I", addresses[0], address)
    lost = subprocess.run(
        ["ip", "netns", "exec", f"{PREFIX}-vpc", "ping", "-c1", "-W1", "-I", OWN["vpc"][0], "10.250.0.1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Destination Host Unreachable" in lost.stdout  # the gateway says so, not an expired TTL


@pytest.mark.skipif(not (FRR / "staticd").exists(), reason="needs FRR")
def test_frr_makes_the_same_routes_of_its_lines(whole: NetworkPlan, devices: list[str], tmp_path: Path) -> None:
    for device in ("gateway", "switch-a"):
        generic = device_commands(whole, device, "generic")
        for line in generic:
            inside(device, *line.split())
        expected = routes_of(device)
        assert len(expected) == len(generic)
        for line in generic:
            inside(device, *line.replace("replace", "delete").split())
        assert routes_of(device) == {}
        with frr(device, device_commands(whole, device, "frr"), tmp_path / device):
            wait_until(lambda device=device, expected=expected: routes_of(device) == expected)
