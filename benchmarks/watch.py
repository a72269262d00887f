"""What it costs to follow 5,000 Nodes that change 100 times a second, and how soon a change is in force.

An API server double, in a process and a namespace of its own, serves the Nodes over HTTPS: to a real agent with
flannel_route and bgp in another namespace, and, at the same time, to our source alone and to the informer of the
`kubernetes` client. Few changes are of what networking uses, in a storm at the end more, the others are heartbeats.
Needs root.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bgp_lan import lan
from benchmarks.report import Report
from benchmarks.watch_contestants import CONTESTANTS
from benchmarks.watch_nodes import CHANGES, NODES
from benchmarks.watch_run import AGENT, Found, Load, measure

STEADY, STORM = Load(48, 200), Load(12, 20)
COUNTED = ("samples", "p50 ms", "p99 ms", "max ms")


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench watch", description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES, help="how many Nodes there are")
    parser.add_argument("--seconds", type=float, default=STEADY.seconds, help="how long they change")
    options = parser.parse_args(argv)
    loads = (STEADY._replace(seconds=options.seconds), STORM)
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as folder, lan(Path(folder)) as between:
        found = measure(report, between, options.nodes, loads)
    tell(report, found, options.nodes)


def tell(report: Report, found: Found, nodes: int) -> None:
    """Tables and goals of a steady load and a storm."""
    steady, storm = found.stages
    rows = [
        (who, found.lists.get(who, ""), percent, percent * 10 / CHANGES, storm.percent[who], found.rss[who])
        for who, percent in steady.percent.items()
    ]
    columns = ("follower", "list CPU s", "% of a core", "CPU ms a change", "% in a storm", "RSS MB")
    shares = f"1 in {STEADY.every} of them real, in a storm 1 in {STORM.every}"
    report.table(f"{nodes:,} Nodes, {CHANGES} changes/s, {shares}", columns, rows)
    named = [
        ("write to kernel route", steady.kernel, storm.kernel),
        ("write to UPDATE read by the peer", steady.wire, storm.wire),
        ("event loop late", steady.lags, storm.lags),
    ]
    report.table(
        "the agent",
        ("what", *COUNTED, *(f"storm: {each}" for each in COUNTED)),
        [(what, *spread(one), *spread(other)) for what, one, other in named],
    )
    ours, informer = CONTESTANTS
    report.goal(f"list of {nodes:,} Nodes (CPU s)", found.lists[ours], 0.6)
    report.goal("agent's CPU (% of a core)", steady.percent[AGENT], 5)
    report.goal("event loop late, p99 (ms)", spread(steady.lags)[2], 50)
    report.goal("a change is in the kernel, p99 (ms)", spread(steady.kernel)[2], 1000)
    report.goal("a change is on the wire, p99 (ms)", spread(steady.wire)[2], 1000)
    report.goal("CPU of a list / informer", found.lists[ours] / found.lists[informer], 0.15)
    report.goal("CPU of the changes / informer", steady.percent[ours] / steady.percent[informer], 0.15)
    report.samples += sum(len(stage.kernel) + len(stage.wire) + len(stage.lags) for stage in found.stages)


def spread(seconds: Sequence[float]) -> tuple[int, float, float, float]:
    """How many; p50, p99 and the greatest in ms."""
    ordered = sorted(seconds)
    count = len(ordered)
    return count, ordered[count // 2] * 1e3, ordered[count * 99 // 100] * 1e3, ordered[-1] * 1e3
