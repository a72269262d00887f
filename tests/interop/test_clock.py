"""No step of the wall clock reaches a session."""

from __future__ import annotations

import ast
import importlib.util
import time
from pathlib import Path

from terway_edge.agent.clock import BootClock

START = "terway_edge.backends.bgp.speaker"
CLOCKS = {"time", "datetime", "sched"}


def imports_of(module: str) -> set[str]:
    """What a module imports when it runs, by full name."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def test_s44_all_that_a_session_runs_on_is_told_the_time() -> None:
    waiting, seen = {START}, set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        imports = imports_of(module)
        assert not imports & CLOCKS, f"{module} looks at a clock of its own"
        waiting |= {name for name in imports if name.startswith("terway_edge.") and is_module(name)} - seen
    assert len(seen) > 15


def test_s44_the_clock_they_are_told_never_steps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = BootClock().now()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)
