"""However the lab's process ends, the guardian leaves nothing of the lab and everything of others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terway_edge.lab.layout import NETNS, Layout
from terway_edge.lab.processes import marked_processes, recorded_token
from terway_edge.lab.teardown import remove_root, tear_down

pytestmark = pytest.mark.root

LAB = """
import pathlib, signal, sys
from terway_edge.lab.guard import Guard
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.lock import Lock
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.topology import build

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in a shell's background inherits that it is ignored
layout = Layout(sys.argv[1], pathlib.Path(sys.argv[2]))
with Lock(layout):
    guard = Guard(layout)
    processes = Processes(new_token(layout))
    nodes = [lab_node(layout, index) for index in (1, 2)]
    build(nodes, processes)
    layout.manifests.mkdir()
    (layout.manifests / "node-1.yaml").write_text("kind: Node")
    processes.start(["sleep", "600"], netns=nodes[0].netns, log=layout.root / "log")
    print("up", flush=True)
    word = sys.stdin.readline().strip()
    if word == "keep":
        guard.keep()
    elif word == "release":
        guard.release()
"""


@pytest.fixture
def lab(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    """A lab process that has built everything and waits for a word on stdin."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAB, layout.prefix, str(layout.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        if process.poll() is None:
            process.kill()


@pytest.fixture
def stranger() -> Iterator[str]:
    """Somebody else's namespace, whose name merely begins like the lab's."""
    name = f"twt-lab-{os.getpid()}x"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def say(process: subprocess.Popen[str], word: str) -> int:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_a_killed_lab_leaves_nothing(
    lab: subprocess.Popen[str], layout: Layout, stranger: str, number: signal.Signals
) -> None:
    token = recorded_token(layout)
    assert len(layout.namespaces()) == 3
    wait_for(lambda: len(marked_processes(token)) == 1, "no marked process")  # nsenter may be about to become sleep
    lab.send_signal(number)
    wait_for(lambda: not layout.root.exists(), "the guardian does not finish")
    assert layout.namespaces() == []
    assert marked_processes(token) == []
    assert (NETNS / stranger).exists()


def test_the_guardian_survives_the_death_of_the_whole_process_group(layout: Layout) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LAB, layout.prefix, str(layout.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: not layout.root.exists(), "the guardian does not finish")
    assert layout.namespaces() == []


def test_release_returns_when_all_is_gone(lab: subprocess.Popen[str], layout: Layout) -> None:
    token = recorded_token(layout)
    assert say(lab, "release") == 0
    assert not layout.root.exists()
    assert layout.namespaces() == []
    assert marked_processes(token) == []


def test_a_kept_lab_stays_until_it_is_torn_down(lab: subprocess.Popen[str], layout: Layout, stranger: str) -> None:
    assert say(lab, "keep") == 0
    wait_for(lambda: len(marked_processes(recorded_token(layout))) == 1, "no marked process")
    removed = tear_down(layout)
    assert (removed.processes, removed.namespaces) == (1, 3)
    assert [path.name for path in layout.root.iterdir()] == ["lock"]
    assert tear_down(layout) == (0, 0)
    remove_root(layout)
    assert (NETNS / stranger).exists()


def test_files_outside_the_root_are_not_followed(layout: Layout, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (layout.root / "link").symlink_to(outside)
    tear_down(layout)
    assert (outside / "file").read_text() == "precious"
    assert not (layout.root / "link").exists()
