"""What pods on ENIs cost: the pool's decision, and an ADD from stock against an ADD of the edge backend.

Both backends run in one run, each with its own agent in its own namespace, executed in turns in random order as a
runtime does: whatever disturbs the machine disturbs both. Both give pods IPv4 and IPv6.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.agents import Agent, node, running_agent, uplink
from benchmarks.cni import Call, Contestant, one, percentile, sequential
from benchmarks.eni_node import running_cloud_agent
from benchmarks.eni_pool import decisions
from benchmarks.report import Report
from benchmarks.sandboxes import own_namespace, pod_namespaces

GOAL = 1.25
COOLDOWN = 1  # seconds
NAMESPACES = 100
EDGE, CLOUD = "flannel_route", "terway"
WARM = 20.0  # seconds until the first ADD must succeed


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench eni")
    parser.add_argument("--rounds", type=int, default=1000, help="ADD and DEL of each backend")
    parser.add_argument("--decisions", type=int, default=200, help="decisions in each state")
    options = parser.parse_args(argv)
    decisions(report, options.decisions)
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as directory, _contestants(Path(directory)) as both:
        for contestant in both:
            _warm_up(contestant)
        report.progress("ADD and DEL of both backends in turns")
        calls = sequential(both, options.rounds, report.progress)
    _tell(report, calls)


@contextmanager
def _contestants(base: Path) -> Iterator[list[Contestant]]:
    with (
        pod_namespaces(base / "netns", 2 * NAMESPACES) as namespaces,
        _edge(base / EDGE, namespaces[:NAMESPACES]) as edge,
        _cloud(base / CLOUD, namespaces[NAMESPACES:]) as cloud,
    ):
        yield [edge, cloud]


@contextmanager
def _edge(base: Path, namespaces: list[str]) -> Iterator[Contestant]:
    with own_namespace() as host:
        uplink()
        manifests = {"node-1.json": json.dumps(node("node-1", 1, "198.18.0.1", "fd18::1"))}
        with running_agent(base, manifests, {"ipam": {"cooldown_seconds": COOLDOWN}}) as agent:
            yield _contestant(EDGE, host, base, namespaces, agent)


@contextmanager
def _cloud(base: Path, namespaces: list[str]) -> Iterator[Contestant]:
    with own_namespace() as host:
        uplink()
        with running_cloud_agent(base, (4, 6), COOLDOWN) as agent:
            yield _contestant(CLOUD, host, base, namespaces, agent)


def _contestant(name: str, host: int, base: Path, namespaces: list[str], agent: Agent) -> Contestant:
    conf = base / "conf.json"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "terway-edge", "type": "terway-edge"}))
    return Contestant(name, host, agent.bin_dir / "terway-edge", conf, agent.environ, namespaces, agent)


def _warm_up(contestant: Contestant) -> None:
    """Until the first pod is served, and some more. Raises RuntimeError with what the plugin said."""
    end = time.monotonic() + WARM
    *others, last = contestant.namespaces
    while True:
        try:
            one(contestant, "ADD", "first", last)
        except RuntimeError:
            if time.monotonic() > end:
                raise
        else:
            break
    one(contestant, "DEL", "first", last)
    for number, netns in enumerate(others[-20:]):
        for verb in ("ADD", "DEL"):
            one(contestant, verb, f"warm-{number}", netns)


def _tell(report: Report, calls: dict[str, list[Call]]) -> None:
    report.samples += sum(map(len, calls.values()))
    rows = []
    for verb in ("ADD", "DEL"):
        for name in (EDGE, CLOUD):
            measured = calls[f"{name} {verb}"]
            seconds = [call.wall for call in measured]
            rows.append(
                (
                    f"{name} {verb}",
                    len(measured),
                    *(f"{percentile(seconds, share) * 1000:.2f}" for share in (0.5, 0.9, 0.99)),
                    f"{statistics.mean(call.cpu for call in measured) * 1000:.2f}",
                )
            )
    report.table("one after another, IPv4 and IPv6 (ms)", ("call", "n", "p50", "p90", "p99", "cpu"), rows)
    edge, cloud = ([call.wall for call in calls[f"{name} ADD"]] for name in (EDGE, CLOUD))
    report.goal("ADD from stock p50 / flannel_route", statistics.median(cloud) / statistics.median(edge), GOAL)
