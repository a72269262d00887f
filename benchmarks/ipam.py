"""Allocate and release: how fast, and that neither the size nor the fill of a pool matters.

One pair is one allocation and its release. Every round measures every case once, so that what else the machine does
hits all of them; a case's ratio is taken within each round, against the first pool when empty. Decisions wait for
nothing, so they are measured in CPU time, which other processes disturb less; the journal in wall time.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from benchmarks.report import Report
from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.ipam import COOLDOWN, Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.ports import Stored
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.memory_store import MemoryStore

PAIRS = 1000
MOST_LEASES = 100_000  # a /64 cannot be filled; this many stand for it
FILLS = (0, 50, 99)
POOLS = ("10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/12", "2001:db8::/64")


class Case(NamedTuple):
    pool: str
    fill: str
    ipam: Ipam
    clock: FakeClock


def run(report: Report, argv: Sequence[str]) -> None:
    """The goals are pairs per second of the decision alone and through the journal, and the flatness."""
    parser = argparse.ArgumentParser(prog="./dev bench ipam")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--pools", nargs="+", default=POOLS, metavar="CIDR", help="ratios are against the first one")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as folder:
        _decisions(report, options.pools, options.rounds)
        _journal(report, Path(folder), options.rounds)


def _decisions(report: Report, pools: Sequence[str], rounds: int) -> None:
    cases = [case for pool in pools for case in _cases(report, pool)]
    sandboxes = [_sandbox(f"new-{n}") for n in range(PAIRS)]
    gc.collect()
    gc.freeze()  # millions of old leases would be walked again and again, which measures the collector
    report.progress(f"{rounds} rounds of {PAIRS} pairs for {len(cases)} pools")
    seconds = [
        [_pairs(case.ipam, case.clock, case.pool, sandboxes, process_time) for case in cases] for _ in range(rounds)
    ]
    gc.unfreeze()
    report.samples += rounds * PAIRS * len(cases)
    rates = [median(PAIRS / row[n] for row in seconds) for n in range(len(cases))]
    ratios = [median(row[n] / row[0] for row in seconds) for n in range(len(cases))]
    rows = [(c.pool, c.fill, rate, ratio) for c, rate, ratio in zip(cases, rates, ratios, strict=True)]
    report.table("decision alone (store in memory)", ("pool", "fill", "pairs/CPU s", "time / first"), rows)
    report.goal("decision alone, slowest pool [pairs/CPU s]", min(rates), 50_000, "higher")
    report.goal("slowest pool / fastest pool", max(ratios) / min(ratios), 1.5)


def _cases(report: Report, pool: str) -> Iterator[Case]:
    prefix = Prefix.parse(pool)
    usable = prefix.size - 2
    counts = {f"{fill} %": usable * fill // 100 for fill in FILLS}
    if usable > 1 << 20:
        counts = {"0 %": 0, f"{MOST_LEASES:,} leases": MOST_LEASES}
    report.progress(f"filling {pool}")
    leases = [_lease(prefix, n) for n in range(max(counts.values()))]
    for fill, count in counts.items():
        clock = FakeClock()
        ipam = Ipam(MemoryStore(), clock)
        ipam.load(Stored(tuple(leases[:count])))
        ipam.add_pool(pool, prefix)
        yield Case(pool, fill, ipam, clock)


def _journal(report: Report, folder: Path, rounds: int) -> None:
    report.progress("through the journal")
    journal, _ = Journal.open(folder / "leases.journal", "bench", marker=folder / "marker")
    clock = FakeClock()
    ipam = Ipam(journal, clock)
    prefix = Prefix.parse("10.0.0.0/24")
    ipam.add_pool("pool", prefix)
    for n in range(110):
        ipam.allocate(_sandbox(f"held-{n}"), "bench", ["pool"])
    sandboxes = [_sandbox(f"new-{n}") for n in range(PAIRS)]
    rates = [PAIRS / _pairs(ipam, clock, "pool", sandboxes, perf_counter) for _ in range(rounds)]
    journal.close()
    report.samples += rounds * PAIRS
    report.goal("through the journal [pairs/s]", median(rates), 5_000, "higher")
    rows = [(count, _open_milliseconds(folder, count)) for count in (250, 10_000)]
    report.table("opening the journal after a restart", ("leases", "ms"), rows)


def _open_milliseconds(folder: Path, count: int) -> float:
    path, marker = folder / f"{count}.journal", folder / "marker"
    journal, _ = Journal.open(path, "bench", marker=folder / "none" / "marker")
    for n in range(count):
        journal.put(_lease(Prefix.parse("10.0.0.0/8"), n))
    journal.close()
    start = perf_counter()
    journal, stored = Journal.open(path, "bench", marker=marker)
    elapsed = perf_counter() - start
    journal.close()
    assert len(stored.leases) == count
    return elapsed * 1000


def _pairs(
    ipam: Ipam, clock: FakeClock, pool: str, sandboxes: Sequence[Sandbox], timer: Callable[[], float]
) -> float:  # fmt: skip
    """Seconds for one allocation and release of each sandbox, a cool-down apart."""
    start = timer()
    for sandbox in sandboxes:
        clock.advance(COOLDOWN)
        ipam.release(ipam.allocate(sandbox, "bench", (pool,)))
    return timer() - start


def _sandbox(name: str) -> Sandbox:
    return Sandbox(name, "eth0", "/run/netns/cni", "default", name, name)


def _lease(prefix: Prefix, number: int) -> Lease:
    return Lease(_sandbox(f"{number:x}"), (Address(prefix.family, prefix.first + 1 + number),), "bench", ("pool",), 1.0)
