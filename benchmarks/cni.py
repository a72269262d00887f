"""Shim and agent against the reference plugins, executed by one runner as a container runtime does.

Every round runs each contestant once, in random order: ADD, then DEL. The reference gets IPv4 only, ours gives IPv4 and
IPv6, announces them and records the lease. The reference and ours have a host namespace each, as a node has one CNI.
Pods' namespaces are made beforehand and used in turn, so that making them is in nobody's figure. CPU is the called
process's and its children's, plus the agent's for ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from benchmarks.agents import Agent, cpu_seconds, node, running_agent, uplink
from benchmarks.report import Report
from benchmarks.sandboxes import enter, own_namespace, pod_namespaces
from terway_edge.cni import installer

REFERENCE = Path("/usr/lib/cni")
PARALLEL = 50
LOAD = 250  # as many pods as a node has
COOLDOWN = 1.0  # seconds


class Call(NamedTuple):
    """Seconds from start to end of one call, and the CPU seconds of its process tree."""

    wall: float
    cpu: float


class Contestant(NamedTuple):
    """`host` is the descriptor of the namespace it runs in."""

    name: str
    host: int
    program: Path
    conf: Path
    environ: dict[str, str]
    namespaces: list[str]
    agent: Agent | None = None


class Running(NamedTuple):
    pid: int
    began: float
    output: int


def start(contestant: Contestant, command: str, container: str, netns: str) -> Running:
    """Execute a plugin with its configuration on stdin, its answer going to a pipe."""
    environ = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(contestant.program.parent),
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME={container};K8S_POD_UID={container}",
        "PATH": os.environ["PATH"],
        **contestant.environ,
    }
    reader, writer = os.pipe()
    enter(contestant.host)
    began = time.monotonic()
    pid = os.posix_spawn(
        contestant.program,
        [str(contestant.program)],
        environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, str(contestant.conf), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writer, 1),
        ],
    )
    os.close(writer)
    return Running(pid, began, reader)


def finish(running: dict[int, Running], what: str) -> tuple[int, Call]:
    """Wait for whichever ends first; a failure ends the bench with what the plugin said."""
    pid, status, usage = os.wait4(-1, 0)
    ended = time.monotonic()
    mine = running.pop(pid)
    output = os.read(mine.output, 1 << 16)
    os.close(mine.output)
    if status:
        raise RuntimeError(f"{what} failed: {output.decode(errors='replace')}")
    return pid, Call(ended - mine.began, usage.ru_utime + usage.ru_stime)


def one(contestant: Contestant, command: str, container: str, netns: str) -> Call:
    running = start(contestant, command, container, netns)
    return finish({running.pid: running}, f"{contestant.name} {command}")[1]


def many(contestant: Contestant, command: str, calls: Sequence[tuple[str, str]]) -> tuple[float, list[Call]]:
    """All calls at once: seconds until the last has ended, and each one's own."""
    began = time.monotonic()
    running = {r.pid: r for r in (start(contestant, command, container, netns) for container, netns in calls)}
    done = [finish(running, f"{contestant.name} {command} in parallel")[1] for _ in calls]
    return time.monotonic() - began, done


def sequential(
    contestants: Sequence[Contestant], rounds: int, progress: Callable[[str], None]
) -> dict[str, list[Call]]:
    """Calls by `NAME VERB`; the agent's CPU is spread evenly over the calls of its contestant."""
    calls: dict[str, list[Call]] = defaultdict(list)
    turns = {c.name: cycle(c.namespaces) for c in contestants}
    order = list(contestants)
    for number in range(rounds):
        random.shuffle(order)
        for contestant in order:
            container, netns = f"{contestant.name}-{number}".replace(" ", "-"), next(turns[contestant.name])
            for verb in ("ADD", "DEL"):
                before = cpu_seconds(contestant.agent.pid) if contestant.agent else 0.0
                call = one(contestant, verb, container, netns)
                extra = cpu_seconds(contestant.agent.pid) - before if contestant.agent else 0.0
                calls[f"{contestant.name} {verb}"].append(call._replace(cpu=call.cpu + extra))
        if number % 100 == 99:
            progress(f"{number + 1} of {rounds} rounds")
    return calls


def parallel(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[float]]:
    """Seconds until all of a batch were done, by `NAME VERB`."""
    walls: dict[str, list[float]] = defaultdict(list)
    turns = {c.name: cycle(c.namespaces) for c in contestants}
    order = list(contestants)
    for number in range(rounds):
        random.shuffle(order)
        for contestant in order:
            batch = [
                (f"{contestant.name}-p{number}-{i}".replace(" ", "-"), next(turns[contestant.name]))
                for i in range(PARALLEL)
            ]
            for verb in ("ADD", "DEL"):
                wall, _ = many(contestant, verb, batch)
                walls[f"{contestant.name} {verb}"].append(wall)
    return walls


def loaded(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[float]]:
    """Seconds of each of 250 ADDs that begin at once, by contestant, in turns. The DELs after them are not measured."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for contestant in contestants:
            time.sleep(COOLDOWN * 1.5)  # the pool has little more than 250
            batch = [(f"{contestant.name}-l{number}-{i}", netns) for i, netns in enumerate(contestant.namespaces)]
            _, calls = many(contestant, "ADD", batch)
            seconds[contestant.name] += [call.wall for call in calls]
            many(contestant, "DEL", batch)
    return seconds


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def run(report: Report, argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench cni")
    parser.add_argument("--rounds", type=int, default=1000, help="sequential ADD and DEL of each contestant")
    parser.add_argument("--batches", type=int, default=10, help="rounds of 50 in parallel")
    parser.add_argument("--loads", type=int, default=4, help="rounds of 250 in parallel")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="terway-edge-bench-") as directory,
        own_namespace() as reference,
        own_namespace() as host,
    ):
        base = Path(directory)
        uplink()
        manifests = {"node-1.json": json.dumps(node("node-1", 1, "198.18.0.1", "fd18::1"))}
        settings = {"ipam": {"cooldown_seconds": COOLDOWN}}
        with (
            pod_namespaces(base / "netns", 4 * LOAD) as namespaces,
            running_agent(base, manifests, settings) as agent,
        ):
            contestants = _contestants(base, (host, reference), agent, namespaces)
            for contestant in contestants:  # warm-up: page cache, bridge, first compile
                for verb in ("ADD", "DEL"):
                    one(contestant, verb, f"warm-{contestant.name}".replace(" ", "-"), contestant.namespaces[-1])
            report.progress("sequential")
            calls = sequential(contestants, options.rounds, report.progress)
            report.progress("50 in parallel")
            walls = parallel(contestants, options.batches)
            report.progress("250 in parallel")
            loads = loaded([each for each in contestants if each.name in ("ours", "bridge")], options.loads)
    _tell(report, calls, walls)
    _tell_loads(report, loads)


def _contestants(base: Path, hosts: tuple[int, int], agent: Agent, namespaces: list[str]) -> list[Contestant]:
    ours = base / "ours.json"
    ours.write_text(json.dumps({"cniVersion": "1.0.0", "name": "terway-edge", "type": "terway-edge"}))
    installer.install_twin(base / "python")
    python_shim = base / "python" / installer.TYPE
    share = len(namespaces) // 4
    groups = [namespaces[i * share : (i + 1) * share] for i in range(4)]
    contestants = [
        Contestant("ours", hosts[0], agent.bin_dir / "terway-edge", ours, agent.environ, groups[0], agent),
        Contestant("ours python", hosts[0], python_shim, ours, agent.environ, groups[1], agent),
    ]
    for kind, group in (("bridge", groups[2]), ("ptp", groups[3])):
        conf = base / f"{kind}.json"
        subnet = {"bridge": "10.200.0.0/20", "ptp": "10.201.0.0/20"}[kind]
        content: dict[str, object] = {
            "cniVersion": "1.0.0",
            "name": kind,
            "type": kind,
            "ipam": {"type": "host-local", "subnet": subnet, "dataDir": str(base / "host-local")},
        }
        if kind == "bridge":
            content |= {"bridge": "cni-bench", "isGateway": True}
        conf.write_text(json.dumps(content))
        contestants.append(Contestant(kind, hosts[1], REFERENCE / kind, conf, {}, group))
    return contestants


def _tell(report: Report, calls: dict[str, list[Call]], walls: dict[str, list[float]]) -> None:
    def walls_of(what: str) -> list[float]:
        return [call.wall for call in calls[what]]

    report.samples = sum(map(len, calls.values())) + PARALLEL * sum(map(len, walls.values()))
    rows = []
    for what, measured in sorted(calls.items(), key=lambda item: item[0].split()[::-1]):
        verb = what.split()[-1]
        seconds = [call.wall for call in measured]
        base = statistics.median(walls_of(f"bridge {verb}"))
        rows.append(
            [
                what,
                len(measured),
                *(f"{percentile(seconds, share) * 1000:.2f}" for share in (0.5, 0.9, 0.99)),
                f"{statistics.mean(call.cpu for call in measured) * 1000:.2f}",
                f"{statistics.median(seconds) / base:.3f}",
            ]
        )
    report.table("one after another (ms)", ("call", "n", "p50", "p90", "p99", "cpu", "p50 / bridge"), rows)
    rows = [
        [what, len(values), f"{statistics.median(values) * 1000:.0f}", f"{max(values) * 1000:.0f}",
         f"{statistics.median(values) / statistics.median(walls[f'bridge {what.split()[-1]}']):.3f}"]
        for what, values in sorted(walls.items(), key=lambda item: item[0].split()[::-1])
    ]  # fmt: skip
    report.table(
        f"{PARALLEL} at once (ms until all are done)", ("calls", "batches", "p50", "max", "p50 / bridge"), rows
    )

    def ratio(ours: str, share: float, verb: str = "ADD") -> float:
        return percentile(walls_of(f"{ours} {verb}"), share) / percentile(walls_of(f"bridge {verb}"), share)

    report.goal("ADD p50 / bridge", ratio("ours", 0.5), 0.15)
    report.goal("ADD p99 / bridge", ratio("ours", 0.99), 0.5)
    report.goal("DEL p50 / bridge", ratio("ours", 0.5, "DEL"), 0.06)
    at_once = statistics.median(walls["ours ADD"]) / statistics.median(walls["bridge ADD"])
    report.goal(f"{PARALLEL} ADDs at once / bridge", at_once, 0.3)
    report.goal("ADD p50 of the Python shim / bridge", ratio("ours python", 0.5), 0.85)


def _tell_loads(report: Report, loads: dict[str, list[float]]) -> None:
    report.samples += sum(map(len, loads.values()))
    rows = [
        [f"{name} ADD", len(values), *(f"{percentile(values, share) * 1000:.0f}" for share in (0.5, 0.99))]
        for name, values in sorted(loads.items())
    ]
    report.table(f"{LOAD} at once (ms of one call)", ("call", "n", "p50", "p99"), rows)
    p99 = percentile(loads["ours"], 0.99) / percentile(loads["bridge"], 0.99)
    report.goal(f"p99 of {LOAD} ADDs at once / bridge", p99, 0.5)
