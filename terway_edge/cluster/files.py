"""The files of a manifest directory, each with its last good objects."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from terway_edge.cluster.config_maps import ConfigMapManifest
from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.cluster.objects import EVERYTHING, KINDS, Object, Reading, read
from terway_edge.cluster.secrets import SecretManifest, keep_passwords, passwords_for
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem, Snapshot

JSON_SUFFIX = ".json"
YAML_SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 64 << 20


def is_manifest(name: str) -> bool:
    """True for `*.json`, `*.yaml` and `*.yml`; not for dot files, nor (by their endings) `*~` and `*.tmp`."""
    return name.endswith((JSON_SUFFIX, *YAML_SUFFIXES)) and not name.startswith(".")


class _File(NamedTuple):
    """`version` is (mtime in ns, size, inode), None if the file must be read again in any case."""

    version: tuple[int, int, int] | None
    objects: tuple[Object, ...]
    problems: tuple[Problem, ...]
    good: bool
    """Whether it was read without a problem once: then `objects` are those of the last such time."""
    doubtful: frozenset[type]
    """The kinds of which some objects of the file may be missing."""


class ManifestFiles:
    """What a directory's files say. A file that is bad, wholly or in part, keeps its last good objects; one that
    was never good gives those of its objects that are. A deleted file takes its objects with it; a directory that
    disappears takes none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, _File] = {}
        self._unread: set[str] | None = None
        """Files that were bad when first listed and ever since: what they say is not known."""
        self.trouble = ""
        """Why the directory cannot be listed, empty if it can."""

    def rescan(self) -> None:
        """Look at all files, and read those whose time, size or inode changed."""
        try:
            with os.scandir(self._path) as entries:
                found = {entry.name: entry for entry in entries if is_manifest(entry.name)}
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return
        self.trouble = ""
        for name in self._files.keys() - found.keys():
            del self._files[name]
        for name, entry in found.items():
            if not self._is_known(entry):
                self._look(name)
        if self._unread is None:
            self._unread = {name for name, file in self._files.items() if not file.good}

    def reread(self, names: Iterable[str]) -> None:
        """Read these files, or drop them if they are gone."""
        for name in names:
            self._look(name)

    def snapshot(self) -> Snapshot:
        """All objects by file name; of two of the same kind and name the first wins."""
        origin: dict[tuple[str, str], str] = {}
        objects: list[Object] = []
        problems: list[Problem] = []
        if self.trouble:
            problems.append(Problem(str(self._path), f"{self.trouble}; the last objects read stay in force"))
        for name, file in sorted(self._files.items()):
            problems += file.problems
            for item in file.objects:
                key = KINDS[type(item)], item.name
                if key not in origin:
                    origin[key] = name
                    objects.append(item)
                else:
                    message = f"is already in {origin[key]}, which comes first and wins; remove one of them"
                    problems.append(Problem(f"{name}: {'/'.join(key)}", message))
        peers = tuple(item for item in objects if isinstance(item, BgpPeer))
        secrets = [(origin["Secret", item.name], item) for item in objects if isinstance(item, SecretManifest)]
        passwords, wrong = passwords_for(peers, secrets)
        nodes = tuple(item for item in objects if isinstance(item, Node))
        config_maps = {item.name: item.data for item in objects if isinstance(item, ConfigMapManifest)}
        return Snapshot(
            nodes,
            (*problems, *wrong),
            self._is_in_sync(Node),
            peers,
            passwords,
            self._is_in_sync(BgpPeer),
            config_maps,
        )

    def _is_in_sync(self, kind: type) -> bool:
        """True once all that the first listing had of a kind was read, or is gone."""
        files = (self._files.get(name) for name in self._unread or ())
        return self._unread is not None and not any(file and kind in file.doubtful for file in files)

    def _is_known(self, entry: os.DirEntry[str]) -> bool:
        """Whether it is as it was when it was read; one that cannot be looked at is not."""
        before = self._files.get(entry.name)
        try:
            return before is not None and before.version == _version(entry.stat())
        except OSError:
            return False

    def _look(self, name: str) -> None:
        before = self._files.get(name)
        try:
            version, text = _read(self._path / name)
        except FileNotFoundError:
            self._files.pop(name, None)
            return
        except OSError as error:
            problem = Problem(name, f"cannot be read: {error.strerror}; fix or remove the file")
            self._files[name] = _merge(before, None, _nothing(problem))
            return
        except _UnfitError as error:
            self._files[name] = _merge(before, None, _nothing(Problem(name, str(error))))
            return
        self._files[name] = _merge(before, version, _parse(name, text))


class _UnfitError(ValueError):
    """A file that cannot be a manifest."""


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> tuple[tuple[int, int, int], str]:
    """(version, text) of a file. Raises OSError and _UnfitError."""
    with open(path, "rb", opener=_open_without_blocking) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _UnfitError("is no regular file; remove it")
        if status.st_size > MAX_BYTES:
            raise _UnfitError(f"has {status.st_size} bytes, expected at most {MAX_BYTES}; split it")
        data = file.read()
    try:
        return _version(status), data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnfitError(f"is no UTF-8 text: byte {error.start} is wrong; write it again") from None


def _open_without_blocking(path: str, flags: int) -> int:
    """An opener for which a FIFO without a writer is no trap."""
    return os.open(path, flags | os.O_NONBLOCK)


def _parse(name: str, text: str) -> Reading:
    try:
        documents = parse(text, yaml=not name.endswith(JSON_SUFFIX))
    except DocumentError as error:
        return _nothing(Problem(name, str(error)))
    if not documents:
        return _nothing(Problem(name, "holds no object: half-written? Remove the file to remove its objects"))
    readings = [read(document, name) for document in documents]
    return Reading(
        list(chain.from_iterable(reading.objects for reading in readings)),
        list(chain.from_iterable(reading.problems for reading in readings)),
        frozenset(chain.from_iterable(reading.doubtful for reading in readings)),
    )


def _nothing(problem: Problem) -> Reading:
    return Reading(problems=(problem,), doubtful=EVERYTHING)


def _merge(before: _File | None, version: tuple[int, int, int] | None, new: Reading) -> _File:
    """The file's new state; equal objects are kept as the same ones, which makes comparing snapshots fast."""
    objects, problems, doubtful = tuple(new.objects), tuple(new.problems), new.doubtful
    if before is None:
        return _File(version, objects, problems, not problems, doubtful)
    if problems and before.good:
        return _File(version, before.objects, problems, True, frozenset())
    objects = _keep_passwords(before.objects, objects)
    kept = before.objects if before.objects == objects else objects
    return _File(version, kept, problems, not problems, doubtful)


def _keep_passwords(before: Iterable[Object], now: tuple[Object, ...]) -> tuple[Object, ...]:
    secrets = {item.name: item for item in before if isinstance(item, SecretManifest)}
    if not secrets:
        return now
    return tuple(
        keep_passwords(secrets[item.name], item) if isinstance(item, SecretManifest) and item.name in secrets else item
        for item in now
    )
