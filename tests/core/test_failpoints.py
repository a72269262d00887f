"""Failpoints: off unless root's file says so, each action, and who is refused."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import terway_edge
from terway_edge.core import failpoints
from terway_edge.core.errors import Refused
from terway_edge.core.failpoints import NAMES, VARIABLE, arm, reach
from tests.failpoints import for_root

pytestmark = for_root
POINT = "store.append.before"
SOURCES = Path(terway_edge.__file__).parent


class File:
    """The file, armed in this process; `write` replaces it whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("")
        arm({VARIABLE: str(path)})

    def write(self, text: str) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(text)
        temporary.chmod(0o600)
        temporary.rename(self.path)

    def reached(self) -> list[str]:
        return self.path.with_name(self.path.name + ".reached").read_text().split()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    yield File(tmp_path / "points")
    arm({})


def test_nothing_happens_unless_the_environment_says_so(tmp_path: Path) -> None:
    (tmp_path / "points").write_text(f"{POINT} kill\n")
    arm({})
    reach(POINT)
    assert os.listdir(tmp_path) == ["points"]


def test_disarming_closes_what_arming_opened(file: File) -> None:
    before = len(os.listdir("/proc/self/fd"))
    arm({VARIABLE: str(file.path)})
    assert len(os.listdir("/proc/self/fd")) == before
    arm({})
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_what_is_reached_is_written_down(file: File) -> None:
    for name in (POINT, "reply.before", POINT):
        reach(name)
    assert file.reached() == [POINT, "reply.before", POINT]
    assert file.path.with_name("points.reached").stat().st_mode & 0o777 == 0o600


def test_an_errno_fails_the_operation_once(file: File) -> None:
    file.write(f"# a comment\n\n{POINT} ENOSPC\n")
    reach("reply.before")
    with pytest.raises(OSError, match="No space left") as caught:
        reach(POINT)
    assert caught.value.errno == errno.ENOSPC
    reach(POINT)


def test_the_nth_time_is_counted_from_when_the_line_is_there(file: File) -> None:
    reach(POINT)
    file.write(f"{POINT} EIO 2\n")
    assert [fails() for _ in range(4)] == [False, True, False, False]
    file.write("")
    reach(POINT)
    file.write(f"{POINT} EIO 2\n")
    assert [fails() for _ in range(3)] == [False, True, False]


def test_a_star_is_every_time(file: File) -> None:
    file.write(f"{POINT} EIO *\n")
    assert [fails() for _ in range(3)] == [True, True, True]


def fails() -> bool:
    try:
        reach(POINT)
    except OSError:
        return True
    return False


def test_a_pause_lasts_until_the_line_is_gone(file: File) -> None:
    file.write(f"{POINT} pause\n")
    passed = threading.Event()
    thread = threading.Thread(target=lambda: (reach(POINT), passed.set()), daemon=True)
    thread.start()
    assert not passed.wait(0.1)
    assert file.reached() == [POINT]
    file.write("")
    assert passed.wait(5)
    thread.join()


def test_a_delay_lasts_so_long(file: File) -> None:
    file.write(f"{POINT} delay:50\n")
    began = time.monotonic()
    reach(POINT)
    assert 0.05 <= time.monotonic() - began < 2


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_signals_reach_the_process_itself(tmp_path: Path, action: str) -> None:
    path = tmp_path / "points"
    path.write_text(f"{POINT} {action}\n")
    path.chmod(0o600)
    code = f"import os; from terway_edge.core.failpoints import *; arm(os.environ); reach({POINT!r}); print('on')"
    environ = {VARIABLE: str(path), "PYTHONPATH": str(SOURCES.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, stderr=-3)
    try:
        if action == "stop":
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
            process.send_signal(signal.SIGCONT)
        printed, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, printed) == ((0, b"on\n") if action == "stop" else (-signal.SIGKILL, b""))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o400])
def test_a_file_of_another_mode_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "points"
    path.write_text("")
    path.chmod(mode)
    with pytest.raises(Refused, match=f"{path} must be a file of root's with mode 0600"):
        arm({VARIABLE: str(path)})
    reach(POINT)


@pytest.mark.root
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points"
    path.write_text("")
    path.chmod(0o600)
    os.chown(path, 65534, 65534)
    with pytest.raises(Refused, match="root's"):
        arm({VARIABLE: str(path)})


@pytest.mark.parametrize("kind", ["none", "link", "directory", "fifo"])
def test_what_is_no_file_is_refused(file: File, kind: str) -> None:
    path = file.path.with_name("other")
    if kind == "link":
        path.symlink_to(file.path)
    elif kind == "directory":
        path.mkdir(mode=0o600)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    with pytest.raises(Refused, match=str(path)):
        arm({VARIABLE: str(path)})


@pytest.mark.parametrize(
    "line",
    [
        "store.append kill",
        f"{POINT}",
        f"{POINT} explode",
        f"{POINT} kill 0",
        f"{POINT} kill x",
        f"{POINT} kill 1 2",
        f"{POINT} delay:",
        f"{POINT} delay:-1",
        f"{POINT} ENOTHING",
        "store.append.after ENOSPC",
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(file: File, line: str) -> None:
    file.write(f"{POINT} delay:1\n{line}\n")
    with pytest.raises(Refused, match=re.escape(f"{line!r} is no line `NAME ACTION [NTH]`")):
        arm({VARIABLE: str(file.path)})


def test_every_point_of_the_sources_has_a_name_and_every_name_is_a_point() -> None:
    called = set()
    for path in SOURCES.rglob("*.py"):
        called |= set(re.findall(r'\breach\("([^"]+)"\)', path.read_text()))
    assert called == set(NAMES)
    assert all(re.fullmatch(r"[a-z]+(\.[a-z]+){1,2}", name) for name in NAMES)


def test_a_line_that_goes_wrong_later_is_as_loud(file: File) -> None:
    file.write("nonsense\n")
    with pytest.raises(Refused, match="nonsense"):
        reach(POINT)


def test_that_they_are_active_is_told(file: File, caplog: pytest.LogCaptureFixture) -> None:
    arm({VARIABLE: str(file.path)})
    assert f"failpoints are active, this process may be made to fail: {VARIABLE}={file.path}" in caplog.text
    assert failpoints.VARIABLE == "TERWAY_EDGE_FAILPOINTS"


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_a_signal_is_sent_by_the_process_to_itself(file: File, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    """With a signal that a process survives."""
    monkeypatch.setitem(failpoints.SIGNALS, action, signal.SIGUSR2)
    came: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: came.append(number))
    try:
        file.write(f"{POINT} {action}\n")
        reach(POINT)
        reach(POINT)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert came == [signal.SIGUSR2]
