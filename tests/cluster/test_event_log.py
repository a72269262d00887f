"""The event log: counting repeats, bounded size, never an exception."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from terway_edge.cluster.event_log import MAX_BYTES, MAX_MESSAGE, REMEMBERED, EventLog
from terway_edge.core.ports import Event, Severity


class Now:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_the_fields_of_an_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path, Now()).write(Event("RouteConflict", "edge-1", "10.1.0.0/24 is\nsomebody's", Severity.WARNING))
    assert lines(path) == [
        {
            "firstTimestamp": "2023-11-14T22:13:20.000Z",
            "lastTimestamp": "2023-11-14T22:13:20.000Z",
            "count": 1,
            "type": "Warning",
            "reason": "RouteConflict",
            "object": "edge-1",
            "message": "10.1.0.0/24 is\nsomebody's",
        }
    ]
    assert path.stat().st_mode & 0o777 == 0o640


def test_repeats_are_counted_and_written_ever_more_rarely(tmp_path: Path) -> None:
    path, now = tmp_path / "events.jsonl", Now()
    log = EventLog(path, now)
    for _ in range(1000):
        log.write(Event("A", "n", "m"))
    log.write(Event("B", "n", "m"))
    assert [line["count"] for line in lines(path)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1]
    now.seconds += 61
    log.write(Event("A", "n", "m"))
    last = lines(path)[-1]
    assert (last["reason"], last["count"]) == ("A", 1001)
    assert last["firstTimestamp"] < last["lastTimestamp"]


def test_size_and_memory_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, Now())
    for number in range(2500):
        log.write(Event("A", "n", f"{number} " + "x" * 5000))
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["events.jsonl", "events.jsonl.1"]
    assert all(file.stat().st_size < MAX_BYTES + 2 * MAX_MESSAGE for file in files)
    newest = [line for file in files[::-1] for line in lines(file)]
    assert newest[-1]["message"].startswith("2499 ")
    assert len(newest[-1]["message"]) == MAX_MESSAGE
    log.write(Event("A", "n", "0 " + "x" * 5000))  # forgotten long ago: counted anew
    assert lines(path)[-1]["count"] == 1
    assert len(newest) > REMEMBERED


def test_a_directory_that_is_missing_is_logged_once_and_used_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "missing" / "events.jsonl"
    log = EventLog(path, Now())
    log.write(Event("A", "n", "1"))
    log.write(Event("A", "n", "2"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    path.parent.mkdir()
    log.write(Event("A", "n", "3"))
    assert [line["message"] for line in lines(path)] == ["3"]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)

    def write(name: int) -> None:
        for number in range(50):
            log.write(Event("A", str(name), str(number)))

    threads = [Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(path)) == 200
