"""The how-to page does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.faults import Fault
from terway_edge.testing.openapi.files import read_faults, read_site

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "use-the-emulator.md").read_text()
FILES = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def directory(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_site_and_the_faults_are_good(directory):
    emulator = Emulator(read_site(directory / "site.yaml"), faults=read_faults(directory / "faults.yaml"))
    assert [len(emulator.enis(instance)) for instance in ("i-1", "i-e1")] == [1, 3]
    assert emulator.violations() == []
    assert emulator.invoke("ecs", "DescribeInstances", {}).code == "Throttling.User"


def test_the_test_passes(directory):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_with_emulator.py"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_every_kind_of_fault_is_told():
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(Fault)}
    told = {
        kind for row in re.findall(r"^\| (`\w+`.*?) \|", PAGE, re.MULTILINE) for kind in re.findall(r"`(\w+)`", row)
    }
    assert told == kinds
