"""The speaker against ExaBGP 5 and BIRD 2: how soon a switch (FRR) has all routes, at what cost, in how many UPDATEs.
Then: how soon one node more or less is on the wire.

Every trial has a new switch and a new speaker; rounds are interleaved, each begun by another speaker. Needs root.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.bgp_changes import NODES, measure_changes
from benchmarks.bgp_contestants import CONTESTANTS
from benchmarks.bgp_lan import Lan, lan
from benchmarks.bgp_load import Load
from benchmarks.bgp_trials import Trial, attempt
from benchmarks.report import Report

ONE_K, TEN_K, HUNDRED_K = Load(1_000, 1_000), Load(10_000, 10_000), Load(100_000, 240)  # FRR stalls on more next hops
ROUNDS = {ONE_K: 5, TEN_K: 5, HUNDRED_K: 3}
BUDGET = 240.0  # seconds after which no further round begins
CHANGES = 500

Rounds = list[dict[str, Trial]]
"""The trial of every contestant, round by round."""


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench bgp", description=__doc__)
    parser.add_argument("--changes", type=int, default=CHANGES, help="nodes added and removed")
    options = parser.parse_args(argv)
    deadline = time.monotonic() + BUDGET
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as folder, lan(Path(folder)) as between:
        report.progress(f"{options.changes} changes among {NODES.prefixes:,} nodes")
        changes = sorted(measure_changes(between, options.changes))
        found = {load: _rounds(report, between, load, deadline) for load in ROUNDS}
    columns = ("routes", "next hops", "speaker", "rounds", "s", "CPU s", "RSS MB", "UPDATEs")
    rows = [row for load, rounds in found.items() for row in _rows(load, rounds)]
    report.table("until FRR has all routes (medians)", columns, rows)
    _goals(report, found)
    p50, p99 = changes[len(changes) // 2] * 1e3, changes[len(changes) * 99 // 100] * 1e3
    report.table(
        f"one node of {NODES.prefixes:,} added or removed, Speaker.want to UPDATE read by the peer",
        ("changes", "p50 ms", "p99 ms", "max ms"),
        [(len(changes), p50, p99, changes[-1] * 1e3)],
    )
    report.goal("a change is on the wire, p99 (ms)", p99, 100)
    report.samples += len(changes)


def _rounds(report: Report, between: Lan, load: Load, deadline: float) -> Rounds:
    rounds: Rounds = []
    while len(rounds) < ROUNDS[load] and (not rounds or time.monotonic() < deadline):
        first = len(rounds) % len(CONTESTANTS)
        report.progress(f"{load}, round {len(rounds) + 1} of {ROUNDS[load]}")
        order = (*CONTESTANTS[first:], *CONTESTANTS[:first])
        rounds.append({contestant.name: attempt(between, contestant, load) for contestant in order})
        report.samples += len(order)
    return rounds


def _rows(load: Load, rounds: Rounds) -> Iterator[tuple[object, ...]]:
    for name in (contestant.name for contestant in CONTESTANTS):
        middle = Trial(*map(median, zip(*(trials[name] for trials in rounds), strict=True)))
        costs = {name: (middle.cpu, middle.rss)}
        if middle.tree_rss > middle.rss:
            costs[f"{name}, with its feed"] = (middle.tree_cpu, middle.tree_rss)
        for who, cost in costs.items():
            yield (*load, who, len(rounds), middle.seconds, *cost, int(middle.updates))


def _goals(report: Report, found: dict[Load, Rounds]) -> None:
    for load, other, most in ((TEN_K, "exabgp", 0.15), (TEN_K, "bird", 0.5), (HUNDRED_K, "exabgp", 0.08)):
        ratio = median(trials["ours"].seconds / trials[other].seconds for trials in found[load])
        report.goal(f"{load.prefixes:,} routes / {other}", ratio, most)
    memory = median(trials["ours"].rss / trials["exabgp"].rss for trials in found[TEN_K])
    report.goal(f"RSS with {TEN_K.prefixes:,} routes / exabgp", memory, 0.4)
    for load, rounds in found.items():
        report.goal(f"UPDATEs for {load}", max(trials["ours"].updates for trials in rounds), load.most_updates)
