"""A cloud node for benches: ENIs with all their addresses, attached from the start, and the API that tells of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.agents import READY, Agent, node, running_agent
from benchmarks.sandboxes import enter, own_namespace

PORT = 8080
INSTANCE, KEY = "i-bench", ("testid", "testsecret")
ENIS, PER_ENI = 5, 50
"""As many addresses as a node's /24 at the edge has, so that none rests for longer."""


@contextmanager
def running_cloud_agent(base: Path, families: tuple[int, ...], cooldown: int) -> Iterator[Agent]:
    """An agent with the backend terway in the network namespace of the caller, whose uplink is there already."""
    base.mkdir()
    with _enis(), _emulator(base):
        credentials = base / "credentials"
        credentials.mkdir(mode=0o700)
        for name, text in zip(("access-key-id", "access-key-secret"), KEY, strict=True):
            (credentials / name).write_text(text)
        endpoint = f"127.0.0.1:{PORT}"
        cloud = {
            "region": "cn-hangzhou",
            "protocol": "http",
            "proxy": "",
            "ecs_endpoint": endpoint,
            "vpc_endpoint": endpoint,
            "credentials": "path",
            "credentials_path": str(credentials),
        }
        settings = {"cloud": cloud, "ipam": {"cooldown_seconds": cooldown}}
        with running_agent(
            base, {"node.json": json.dumps(_node()), "eni.json": _config_map(families)}, settings
        ) as agent:
            yield agent


@contextmanager
def _enis() -> Iterator[None]:
    """Each a veth into a namespace in which nobody is."""
    with open("/proc/self/ns/net") as here, own_namespace() as sink:
        for number in range(ENIS):
            _ip(f"link add sink{number} type veth peer name eth{number + 1} address {_mac(number)}")
            _ip(f"link set eth{number + 1} netns /proc/{os.getpid()}/fd/{here.fileno()}")
            _ip(f"link set sink{number} up")
        enter(here.fileno())
        yield
        enter(sink)


@contextmanager
def _emulator(base: Path) -> Iterator[None]:
    """The cloud's API, as a process in the caller's namespace."""
    site = base / "site.json"
    site.write_text(json.dumps(_site()))
    words = ["emulator", "--port", str(PORT), "--site", str(site)]
    process = subprocess.Popen([sys.executable, "-m", "terway_edge.cli.main", *words], stdout=subprocess.DEVNULL)
    try:
        _await_port()
        yield
    finally:
        process.terminate()
        process.wait()


def _await_port() -> None:
    end = time.monotonic() + READY
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _site() -> dict[str, Any]:
    vswitch = {"id": "vsw-bench", "zone": "cn-hangzhou-h", "cidr": "10.77.0.0/20", "cidr6": "fd77:0:0:1::/64"}
    vpc = {
        "id": "vpc-bench",
        "cidr": "10.77.0.0/16",
        "cidr6": "fd77::/56",
        "security_groups": ["sg-bench"],
        "vswitches": [vswitch],
    }
    kind = {"id": "ecs.bench", "enis": ENIS + 1, "ipv4_per_eni": PER_ENI, "ipv6_per_eni": PER_ENI}
    instance = {"id": INSTANCE, "vswitch": "vsw-bench", "type": "ecs.bench", "enis": [_eni(n) for n in range(ENIS)]}
    return {
        "keys": [{"id": KEY[0], "secret": KEY[1]}],
        "regions": [{"id": "cn-hangzhou", "vpcs": [vpc]}],
        "instance_types": [kind],
        "instances": [instance],
    }


def _eni(number: int) -> dict[str, Any]:
    four = [f"10.77.{number + 1}.{host + 1}" for host in range(PER_ENI)]
    six = [f"fd77:0:0:1::{number + 1:x}:{host + 1:x}" for host in range(PER_ENI)]
    return {"mac": _mac(number), "address": four[0], "addresses": [*four[1:], *six]}


def _mac(number: int) -> str:
    return f"02:00:00:e0:00:{number + 1:02x}"


def _node() -> dict[str, Any]:
    manifest = node("node-1", 1, "198.18.0.1", "fd18::1")
    manifest["metadata"]["labels"] = {}
    manifest["spec"] = {"providerID": f"cn-hangzhou.{INSTANCE}"}
    return manifest


def _config_map(families: tuple[int, ...]) -> str:
    pool = ENIS * PER_ENI
    conf = {"version": "1", "max_pool_size": pool, "ip_stack": "dual" if 6 in families else "ipv4"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "eni-config", "namespace": "kube-system"},
            "data": {"eni_conf": json.dumps(conf)},
        }
    )


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)
