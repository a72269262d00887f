"""Small files of one directory, each of which appears whole or not at all."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from terway_edge.core.failpoints import reach
from terway_edge.core.ports import Json

log = logging.getLogger(__name__)


class WholeFiles:
    """The directory is made when it is needed; any thread may write."""

    def __init__(self, directory: Path, what: str) -> None:
        """:param what: what is in the files, for the log"""
        self._directory, self._what = directory, what
        self._lock = Lock()
        self._failing = False

    def change(self, name: str, changed: Callable[[bytes], bytes]) -> None:
        """Make of a file's content what `changed` makes of it; nothing is no file, and what is so already is left
        alone. Never raises: a full disk, or a directory that cannot be written, must not stop the agent."""
        with self._lock:
            try:
                self._change(self._directory / name, changed)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    log.warning("%s cannot be written to %s: %s", self._what, self._directory, error.strerror)
                self._failing = True

    def _change(self, path: Path, changed: Callable[[bytes], bytes]) -> None:
        before = _read(path)
        after = changed(before)
        if not after:
            path.unlink(missing_ok=True)
        elif after != before:
            reach("status.write.before")
            self._directory.mkdir(exist_ok=True)  # no parents: an empty manifest directory would delete all objects
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.unlink(missing_ok=True)  # of a process that died: it may be anything
            with open(temporary, "xb", buffering=0) as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(after)
            reach("status.write.written")
            temporary.replace(path)
            reach("status.write.after")


def as_text(value: Mapping[str, Json]) -> bytes:
    """JSON; equal mappings give equal texts."""
    return json.dumps(value, indent=2, sort_keys=True, default=_plain).encode() + b"\n"


def _plain(value: Mapping[str, Json] | Sequence[Json]) -> Json:
    """What `json` does not know by its type."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
