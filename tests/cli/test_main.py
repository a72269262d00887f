"""What goes wrong outside our own errors is one line as well."""

import os
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def config(tmp_path):
    def write(**settings):
        settings = {"run_dir": str(tmp_path / "run"), "state_dir": str(tmp_path / "state"), **settings}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"node_name": "n1", **settings}))
        return ["--config", str(path)]

    return write


@pytest.mark.parametrize("command", ["agent", "uninstall"])
def test_a_path_that_is_no_directory_is_told_in_one_line(config, tmp_path, command):
    (tmp_path / "file").write_text("")
    done = call(command, *config(run_dir=str(tmp_path / "file" / "run")))
    assert done.returncode == 1
    assert done.stderr == f"terway-edge: {tmp_path}/file/run: Not a directory\n"


@pytest.mark.parametrize("command", ["agent", "uninstall"])
def test_a_directory_of_others_is_refused_and_left_as_it_is(config, tmp_path, command):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    done = call(command, *config(run_dir=str(shared)))
    assert done.returncode == 1
    assert done.stderr.startswith(f"terway-edge: {shared} has mode 0755, expected 0700")
    assert done.stderr.count("\n") == 1
    assert list(shared.iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize("command", ["agent", "uninstall"])
def test_who_is_not_root_is_told_so(config, tmp_path, command):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    os.chown(closed, 12345, -1)
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # uid 0, who may read what pytest made
    done = call(command, *config(run_dir=str(closed / "run")), prefix=powerless)
    assert done.returncode == 1
    assert done.stderr == f"terway-edge: {closed}/run: Permission denied; run it as root?\n"


def call(*arguments, prefix=()):
    command = [*prefix, sys.executable, "-m", "terway_edge.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
