"""Log lines: foreign text can forge none."""

import json
import logging
import os
import resource
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.agent.logs import JsonFormatter, LossyHandler, TextFormatter

FORGED = "x\n2026-01-01T00:00:00.000Z ERROR   MainThread: all leases lost"


def record(message, error=None):
    made = logging.LogRecord("twt", logging.WARNING, __file__, 1, "%s", (message,), None)
    if error is not None:
        try:
            raise error
        except type(error):
            made.exc_info = sys.exc_info()
    return made


@given(st.text(st.characters(codec=None), max_size=60))
def test_whatever_is_logged_stays_one_printable_line(message):
    line = TextFormatter().format(record(message))
    assert line.splitlines() == [line]
    assert all(char.isprintable() or not char.isascii() for char in line)
    line.encode()


@given(st.text(st.characters(codec=None), max_size=60))
def test_json_is_one_object_per_line_and_loses_nothing(message):
    line = JsonFormatter().format(record(message))
    assert line.isascii()
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["level"], told["logger"]) == (message, "warning", "twt")


@pytest.mark.parametrize("text", [FORGED, FORGED.replace("\n", "\u2028"), FORGED.replace("\n", "\x85")])
def test_an_errors_own_text_cannot_forge_a_line_below_the_traceback(text):
    first, *rest = TextFormatter().format(record("failed", RuntimeError(text))).splitlines()
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert "all leases lost" in "".join(rest)


def test_json_carries_the_traceback():
    told = json.loads(JsonFormatter().format(record("failed", RuntimeError(FORGED))))
    assert told["message"] == "failed"
    assert "RuntimeError" in told["error"]


def test_times_are_utc_with_milliseconds():
    made = record("x")
    made.created, made.msecs = 0.0, 7.0
    assert TextFormatter().format(made).startswith("1970-01-01T00:00:00.007Z WARNING ")
    assert json.loads(JsonFormatter().format(made))["time"] == "1970-01-01T00:00:00.007Z"


@pytest.fixture
def pipe():
    """(reading end, writing end)"""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            assert end == ends[0], "only the reader goes"


def handler(descriptor):
    made = LossyHandler(descriptor)
    made.setFormatter(logging.Formatter("%(message)s"))
    return made


def test_t30_a_stuck_reader_holds_up_nobody_and_what_is_lost_is_told(pipe):
    reader, writer = pipe
    made = handler(writer)
    for number in range(200):
        made.emit(record(f"{number} {'x' * 1000}"))
    taken = os.read(reader, 1 << 20).decode().splitlines()
    assert 10 < len(taken) < 200
    made.emit(record("free again"))
    told, after = os.read(reader, 1 << 20).decode().strip().splitlines()
    assert told.endswith("lines of this log are lost: they could not be written")
    assert after == "free again"
    whole = [line for line in taken if len(line) > 1000]
    assert len(whole) + int(told.split()[0]) == 200
    made.emit(record("and on"))
    assert os.read(reader, 100) == b"and on\n"


def test_t30_a_reader_that_is_gone_fails_nobody(pipe):
    reader, writer = pipe
    made = handler(writer)
    os.close(reader)
    made.emit(record("into nothing"))
    made.emit(record("and again"))
    assert made._lost == 2


def test_t30_a_full_disk_fails_nobody(tmp_path):
    path = tmp_path / "log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("ab") as file:
        made = handler(file.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # as ENOSPC does: a part, then nothing
        try:
            for _ in range(3):
                made.emit(record("seven.."))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        made.emit(record("room"))
    assert path.read_text().splitlines() == [
        "seven..",
        "se",
        "2 lines of this log are lost: they could not be written",
        "room",
    ]


def test_what_cannot_be_encoded_is_written_all_the_same(pipe):
    made = handler(pipe[1])
    made.emit(record("\udcff"))
    assert os.read(pipe[0], 100) == b"\\udcff\n"
