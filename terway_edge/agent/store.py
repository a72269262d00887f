"""The lease store: an append-only journal (`records.py`) that is never silently empty.

One write(2) per record and no fsync: a record is in the page cache when `put` returns, so SIGKILL cannot take it back.
A power cut can, but it ends the pods too, and the boot id in the header then empties the store. On the same boot
whatever is not as it was written is damage, and so is a journal that is gone while its marker in the run directory
(a tmpfs, empty after a boot) is still there. Damage stays on record, over restarts, until `mended` is called.

A file of another format is no damage. One of an older version is read and written anew in this one's format; one of a
later version is refused and left as it is, because that version can still read it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from terway_edge.agent.directories import private_directory
from terway_edge.agent.records import Contents, FormatError, Header, Record, Released, Replay, encode, replay
from terway_edge.core.errors import DECODE_FAILURE, IO_FAILURE, Refused, Retry
from terway_edge.core.failpoints import reach
from terway_edge.core.ipam import COOLDOWN, cooling_of
from terway_edge.core.models import Lease
from terway_edge.core.ports import Stored

if TYPE_CHECKING:
    from terway_edge.core.config import Settings

KEPT_ASIDE = 3
"""How many damaged journals are kept for people to look at."""

_log = logging.getLogger(__name__)


class Journal:
    """A `ports.Store` on one file. Calls must not overlap (Ipam's lock sees to that); one process per file."""

    def __init__(self, path: Path, header: Header, contents: Contents, cooldown: float) -> None:
        """Use `open` instead, unless the file is to begin with these contents. Raises OSError."""
        self._path = path
        self._header = header
        self._contents = contents
        self._cooldown = cooldown
        self._file = -1
        self._length = 0  # bytes up to the end of the last whole record
        self._lines = 0
        self._rewrite_at = 0
        self._torn = False  # bytes of an unfinished record are behind `_length`
        self._closed = False
        self._rewrite()

    @classmethod
    def open(cls, path: Path, boot_id: str, *, marker: Path, cooldown: float = COOLDOWN) -> tuple[Journal, Stored]:
        """Read what a former process of this boot left, and go on from there.

        `marker` must be on a file system that a reboot empties. A damaged file is kept as `PATH.damaged-N`.
        Raises Refused if the files cannot be read or made, are of a format that this version does not read, or if
        others use the directories.
        """
        try:
            private_directory(path.parent)
            private_directory(marker.parent)
            found = _read(path, boot_id, _is_marked(marker, boot_id))
            found.contents.forget_ready(cooldown)
            damage = found.unmended
            if found.damage:
                aside = f"; it is kept as {_keep_aside(path)}" if path.exists() else ""
                damage = f"{path}: {found.damage}{aside}"
            journal = cls(path, Header(boot_id, damage), found.contents, cooldown)
            _write_marker(marker, boot_id)
        except OSError as error:
            where = error.filename or path
            raise Refused(
                f"lease store: cannot use {where}: {error.strerror}; it must be on a writable disk and owned by root",
                code=IO_FAILURE,
            ) from error
        return journal, found.contents.stored(damage)

    def put(self, lease: Lease) -> None:
        self._append(lease)

    def release(self, lease: Lease, released_at: float) -> None:
        if lease.key in self._contents.leases:
            self._append(Released(lease.key, released_at))
        else:
            self._append(*cooling_of(lease, released_at))

    def distrust(self, damage: str) -> None:
        """Put damage on record that only others can see. Raises Retry if that cannot be recorded."""
        _log.error("%s", damage)
        self._header = Header(self._header.boot_id, damage)
        self._recover()

    def mended(self) -> None:
        """The leases were rebuilt and everything else has rested for a cool-down: the damage is history.

        Raises Retry if that cannot be recorded.
        """
        if self._header.damage:
            self._header = Header(self._header.boot_id)
            self._recover()

    @property
    def damage(self) -> str:
        """The damage that is not mended yet; empty if there is none."""
        return self._header.damage

    def close(self) -> None:
        """Nothing is buffered, so nothing is lost by not closing. Whoever still calls gets Retry: the file may be
        another process' by now."""
        self._closed = True
        self._shut()

    def _shut(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, *records: Record) -> None:
        self._refuse_if_closed()
        if self._torn:
            self._recover()
        data = b"".join(map(encode, records))
        try:
            reach("store.append.before")
            written = os.write(self._file, data)
        except OSError as error:
            self._cut()
            raise _retry(self._path, _reason(error)) from error
        if written < len(data):
            self._cut()
            raise _retry(self._path, f"only {written} of {len(data)} bytes were written")
        reach("store.append.after")
        self._length += written
        self._lines += len(records)
        for record in records:
            self._contents.apply(record)
        if self._lines > self._rewrite_at:
            self._compact()

    def _cut(self) -> None:
        """Take an unfinished record back, or remember that it could not be done."""
        try:
            os.ftruncate(self._file, self._length)
        except OSError as error:
            self._torn = True
            _log.error("lease store: cannot shorten %s: %s; it is written anew first", self._path, error.strerror)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise _retry(self._path, "this agent has ended")

    def _recover(self) -> None:
        self._refuse_if_closed()
        try:
            self._rewrite()
        except OSError as error:
            raise _retry(self._path, _reason(error)) from error

    def _compact(self) -> None:
        """The record is safe already, so a failure only means: try again much later."""
        self._contents.forget_ready(self._cooldown)
        try:
            self._rewrite()
        except OSError as error:
            self._rewrite_at = 2 * self._lines
            _log.warning("lease store: cannot compact %s: %s", self._path, error.strerror)

    def _rewrite(self) -> None:
        """Replace the file by one that has only what counts. Raises OSError, and then the old one still stands."""
        records = self._contents.records()
        data = b"".join([encode(self._header), *map(encode, records)])
        file = _replace(self._path, data)
        self._shut()
        self._file, self._length, self._lines, self._torn = file, len(data), len(records), False
        self._rewrite_at = 4 * self._lines + 1024


def open_journal(settings: Settings) -> tuple[Journal, Stored]:
    """The node's lease store where the settings say. Raises as Journal.open."""
    return Journal.open(
        settings.state_dir / "leases.journal",
        Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        marker=settings.run_dir / "leases.marker",
        cooldown=settings.ipam.cooldown_seconds,
    )


def _read(path: Path, boot_id: str, marked: bool) -> Replay:
    """What the file holds. `marked`: this boot had a journal. Raises OSError, and Refused as `Journal.open` does."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Replay(Contents(), "the file is gone, but it was there since the last boot" if marked else "")
    try:
        found = replay(data, boot_id)
    except FormatError as error:
        raise Refused(
            f"lease store: {path} {error}; it is left as it is: start the version that wrote it, or a later one. To go "
            f"back all the same, drain the node and reboot it, or move the file away: leases are then rebuilt from the "
            f"kernel",
            code=DECODE_FAILURE,
        ) from error
    if found.is_of_another_boot and marked:
        # Its pods ended with that boot; but where is the journal of this one?
        return Replay(Contents(), "the file is of another boot, but there was one of this boot")
    return found


def _replace(path: Path, data: bytes) -> int:
    """Put a new file in the place of `path` in one step; returns its descriptor, open for appending."""
    temporary = path.with_name(path.name + ".new")
    reach("store.replace.before")
    temporary.unlink(missing_ok=True)
    file = os.open(temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        reach("store.replace.written")
        os.rename(temporary, path)
    except OSError:
        os.close(file)
        temporary.unlink(missing_ok=True)
        raise
    reach("store.replace.after")
    return file


def _keep_aside(path: Path) -> Path:
    """Rename a damaged journal to the next free number and drop those that are too old."""
    prefix = path.name + ".damaged-"
    suffixes = (p.name[len(prefix) :] for p in path.parent.glob(prefix + "*"))
    numbers = sorted(int(s) for s in suffixes if s.isascii() and s.isdecimal())  # a copy of one is somebody's
    aside = path.with_name(f"{prefix}{numbers[-1] + 1 if numbers else 1}")
    reach("store.aside.before")
    path.rename(aside)
    reach("store.aside.after")
    for number in numbers[: max(len(numbers) + 1 - KEPT_ASIDE, 0)]:
        path.with_name(f"{prefix}{number}").unlink(missing_ok=True)
    return aside


def _is_marked(marker: Path, boot_id: str) -> bool:
    try:
        return marker.read_bytes().strip() == boot_id.encode()  # somebody may have made it no text
    except FileNotFoundError:
        return False


def _write_marker(marker: Path, boot_id: str) -> None:
    os.close(_replace(marker, f"{boot_id}\n".encode()))


def _reason(error: OSError) -> str:
    # go-cni takes a DEL error with the usual words for ENOENT for success.
    return "its directory is gone" if isinstance(error, FileNotFoundError) else str(error.strerror)


def _retry(path: Path, reason: str) -> Retry:
    return Retry(f"lease store: cannot write {path}: {reason}; the lease is not changed; look at the disk's space")
