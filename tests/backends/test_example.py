"""The example is what a stranger would write: it installs by itself, is found, and passes its own tests elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "terway-edge-example"
pytestmark = pytest.mark.slow


def run(*command: str | Path, site: Path, cwd: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], env=environ, cwd=cwd, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PYTHONPATH into which pip has installed the example; nothing comes from the network."""
    base = tmp_path_factory.mktemp("example")
    # A build leaves files beside its source: let it be a copy.
    source = shutil.copytree(EXAMPLE, base / "source")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run("-m", "pip", "install", *options, "--target", base / "site", source, site=base, cwd=base)
    return base / "site"


def test_the_installed_example_is_listed(site, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"node_name: node-a\nrun_dir: {tmp_path}\n")
    command = ["-m", "terway_edge.cli.main", "plugins", "--json", "--config", config]
    plugins = {plugin["name"]: plugin for plugin in json.loads(run(*command, site=site, cwd=tmp_path))["plugins"]}
    example = plugins["example"]
    assert (example["distribution"], example["error"]) == ("terway-edge-example", "")
    assert {"allocate", "attach", "check", "detach", "release"} <= set(example["hooks"])
    assert not plugins["flannel_route"]["error"]


@pytest.mark.parametrize("part", ["not OnLinux", pytest.param("OnLinux", marks=pytest.mark.root)])
def test_the_example_passes_its_own_tests_outside_this_repository(site, tmp_path, part):
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    command = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-k", part, "tests"]
    summary = run(*command, site=site, cwd=tmp_path).splitlines()[-1]
    assert "passed" in summary
    assert "skipped" not in summary


def test_the_example_stays_small():
    assert len((EXAMPLE / "terway_edge_example.py").read_text().splitlines()) <= 60
