"""What is mounted below a lab's root goes with it, however deep, and nothing beside it."""

import subprocess
from pathlib import Path

import pytest

from terway_edge.lab.teardown import tear_down

pytestmark = pytest.mark.root


def mount(path):
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "twt-lab", str(path)], check=True)


def mounted(path):
    return any(line.split()[1] == str(path) for line in Path("/proc/self/mounts").read_text().splitlines())


def test_mounts_are_removed_though_they_are_in_use(layout):
    outer, inner = layout.root / "state", layout.root / "state" / "inner"
    mount(outer)
    mount(inner)
    with (inner / "open").open("w"):
        tear_down(layout)
    assert not mounted(outer)
    assert not mounted(inner)
    assert list(layout.root.iterdir()) == []


def test_mounts_of_others_stay(layout, tmp_path):
    others = tmp_path / "lab-of-others"
    mount(others)
    try:
        tear_down(layout)
        assert mounted(others)
    finally:
        subprocess.run(["umount", str(others)], check=True)
