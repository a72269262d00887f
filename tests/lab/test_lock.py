"""One lab at a time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.lock import Lock
from terway_edge.lab.teardown import remove_root

HOLDER = """
import sys, pathlib
from terway_edge.lab.layout import Layout
from terway_edge.lab.lock import Lock
with Lock(Layout("twt", pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_lab_is_told_who_runs_the_first(layout: Layout) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(layout.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        begin = time.monotonic()
        with pytest.raises(LabError, match=rf"another lab is running \(process {holder.pid}\)"):
            Lock(layout, patience=60)
        assert time.monotonic() - begin < 10  # a living lab is not waited for
        holder.kill()
        holder.wait()
        with Lock(layout, patience=5):
            assert layout.lock.read_text().strip() != str(holder.pid)


def test_the_root_may_be_removed_while_the_lock_is_held(layout: Layout) -> None:
    with Lock(layout):
        remove_root(layout)
        assert not layout.root.exists()
        with Lock(layout, patience=0.1):  # a new file, a new lock
            assert layout.lock.exists()


def test_the_lock_can_be_taken_again_after_release(layout: Layout) -> None:
    for _ in range(2):
        with Lock(layout, patience=0.1):
            assert layout.lock.exists()


def test_a_root_that_is_a_link_is_refused(layout: Layout) -> None:
    link = layout.root.parent / "link"
    link.symlink_to(layout.root)
    with pytest.raises(LabError, match="is not a directory of this user"):
        Lock(Layout("twt", link))
