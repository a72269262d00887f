"""A real agent for benches, in the network namespace of the caller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

READY = 15.0  # seconds an agent may take until its configuration is published


class Agent(NamedTuple):
    """`bin_dir` holds the shim it installed, `environ` what the shim needs, `ready_after` seconds it took to serve."""

    pid: int
    bin_dir: Path
    environ: dict[str, str]
    ready_after: float


def node(name: str, number: int, address: str, address6: str) -> dict[str, Any]:
    """A Node manifest with the fields that a kubelet fills in."""
    cidrs = [f"10.{64 + number // 256}.{number % 256}.0/24", f"fd64:{number:x}::/64"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"00000000-0000-4000-8000-{number:012x}",
            "labels": {
                "alibabacloud.com/is-edge-worker": "true",
                "alibabacloud.com/nodepool-id": "np-bench",
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalIP", "address": address6},
                {"type": "Hostname", "address": name},
            ],
            "capacity": {"cpu": "4", "memory": "8007508Ki", "pods": "250"},
            "conditions": [
                {"type": kind, "status": "False", "reason": f"KubeletHas{kind}", "message": f"kubelet says {kind}"}
                for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
            ],
            "nodeInfo": {"kernelVersion": "6.1.0", "kubeletVersion": "v1.30.1", "osImage": "Debian GNU/Linux 12"},
            "images": [
                {"names": [f"registry.example/app-{image}@sha256:{image:064x}"], "sizeBytes": 12345678}
                for image in range(20)
            ],
        },
    }


def uplink() -> None:
    """Give the namespace a link with the addresses of node 1 of the manifests."""
    for command in (
        "link set lo up",
        "link add uplink0 type veth peer name peer0",
        "link set peer0 up",
        "addr add 198.18.0.1/16 dev uplink0",
        "addr add fd18::1/64 dev uplink0 nodad",
        "link set uplink0 up",
    ):
        subprocess.run(["ip", *command.split()], check=True)


@contextmanager
def running_agent(
    base: Path, manifests: Mapping[str, str], settings: Mapping[str, Any] | None = None
) -> Iterator[Agent]:
    """Start an agent for node-1 with these manifests (text by file name), wait until it serves, stop it at the end."""
    (base / "manifests").mkdir(parents=True)
    for name, text in manifests.items():
        (base / "manifests" / name).write_text(text)
    config = {
        "node_name": "node-1",
        "run_dir": str(base / "run"),
        "state_dir": str(base / "state"),
        "cluster": {"manifests": str(base / "manifests")},
        "cni": {"bin_dir": str(base / "bin"), "conf_dir": str(base / "net.d")},
        "metrics": {"port": 0},
        **(settings or {}),
    }
    for directory in ("bin", "net.d"):
        (base / directory).mkdir()
    (base / "config.json").write_text(json.dumps(config))
    began = time.monotonic()
    with (base / "agent.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "terway_edge.cli.main", "agent", "--config", str(base / "config.json")], stderr=log
        )
    try:
        while not (base / "net.d" / "10-terway-edge.conflist").exists():
            if process.poll() is not None or time.monotonic() - began > READY:
                raise RuntimeError(f"the agent does not serve:\n{(base / 'agent.log').read_text()}")
            time.sleep(0.001)
        environ = {"TERWAY_EDGE_RUN": config["run_dir"], "TERWAY_EDGE_STATE": config["state_dir"]}
        yield Agent(process.pid, base / "bin", environ, time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads, in seconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def resident(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no VmRSS")
