"""The how-to page does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from terway_edge.testing.apiserver.__main__ import parser
from terway_edge.testing.apiserver.faults.script import Fault
from terway_edge.testing.apiserver.files import read_faults

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "use-the-api-server.md").read_text()
FILES = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_faults_are_good(tmp_path):
    (tmp_path / "faults.yaml").write_text(FILES["faults.yaml"])
    assert [each.kind for each in read_faults(tmp_path / "faults.yaml").faults] == ["error", "silent_watch", "slow"]


def test_the_test_passes(tmp_path):
    (tmp_path / "test_with_api_server.py").write_text(FILES["test_with_api_server.py"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_with_api_server.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def told(pattern):
    return {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(pattern, row)}


def test_every_kind_of_fault_is_told():
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(Fault)}
    assert told(r"^`(\w+)`$") == kinds


def test_every_option_is_told():
    options = {each for action in parser()._actions for each in action.option_strings if each.startswith("--")}
    assert told(r"`(--[a-z-]+)") == options - {"--help"}
