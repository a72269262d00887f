"""The last objects on disk, for a start while the API is away: lists of trimmed manifests that a manifest directory
could hold as well.

One file per kind in `STATE_DIR/cluster`, mode 0600, each replaced as a whole. It is not fsynced: a file that a
power cut tore does not match its checksum and counts as none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from msgspec import MsgspecError, Raw, Struct, field
from msgspec.json import Decoder

from terway_edge.cluster.api.failures import Reason
from terway_edge.cluster.api.projection import Item, Projector
from terway_edge.cluster.api.resources import PEER_VERSION
from terway_edge.core.failpoints import reach
from terway_edge.core.ports import Problem

DIRECTORY = "cluster"
_CHECKSUM = "terway-edge.openyurt.io/crc32"
_VERSIONS: Mapping[str, str] = {"BGPPeer": PEER_VERSION}
_NAMES: Mapping[str, str] = {"Node": "nodes", "BGPPeer": "bgppeers", "Secret": "secrets", "ConfigMap": "configmaps"}

log = logging.getLogger(__name__)


class _Annotations(Struct):
    checksum: str = field(name=_CHECKSUM)


class _Metadata(Struct):
    annotations: _Annotations


class _Document(Struct):
    kind: str
    metadata: _Metadata
    items: Raw


_document = Decoder(_Document)
_items = Decoder(list[Raw])


class Cached(NamedTuple):
    """The items of a kind; None if there is no file, or, with a problem, one that cannot be used."""

    items: list[Item] | None
    problem: Problem | None = None


class Cache:
    """Files of one directory, which is made when the first is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._failing = False

    def read(self, kind: str) -> Cached:
        path = self._path(kind)
        try:
            document = _document.decode(path.read_bytes())
            if document.kind != f"{kind}List" or document.metadata.annotations.checksum != _checksum(document.items):
                raise ValueError("its checksum is wrong")
            projector = Projector(kind)
            return Cached([projector.one(bytes(text)) for text in _items.decode(document.items)])
        except FileNotFoundError:
            return Cached(None)
        except (OSError, MsgspecError, ValueError, RecursionError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            message = f"is damaged and counts as none: {why}; it is written anew once the API server was read"
            return Cached(None, Problem(str(path), message, Reason.CACHE))

    def write(self, kind: str, texts: Sequence[bytes]) -> bool:
        """Replace a file; False if it could not be, which is logged once."""
        items = b"[" + b",\n".join(texts) + b"]"
        head = b'{"apiVersion":"%b","kind":"%bList","metadata":{"annotations":{"%b":"%b"}},"items":' % (
            _VERSIONS.get(kind, "v1").encode(),
            kind.encode(),
            _CHECKSUM.encode(),
            _checksum(items).encode(),
        )
        path = self._path(kind)
        temporary = path.with_name(f".{path.stem}.tmp")
        try:
            reach("cache.write.before")
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # of a process that died
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.writelines((head, items, b"}\n"))
            reach("cache.write.written")
            temporary.replace(path)
        except OSError as error:
            self._tell(path, error)
            return False
        reach("cache.write.after")
        self._failing = False
        return True

    def remove(self, kind: str) -> bool:
        """Make sure that there is no such file; as `write`."""
        path = self._path(kind)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._tell(path, error)
            return False
        return True

    def _path(self, kind: str) -> Path:
        return self._directory / f"{_NAMES[kind]}.json"

    def _tell(self, path: Path, error: OSError) -> None:
        if not self._failing:
            log.warning("%s cannot be changed: %s; a start without API server would find old objects", path, error)
        self._failing = True


def _checksum(items: bytes | Raw) -> str:
    return f"{crc32(items):08x}"
