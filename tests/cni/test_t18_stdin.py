"""T18: whatever comes on stdin, or does not come, both shims end soon, with one error, and stay small."""

import json
import os
import subprocess
import threading
import time

import pytest

from terway_edge.cni.versions import VERSIONS

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
BUDGET = 60.0 if FULL else 0.4  # seconds
LIMIT = 5.0  # seconds until stdin must have ended
MEMORY = 64 << 20  # bytes, of address space, so that what is resident is less
COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS")
SOON = 0.2  # seconds


def start(shim, command, stdin, **variables):
    environ = shim.environ(command, TERWAY_EDGE_BUDGET_MS=str(int(BUDGET * 1000)), **variables)
    argv = ["prlimit", f"--as={MEMORY}", shim.path]
    return subprocess.Popen(argv, env=environ, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def code_of(process):
    """The code of the one error that it printed; it must end in time."""
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - began < min(LIMIT, BUDGET) + 2
    assert (process.returncode, stderr) == (1, b"")
    return json.loads(stdout)["code"]


@pytest.mark.parametrize("command", COMMANDS)
def test_t18_a_hundred_megabytes_are_refused_with_little_memory(shim, tmp_path, command):
    path = tmp_path / "stdin"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    with path.open("rb") as file:
        assert code_of(start(shim, command, file)) == 6


def test_t18_an_endless_stream_is_refused(shim):
    with open("/dev/zero", "rb") as zeros:
        assert code_of(start(shim, "ADD", zeros)) == 6


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_t18_drops_of_a_byte_each_end_with_the_time(shim, command):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin:  # which stays open here, so that writing never fails
        process = start(shim, command, stdin)
        ended = threading.Event()
        writing = threading.Thread(target=drip, args=(writer, ended), daemon=True)
        writing.start()
        try:
            assert code_of(process) == 5
        finally:
            ended.set()
            writing.join(10)
    assert not writing.is_alive()


def drip(writer, ended):
    """A byte at a time until it is `ended`."""
    with os.fdopen(writer, "wb", buffering=0) as stream:
        while not ended.wait(1.0 if FULL else 0.05):
            stream.write(b" ")


def test_t18_what_cannot_be_read_is_an_io_error(shim, tmp_path):
    with open(tmp_path / "file", "wb") as file:
        assert code_of(start(shim, "ADD", file)) == 5


@pytest.mark.parametrize("stdin", ["none", "never ends", "a hundred megabytes", "cannot be read"])
def test_t18_version_is_answered_soon_whatever_stdin_is(shim, tmp_path, stdin):
    reader, writer = os.pipe()
    with (
        open(tmp_path / "large", "w+b") as large,
        open(tmp_path / "file", "wb") as file,
        os.fdopen(reader, "rb") as silent,
        os.fdopen(writer, "wb"),
    ):
        large.truncate(100 << 20)
        kinds = {"none": subprocess.DEVNULL, "never ends": silent, "a hundred megabytes": large, "cannot be read": file}
        seconds = []
        for _ in range(5):
            began = time.monotonic()
            ended = shim.finish(shim.start("VERSION", kinds[stdin]))
            seconds.append(time.monotonic() - began)
            assert (ended.status, json.loads(ended.stdout)["cniVersion"]) == (0, VERSIONS[-1])
    assert min(seconds) <= SOON
    assert not FULL or max(seconds) <= SOON
