"""A backend from outside the repository, installed by pip, chosen by a node-pool rule, serves a node of the lab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from terway_edge.lab.layout import Layout

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "terway-edge-example"


def run(site: Path, *command: str | Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environ, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pods_of_the_example_backend_ping_all_others(tmp_path: Path) -> None:
    if Layout().root.exists():
        pytest.fail(f"a lab is up below {Layout().root}: remove it with './dev lab --down' first")
    source = shutil.copytree(EXAMPLE, tmp_path / "source")  # a build leaves files beside its source
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run(tmp_path, "pip", "install", *options, "--target", tmp_path / "site", source)
    plugins = run(tmp_path / "site", "terway_edge.cli.main", "plugins")
    assert "terway-edge-example" in plugins
    content = json.loads(run(tmp_path / "site", "terway_edge.cli.main", "lab", "--example", "--json").splitlines()[-1])
    assert content["ok"] is True
    assert content["pings"] == {"sent": 2852, "lost": 0}
    upper_half = [name for name in content["routes"]["node-3"] if name.startswith("10.64.3.1") and "/32" in name]
    assert len(upper_half) == 3, "node-3's pods have addresses that only the example gives"
    assert all(int(name.split("/")[0].split(".")[3]) >= 128 for name in upper_half)
