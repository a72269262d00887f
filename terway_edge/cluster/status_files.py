"""Status entries as files beside the manifests, one for each object and writer, so that no two write the same."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from terway_edge.core.object_names import is_object_name
from terway_edge.core.ports import Json, StatusEntry

_KIND = re.compile(r"[A-Za-z]{1,63}")

log = logging.getLogger(__name__)


class StatusFiles:
    """Writes `KIND-NAME.KEY.json` in one directory, which is made when it is needed; any thread may write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()
        self._failing = False

    def write(self, entry: StatusEntry) -> None:
        """Replace the entry's file by a whole one unless it says this already. Never raises: a full disk, or a
        directory that cannot be written, must not stop the agent."""
        if not (_KIND.fullmatch(entry.kind) and is_object_name(entry.name) and is_object_name(entry.key)):
            log.error("status of %r %r by %r is not written: not names of objects", *entry[:3])
            return
        with self._lock:
            try:
                self._put(self._directory / file_name(entry.kind, entry.name, entry.key), _text(entry))
                self._failing = False
            except OSError as error:
                if not self._failing:
                    log.warning("status cannot be written to %s: %s", self._directory, error.strerror)
                self._failing = True

    def _put(self, path: Path, text: bytes) -> None:
        if not text:
            path.unlink(missing_ok=True)
        elif _read(path) != text:
            self._directory.mkdir(exist_ok=True)  # no parents: an empty manifest directory would delete all objects
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.unlink(missing_ok=True)  # of a process that died: it may be anything
            with open(temporary, "xb", buffering=0) as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
            temporary.replace(path)


def file_name(kind: str, name: str, key: str) -> str:
    """A dot in the object's name is doubled, so that the first single one ends it: keys may have dots too."""
    return f"{kind}-{name.replace('.', '..')}.{key}.json"


def _text(entry: StatusEntry) -> bytes:
    """Nothing for an entry that is to be removed."""
    if entry.value is None:
        return b""
    return json.dumps(entry.value, indent=2, sort_keys=True, default=_plain).encode() + b"\n"


def _plain(value: Mapping[str, Json] | Sequence[Json]) -> Json:
    """What `json` does not know by its type."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
