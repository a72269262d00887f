"""A pytest plugin that runs mutants of terway_edge.core instead of tests: `./dev mutants`, docs/explanation/testing.md.

mutmut makes the mutants. The tests are collected once; each mutant is a fork of this process in which one function
has other code, and which runs the tests that call the function, the quick ones first, until one fails. What runs while
modules are imported has no mutants: constants, class bodies, decorators.

MUTANTS_OF names modules below terway_edge/core, with commas (`ipam,planner/network`), and MUTANTS_OUT the file that
gets a line of JSON for each; of two for one mutant the later one counts. Those that it says are killed are not run
again: remove the file when sources have changed.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings
from libcst import FunctionDef, parse_module
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

import terway_edge.core

CORE = Path(terway_edge.core.__file__).parent
AT_ONCE = int(os.environ.get("MUTANTS_AT_ONCE", "2"))
SURVIVED, KILLED, UNFIT = 0, 1, 3  # statuses of a fork
FACTOR, EXTRA = 5, 10  # a fork has so many times what its tests take without a mutant, and so many seconds

# A counter-example is enough, nobody reads it.
settings.register_profile(
    "mutants", derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)

Place = tuple[str, str, int]
"""Of a function: file, qualified name, first line."""


class Mutant(NamedTuple):
    name: str
    was: str
    now: str
    place: Place
    code: CodeType

    def row(self, outcome: str, killer: str = "") -> dict[str, Any]:
        _, function, line = self.place
        return {
            "name": self.name, "function": function, "line": line, "was": self.was, "now": self.now,
            "outcome": outcome, "killer": killer,
        }  # fmt: skip


class Measured(NamedTuple):
    """Seconds by test, for those that pass, and the tests that call a function."""

    seconds: dict[str, float]
    calling: dict[Place, list[str]]


def place(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def functions(source: str, path: Path) -> dict[Place, CodeType]:
    """Top-level functions and methods."""
    found: dict[Place, CodeType] = {}

    def look(code: CodeType) -> None:
        for each in code.co_consts:
            if isinstance(each, CodeType) and "<" not in each.co_qualname:
                found[place(each)] = each
                look(each)

    look(compile(source, str(path), "exec", dont_inherit=True))
    return {at: code for at, code in found.items() if "__qualname__" not in code.co_names}  # no class bodies


def mutants(module: str) -> Iterator[Mutant]:
    path = CORE / f"{module}.py"
    source = path.read_text()
    visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
    tree = MetadataWrapper(parse_module(source)).visit(visitor)
    originals = functions(source, path)
    for number, each in enumerate(visitor.mutations):
        if not isinstance(each.contained_by_top_level_function, FunctionDef):
            continue
        text = tree.deep_replace(each.original_node, each.mutated_node).code
        try:
            changed = functions(text, path)
        except SyntaxError:
            continue
        # Later functions may have moved; the first that differs is the one.
        at = next((at for at, code in originals.items() if at not in changed or changed[at] != code), None)
        if at is not None and at in changed:
            texts = tree.code_for_node(each.original_node), tree.code_for_node(each.mutated_node)
            yield Mutant(f"{module}:{number}", *texts, at, changed[at])


class Loaded:
    """The functions of the core in this process, and what remembers results."""

    def __init__(self) -> None:
        objects = gc.get_objects()
        self._caches = [each for each in objects if isinstance(each, _lru_cache_wrapper)]
        self._functions: dict[Place, list[FunctionType]] = defaultdict(list)
        for each in objects:
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(str(CORE)):
                self._functions[place(each.__code__)].append(each)

    def swap(self, mutant: Mutant) -> bool:
        """Put the mutant's code in the place of the original's; False if it does not fit."""
        found = self._functions.get(mutant.place, [])
        try:
            for function in found:
                function.__code__ = mutant.code
        except ValueError:  # it has other free variables
            return False
        for each in self._caches:
            each.cache_clear()
        return bool(found)


class Runner:
    """Runs chosen tests of a session."""

    def __init__(self, session: pytest.Session) -> None:
        self.items = {item.nodeid: item for item in session.items}
        self.on_report: Callable[[pytest.TestReport], None] = lambda _: None
        session.config.pluginmanager.register(self, "mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.on_report(report)

    def run(self, nodeids: list[str]) -> None:
        for nodeid, after in zip(nodeids, [*nodeids[1:], None], strict=True):
            item = self.items[nodeid]
            item.ihook.pytest_runtest_protocol(item=item, nextitem=self.items[after] if after else None)

    def measure(self) -> Measured:
        """In a fork, for tests leave things behind."""
        with tempfile.NamedTemporaryFile() as file:
            if (pid := os.fork()) == 0:
                silence()
                Path(file.name).write_bytes(pickle.dumps(self._measure()))
                os._exit(0)
            os.waitpid(pid, 0)
            return Measured(*pickle.loads(Path(file.name).read_bytes()))

    def _measure(self) -> Measured:
        failed: list[str] = []
        self.on_report = lambda report: failed.append(report.nodeid) if report.failed else None
        measured = Measured({}, defaultdict(list))
        called: set[Place] = set()

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(str(CORE)):
                called.add(place(frame.f_code))

        for nodeid in self.items:
            called.clear()
            failed.clear()
            began = time.monotonic()
            threading.setprofile(note)
            sys.setprofile(note)
            self.run([nodeid])
            sys.setprofile(None)
            threading.setprofile(None)
            if not failed:
                measured.seconds[nodeid] = time.monotonic() - began
                for at in list(called):
                    measured.calling[at].append(nodeid)
        return measured

    def fork(self, mutant: Mutant, loaded: Loaded, nodeids: list[str], seconds: float, killer: Path) -> int:
        """Start a mutant; its process id. The test that killed it is written to KILLER.PID."""
        if pid := os.fork():
            return pid
        try:
            signal.alarm(int(seconds * FACTOR + EXTRA))
            silence()
            if not loaded.swap(mutant):
                os._exit(UNFIT)

            def stop(report: pytest.TestReport) -> None:
                if report.failed:
                    Path(f"{killer}.{os.getpid()}").write_text(report.nodeid)
                    os._exit(KILLED)

            self.on_report = stop
            self.run(nodeids)
            os._exit(SURVIVED)
        except BaseException:  # noqa: BLE001 - whatever a mutant throws, even at pytest, is noticed
            os._exit(KILLED)


def silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(null, each)


class Books:
    """The file with a line for each mutant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self._killed = {identity(row) for row in rows if row["outcome"] in ("killed", "late")}
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def is_killed(self, mutant: Mutant) -> bool:
        """Count it as killed if it stands so here."""
        known = identity(mutant.row("")) in self._killed
        if known:
            self._count(mutant, "killed")
        return known

    def record(self, mutant: Mutant, outcome: str, killer: str = "") -> None:
        self._count(mutant, outcome)
        with self.path.open("a") as file:
            file.write(json.dumps(mutant.row(outcome, killer)) + "\n")

    def _count(self, mutant: Mutant, outcome: str) -> None:
        self._counts[mutant.name.split(":")[0]][outcome] += 1

    def report(self) -> None:
        for module, counts in self._counts.items():
            killed, every = counts["killed"] + counts["late"], counts.total() - counts["unfit"]
            print(f"{module:24} {every:5} mutants {killed:5} killed {100 * killed / max(every, 1):6.1f} %")


def identity(row: dict[str, Any]) -> tuple[str, ...]:
    return row["name"], row["function"], row["was"], row["now"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    runner, books = Runner(session), Books(Path(os.environ["MUTANTS_OUT"]))
    seconds, calling = runner.measure()
    print(f"{len(seconds)} of {len(runner.items)} tests pass without mutants", flush=True)
    loaded = Loaded()
    gc.freeze()
    running: dict[int, Mutant] = {}

    def reap() -> None:
        pid, status = os.wait()
        mutant, killer = running.pop(pid), Path(f"{books.path}.{pid}")
        outcomes = {SURVIVED: "survived", KILLED: "killed", UNFIT: "unfit", -signal.SIGALRM: "late"}
        outcome = outcomes.get(os.waitstatus_to_exitcode(status), "killed")
        books.record(mutant, outcome, killer.read_text() if killer.exists() else "")
        killer.unlink(missing_ok=True)

    for module in os.environ["MUTANTS_OF"].split(","):
        for mutant in mutants(module):
            chosen = sorted(calling.get(mutant.place, ()), key=seconds.__getitem__)
            if books.is_killed(mutant):
                continue
            if not chosen:
                books.record(mutant, "untested")
            else:
                while len(running) >= AT_ONCE:
                    reap()
                pid = runner.fork(mutant, loaded, chosen, sum(map(seconds.__getitem__, chosen)), books.path)
                running[pid] = mutant
    while running:
        reap()
    books.report()
    return True
