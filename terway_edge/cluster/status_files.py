"""Status entries as files beside the manifests, one for each object and writer, so that no two write the same."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from terway_edge.cluster.whole_files import WholeFiles, as_text
from terway_edge.core.object_names import is_object_name
from terway_edge.core.ports import StatusEntry

_KIND = re.compile(r"[A-Za-z]{1,63}")
_CONDITION = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")

log = logging.getLogger(__name__)


class StatusFiles:
    """Writes `KIND-NAME.KEY.json` in one directory; any thread may write."""

    def __init__(self, directory: Path) -> None:
        self._files = WholeFiles(directory, "status")

    def write(self, entry: StatusEntry) -> None:
        """Replace the entry's file by a whole one unless it says this already. Never raises."""
        if not (_KIND.fullmatch(entry.kind) and is_object_name(entry.name) and _is_key(entry.kind, entry.key)):
            log.error("status of %r %r by %r is not written: not names of objects", *entry[:3])
            return
        text = b"" if entry.value is None else as_text(entry.value)
        self._files.change(file_name(entry.kind, entry.name, entry.key), lambda _: text)


def file_name(kind: str, name: str, key: str) -> str:
    """A dot in the object's name is doubled, so that the first single one ends it: keys may have dots too."""
    return f"{kind}-{name.replace('.', '..')}.{key}.json"


def _is_key(kind: str, key: str) -> bool:
    return _CONDITION.fullmatch(key) is not None if kind == "Node" else is_object_name(key)
