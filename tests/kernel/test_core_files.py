from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = "import os; os.abort()"
FORBID = "from terway_edge.kernel.core_files import leave_none; leave_none(); "


def unlimited() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def crashed(directory: Path, code: str) -> int:
    """How it has ended: os.CLD_DUMPED or os.CLD_KILLED."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        pytest.skip("core files are limited here")
    with subprocess.Popen([sys.executable, "-c", code], cwd=directory, preexec_fn=unlimited) as process:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_code


def test_a_process_that_crashes_leaves_none(tmp_path: Path) -> None:
    if crashed(tmp_path, CRASH) != os.CLD_DUMPED:
        pytest.skip("nothing leaves core files here")
    for path in tmp_path.iterdir():
        path.unlink()
    assert crashed(tmp_path, FORBID + CRASH) == os.CLD_KILLED
    assert list(tmp_path.iterdir()) == []
