"""One trial: a new switch, a new speaker, and what it took until the switch had every route."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple

from benchmarks.agents import cpu_seconds, resident
from benchmarks.bgp_contestants import ENVIRON, Contestant
from benchmarks.bgp_lan import POLL, Lan, Switch
from benchmarks.bgp_load import Load, groups

TIMEOUT = 180.0  # seconds until the routes must be there
PATIENCE = 10.0  # seconds a speaker may take to end
QUIET = 0.2  # seconds in which late UPDATEs come
MOST_COMPARED = 10_000  # routes; the whole table of more would take FRR longer to show than to learn


class Trial(NamedTuple):
    """Seconds from the start of the process until all routes were in the switch's table; CPU (s) and RSS (MB) of the
    process itself and of all it started until then; UPDATEs with prefixes that the switch took."""

    seconds: float
    cpu: float
    rss: float
    tree_cpu: float
    tree_rss: float
    updates: int


def attempt(lan: Lan, contestant: Contestant, load: Load) -> Trial:
    """Raises RuntimeError if routes are missing, late or wrong."""
    directory = lan.directory / contestant.name
    directory.mkdir(exist_ok=True)
    log = directory / "log"
    command = contestant.command(load, directory)
    with lan.running_switch() as switch:
        start = time.monotonic()
        process = lan.processes.start(command, netns=lan.node, log=log, environ=ENVIRON, cwd=directory)
        try:
            _wait(switch, load, process, log, start + TIMEOUT)
            seconds = time.monotonic() - start
            pids = list(family(process.pid))
            cpu, rss = [cpu_seconds(pid) for pid in pids], [resident(pid) for pid in pids]
            time.sleep(QUIET)
            _compare(switch, load)
            return Trial(seconds, cpu[0], rss[0], sum(cpu), sum(rss), switch.updates)
        finally:
            _stop(process)


def family(pid: int) -> Iterator[int]:
    """A process and all that it started, parents first."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from family(int(child))


def _wait(switch: Switch, load: Load, process: Popen[bytes], log: Path, deadline: float) -> None:
    while (there := switch.prefixes) != load.prefixes:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the switch has {there:,} of {load}; the speaker says:\n{log.read_text()}")
        time.sleep(POLL)


def _stop(process: Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except TimeoutExpired:
        process.kill()
        process.wait()


def _compare(switch: Switch, load: Load) -> None:
    if load.prefixes > MOST_COMPARED:
        return
    expected = {prefix: (hop,) for hop, prefixes in groups(load) for prefix in prefixes}
    if switch.next_hops() != expected:
        raise RuntimeError(f"the switch learned other next hops than it was to learn of {load}")
