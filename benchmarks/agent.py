"""What the agent itself costs on an edge node: memory, time to serve, and CPU while nothing happens."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.agents import Agent, cpu_seconds, node, resident, running_agent, uplink
from benchmarks.cni import Contestant, one
from benchmarks.report import Report
from benchmarks.sandboxes import own_namespace, pod_namespaces

PODS = 250
NODES = 1000


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench agent")
    parser.add_argument("--idle", type=float, default=60, help="seconds to watch an idle agent")
    parser.add_argument("--starts", type=int, default=5, help="starts of each kind")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as directory, own_namespace() as host:
        base = Path(directory)
        uplink()
        json_files = {f"node-{number}.json": json.dumps(node_of(number)) for number in range(1, NODES + 1)}
        yaml_files = {f"node-{number}.yaml": yaml.safe_dump(node_of(number)) for number in range(1, 51)}
        starts = {
            f"{NODES} nodes as JSON": _starts(report, base / "json", json_files, options.starts),
            "50 nodes as YAML": _starts(report, base / "yaml", yaml_files, options.starts),
        }
        report.progress("idle")
        one_node = {"node-1.json": json_files["node-1.json"]}
        with running_agent(base / "idle", one_node) as agent:
            time.sleep(3)  # until what the start began has ended
            idle_memory = resident(agent.pid)
        with (
            pod_namespaces(base / "netns", PODS) as namespaces,
            running_agent(base / "busy", json_files) as agent,
        ):
            report.progress(f"{PODS} pods")
            _add(base, host, agent, namespaces)
            busy_memory = resident(agent.pid)
            report.progress(f"watching an agent with {PODS} pods do nothing for {options.idle:.0f} s")
            before = cpu_seconds(agent.pid)
            time.sleep(options.idle)
            idle_cpu = 100 * (cpu_seconds(agent.pid) - before) / options.idle
    report.table(
        "time until the CNI configuration is published (s)",
        ("cluster", "starts", "min", "median", "max"),
        [
            [what, len(times), *(f"{f(times):.2f}" for f in (min, statistics.median, max))]
            for what, times in starts.items()
        ],
    )
    report.table(
        "memory and CPU",
        ("agent", "RSS (MB)", "CPU (% of a core)"),
        [
            ["1 node, no pod", f"{idle_memory:.1f}", ""],
            [f"{NODES} nodes, {PODS} pods", f"{busy_memory:.1f}", f"{idle_cpu:.3f}"],
        ],
    )
    report.goal("RSS idle (MB)", idle_memory, 50)
    report.goal(f"RSS with {PODS} pods and {NODES} nodes (MB)", busy_memory, 65)
    for what, times in starts.items():
        report.goal(f"start to serving, {what} (s)", statistics.median(times), 1.0)
    report.goal("idle CPU (% of a core)", idle_cpu, 0.2)


def node_of(number: int) -> dict[str, object]:
    return node(f"node-{number}", number, f"198.18.{number // 256}.{number % 256}", f"fd18::{number:x}")


def _starts(report: Report, base: Path, files: dict[str, str], count: int) -> list[float]:
    report.progress(f"{count} starts with {len(files)} nodes")
    times = []
    for number in range(count):
        with running_agent(base / str(number), files) as agent:
            times.append(agent.ready_after)
    return times


def _add(base: Path, host: int, agent: Agent, namespaces: Sequence[str]) -> None:
    conf = base / "conf.json"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "terway-edge", "type": "terway-edge"}))
    contestant = Contestant("ours", host, agent.bin_dir / "terway-edge", conf, agent.environ, list(namespaces), agent)
    for number, netns in enumerate(namespaces):
        one(contestant, "ADD", f"pod-{number}", netns)
