"""Routes into the kernel, exchanged and out again: we against `ip -batch`, in a network namespace of the bench's own;
then how soon the agent puts back what a stranger removes.

Our time includes making the plan from FibRoute objects and packing every message; ip(8) reads a file written
beforehand and sends each route by itself. Rounds are interleaved, in turn one or the other first. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.flushes import measure_repairs
from benchmarks.report import Report
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import HOST, PROTO, Change, FibRoute, Plan, Step, Verb, Where
from terway_edge.kernel import LinuxKernel

LINK = 50
HOPS = 250
OPERATIONS = ("install", "replace", "remove")
ROUNDS = {1_000: 9, 10_000: 7, 100_000: 3}

Run = Callable[[], None]
Samples = dict[str, list[tuple[float, float]]]
"""By operation: (seconds of ours, seconds of ip)."""


class Dump(NamedTuple):
    """Seconds of one dump; `cpu` is our thread's time, the kernel's work for it included."""

    ours: float
    cpu: float
    theirs: float


class Contestant(NamedTuple):
    """One way to do the operations, in their order."""

    name: str
    runs: tuple[Run, ...]


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks routes", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of routes, with commas between them")
    options = parser.parse_args(argv)
    times = sorted(measure_repairs(report))
    rows: list[tuple[object, ...]] = []
    with _host() as netns, tempfile.TemporaryDirectory() as folder:
        kernel = LinuxKernel(f"/run/netns/{netns}")
        try:
            for size in map(int, options.sizes.split(",")):
                samples, dumps = _measure(report, kernel, netns, Path(folder), size)
                for operation, pairs in samples.items():
                    rows.append(_row(size, operation, pairs))
                    ratio = median(ours / theirs for ours, theirs in pairs)
                    report.goal(f"{operation} {size:,} routes / ip -batch", ratio, 1.0)
                rows.append(_row(size, "dump (ip -j)", [(dump.ours, dump.theirs) for dump in dumps]))
                cpu = median(dump.cpu for dump in dumps)
                rows.append((size, "dump, CPU", cpu * 1e3, "", cpu / size * 1e6, "", ""))
                report.goal(f"dump {size:,} routes / ip -j", median(dump.ours / dump.theirs for dump in dumps), 1.0)
        finally:
            kernel.close()
    columns = ("routes", "operation", "ours ms", "ip ms", "ours us/route", "ip us/route", "ratio")
    report.table("routes in the kernel (medians)", columns, rows)
    p50, p99 = median(times) * 1e3, times[len(times) * 99 // 100] * 1e3
    report.table(
        "a route removed by a stranger is back after", ("routes", "p50 ms", "p99 ms"), [(len(times), p50, p99)]
    )
    report.goal("a flushed route is back, p50 (ms)", p50, 5)
    report.goal("a flushed route is back, p99 (ms)", p99, 50)


def _row(size: int, operation: str, pairs: list[tuple[float, float]]) -> tuple[object, ...]:
    ours, theirs = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(mine / other for mine, other in pairs)
    return size, operation, ours * 1e3, theirs * 1e3, ours / size * 1e6, theirs / size * 1e6, ratio


def _measure(report: Report, kernel: LinuxKernel, netns: str, folder: Path, size: int) -> tuple[Samples, list[Dump]]:
    first, second = _routes(size, 0), _routes(size, 1)
    contestants = [_ours(kernel, first, second), _ip(netns, folder, first, second)]
    samples: Samples = {operation: [] for operation in OPERATIONS}
    dumps: list[Dump] = []
    rounds = ROUNDS.get(size, 5)
    for number in range(rounds):
        report.progress(f"{size:,} routes, round {number + 1} of {rounds}")
        order = contestants if number % 2 == 0 else contestants[::-1]
        times: dict[str, list[float]] = {}
        for contestant in order:
            times[contestant.name] = _round(kernel, netns, contestant, size, dumps)
        for at, operation in enumerate(OPERATIONS):
            samples[operation].append((times["ours"][at], times["ip"][at]))
        report.samples += len(OPERATIONS) * len(contestants)
    return samples, dumps


def _round(kernel: LinuxKernel, netns: str, contestant: Contestant, size: int, dumps: list[Dump]) -> list[float]:
    """Seconds of each operation; what each should have done is counted, or the time would be worth nothing."""
    times = []
    for operation, work in zip(OPERATIONS, contestant.runs, strict=True):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        expected = 0 if operation == "remove" else size
        dump = _dump(kernel, netns, expected)
        if operation == "replace":
            dumps.append(dump)
    return times


def _dump(kernel: LinuxKernel, netns: str, expected: int) -> Dump:
    start, used = time.perf_counter(), time.thread_time()
    found = kernel.dump(FibRoute, Where(proto=PROTO, family=4))
    ours, cpu = time.perf_counter() - start, time.thread_time() - used
    command = ["nsenter", f"--net=/run/netns/{netns}", "ip", "-4", "-j", "route", "show", "proto", str(PROTO)]
    start = time.perf_counter()
    shown = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    theirs = time.perf_counter() - start
    if not len(found) == len(shown) == expected:
        raise RuntimeError(f"{expected} routes expected, we see {len(found)}, ip sees {len(shown)}")
    return Dump(ours, cpu, theirs)


def _routes(size: int, shift: int) -> list[FibRoute]:
    """/24s from 20.0.0.0 on; `shift` changes the next hop of each."""
    base, hop = 20 << 24, (172 << 24) + (16 << 16) + 2
    return [
        FibRoute(Prefix(4, base + (number << 8), 24), Address(4, hop + (number + shift) % HOPS), LINK)
        for number in range(size)
    ]


def _ours(kernel: LinuxKernel, first: list[FibRoute], second: list[FibRoute]) -> Contestant:
    def apply(verb: Verb, routes: list[FibRoute]) -> None:
        changes = tuple([Change(verb, route) for route in routes])
        if failures := kernel.apply(Plan((Step(HOST, changes),), atomic=False)):
            raise RuntimeError(f"the kernel refused {len(failures)} routes, first: {failures[0]}")

    work = ((Verb.ADD, first), (Verb.REPLACE, second), (Verb.REMOVE, second))
    return Contestant("ours", tuple(partial(apply, verb, routes) for verb, routes in work))


def _ip(netns: str, folder: Path, first: list[FibRoute], second: list[FibRoute]) -> Contestant:
    def written(word: str, routes: list[FibRoute]) -> Run:
        path = folder / f"{word}-{len(routes)}"
        lines = (f"route {word} {route.prefix} via {route.via} dev v0 proto {PROTO}\n" for route in routes)
        path.write_text("".join(lines))
        command = ["nsenter", f"--net=/run/netns/{netns}", "ip", "-batch", str(path)]
        return partial(_call, command)

    return Contestant("ip", (written("add", first), written("replace", second), written("del", second)))


@contextmanager
def _host() -> Iterator[str]:
    """A namespace with a link whose network holds the next hops."""
    name = f"twt-bench-{os.getpid()}"
    _call(["ip", "netns", "add", name])
    try:
        enter = ["nsenter", f"--net=/run/netns/{name}", "ip"]
        _call([*enter, "link", "add", "v0", "index", str(LINK), "type", "veth", "peer", "name", "v1"])
        _call([*enter, "link", "set", "v0", "up"])
        _call([*enter, "link", "set", "v1", "up"])
        _call([*enter, "addr", "add", "172.16.0.1/16", "dev", "v0"])
        yield name
    finally:
        _call(["ip", "netns", "delete", name])


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
