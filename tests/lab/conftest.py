"""Labs of the tests' own: other names and another root than the user's lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.teardown import tear_down


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A layout without namespaces (nothing that needs root); processes are killed at the end."""
    layout = Layout(f"twt-lab-{os.getpid()}", tmp_path / "lab")
    layout.root.mkdir()
    yield layout
    if layout.root.exists():
        tear_down(layout)
    for name in layout.namespaces():
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def processes(layout: Layout) -> Processes:
    return Processes(new_token(layout))
