"""Log lines: foreign text can forge none."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.agent.logs import JsonFormatter, TextFormatter

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
