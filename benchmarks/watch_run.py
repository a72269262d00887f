"""One run of the watch bench: its processes, and what they tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.agents import cpu_seconds, resident
from benchmarks.bgp_contestants import ROOT
from benchmarks.bgp_lan import Lan
from benchmarks.report import Report
from benchmarks.watch_arrivals import Arrivals, Peer, Real, on_route
from benchmarks.watch_contestants import CONTESTANTS
from benchmarks.watch_nodes import IN_LAN, LAN6_LENGTH, NODE6, OWN, SWITCH6, What
from terway_edge.kernel import LinuxKernel
from terway_edge.lab.layout import netns_path
from terway_edge.lab.topology import batch

AGENT = "agent"
SERVING = 30.0  # seconds an agent may take until it serves
LAST = 3.0  # seconds the last changes have to arrive


class Load(NamedTuple):
    """So many seconds of changes, one in `every` of them a real one."""

    seconds: float
    every: int


SETTLE = Load(3, 100)
"""Nobody measures it."""


class Stage(NamedTuple):
    """What was found while a load lasted: per cent of a core by follower; seconds until changes arrived, and by which
    the agent's event loop was late."""

    percent: Mapping[str, float]
    kernel: list[float]
    wire: list[float]
    lags: list[float]


class Found(NamedTuple):
    """CPU seconds of the first list, and MB at the end, by follower; what each stage told."""

    lists: Mapping[str, float]
    rss: Mapping[str, float]
    stages: list[Stage]


class Talker:
    """A process that is spoken to in lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def hear(self) -> str:
        """Its next line. Raises RuntimeError if it has ended."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"a process of the bench ended: {self._process.args!r}")
        return line.rstrip()

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def ask(self) -> float:
        self.say("")
        return float(self.hear())


class Site:
    """All processes of a run; `closing` ends them."""

    def __init__(self, report: Report, lan: Lan, nodes: int, closing: ExitStack) -> None:
        report.progress(f"an API server with {nodes:,} Nodes")
        kubeconfig = lan.directory / "kubeconfig"
        self._server = closing.enter_context(_talking(lan, "watch_cluster", nodes, kubeconfig))
        self._server.hear()
        self._followers: dict[str, Talker] = {}
        self.lists: dict[str, float] = {}
        for who in CONTESTANTS:
            report.progress(f"{who}: list")
            command = ("watch_contestants", who, kubeconfig, lan.directory / who, nodes)
            self._followers[who] = closing.enter_context(_talking(lan, *command))
            self.lists[who] = float(self._followers[who].hear())
        report.progress("an agent")
        self.routes, self.peer, self.lags = Arrivals(), Peer(lan.switch), lan.directory / "lags"
        closing.callback(self.peer.close)
        self._agent = closing.enter_context(_agent(lan, kubeconfig, self.lags))
        self.peer.arrivals.wait_for(2 * min(IN_LAN, nodes))
        kernel = LinuxKernel(str(netns_path(lan.node)))
        closing.callback(kernel.close)
        closing.callback(kernel.subscribe(partial(on_route, self.routes)).close)

    def change(self, load: Load) -> list[Real]:
        """Returns once all was changed."""
        self._server.say(f"{load.seconds} {load.every}")
        found = []
        while (line := self._server.hear()) != "end":
            at, what, number = line.split()
            found.append(Real(int(at), What(what), int(number)))
        return found

    def cpu(self) -> dict[str, float]:
        """CPU seconds of the agent and of each contestant so far."""
        return {AGENT: cpu_with_children(self._agent)} | {who: each.ask() for who, each in self._followers.items()}

    def rss(self) -> dict[str, float]:
        return {AGENT: resident(self._agent)} | {who: resident(each.pid) for who, each in self._followers.items()}


class _Span(NamedTuple):
    """One load: from when to when (ns of the monotonic clock), and the real changes."""

    began: int
    ended: int
    percent: dict[str, float]
    reals: list[Real]


def measure(report: Report, lan: Lan, nodes: int, loads: Sequence[Load]) -> Found:
    """Raises RuntimeError if a process ends, or a change does not arrive."""
    with ExitStack() as closing:
        site = Site(report, lan, nodes, closing)
        site.change(SETTLE)
        spans = [_span(report, site, load) for load in loads]
        rss = site.rss()
        time.sleep(LAST)
    lags = [(int(at), float(late)) for at, late in map(str.split, site.lags.read_text().splitlines())]
    stages = [
        Stage(
            span.percent,
            site.routes.latencies(span.reals),
            site.peer.arrivals.latencies(span.reals),
            [late for at, late in lags if span.began <= at <= span.ended],
        )
        for span in spans
    ]
    return Found(site.lists, rss, stages)


def _span(report: Report, site: Site, load: Load) -> _Span:
    report.progress(f"{load.seconds:.0f} s of changes, one in {load.every} real")
    before, began = site.cpu(), time.monotonic_ns()
    reals = site.change(load)
    after, ended = site.cpu(), time.monotonic_ns()
    return _Span(began, ended, {who: 100e9 * (after[who] - before[who]) / (ended - began) for who in before}, reals)


def cpu_with_children(pid: int) -> float:
    """CPU seconds of a process so far and, in steps of a clock tick, of those it ran to their end (`nft`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = sum(map(int, fields[13:15]))  # cutime and cstime: proc_pid_stat(5)
    return cpu_seconds(pid) + children / os.sysconf("SC_CLK_TCK")


@contextmanager
def _talking(lan: Lan, module: str, *arguments: object) -> Iterator[Talker]:
    """A process of the bench in the switch's namespace."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    process = subprocess.Popen(
        ["nsenter", f"--net={netns_path(lan.switch)}", *command],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield Talker(process)
        finally:
            process.kill()


@contextmanager
def _agent(lan: Lan, kubeconfig: Path, lags: Path) -> Iterator[int]:
    """The process id of an agent that serves."""
    _add_ipv6(lan)
    base = lan.directory / "agent"
    for directory in ("bin", "net.d"):
        (base / directory).mkdir(parents=True)
    config = {
        "node_name": OWN,
        "run_dir": str(base / "run"),
        "state_dir": str(base / "state"),
        "cluster": {"source": "api", "kubeconfig": str(kubeconfig)},
        "cni": {"bin_dir": str(base / "bin"), "conf_dir": str(base / "net.d")},
    }
    (base / "config.json").write_text(json.dumps(config))
    command = [
        sys.executable,
        "-m",
        "benchmarks.watch_agent",
        str(lags),
        "agent",
        "--config",
        str(base / "config.json"),
    ]
    process = lan.processes.start(command, netns=lan.node, log=base / "log", cwd=ROOT)
    try:
        deadline = time.monotonic() + SERVING
        while not (base / "net.d" / "10-terway-edge.conflist").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the agent does not serve:\n{(base / 'log').read_text()}")
            time.sleep(0.01)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _add_ipv6(lan: Lan) -> None:
    for netns, address in ((lan.switch, SWITCH6), (lan.node, NODE6)):
        batch(netns, [f"address add {address}/{LAN6_LENGTH} dev lan nodad"], lan.processes)
    batch(lan.node, [f"route add default via {SWITCH6}"], lan.processes)
