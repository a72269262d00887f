"""Tells when a directory changes: inotify(7) through ctypes, for Python has no binding of it."""

from __future__ import annotations

import ctypes
import os
import select
import stat
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from terway_edge.core.errors import Refused

# linux/inotify.h
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
IN_ONLYDIR = 0x0100_0000

_ENTRY = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
_SELF = IN_DELETE_SELF | IN_MOVE_SELF
_GONE = _SELF | IN_UNMOUNT | IN_IGNORED
_HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len

QUIET = 0.02  # seconds without an event that end a burst
BURST = 0.06  # seconds after which a burst is reported though it goes on
IDLE = 30.0  # seconds until everything is looked at though nothing happened: mounts and links' targets make no event


@dataclass
class Changes:
    """Names in the directory to read again; `everything` if they do not tell the whole."""

    names: set[str] = field(default_factory=set)
    everything: bool = False


class DirectoryWatch:
    """Reports changes of one directory, which may disappear and come again.

    The nearest existing directory above it is watched too, so that its coming is seen.
    """

    def __init__(self, path: Path, wanted: Callable[[str], bool], link: str = "", idle: float = IDLE) -> None:
        """:param wanted: which names are reported.
        :param link: a name that changes everything, the symbolic link that a ConfigMap volume swaps.
        :param idle: seconds without a change after which everything is reported as changed.
        :raises Refused: there is no inotify instance left.
        """
        self._path, self._wanted, self._link, self._idle = path.absolute(), wanted, link, idle
        self._inotify = _Inotify()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._inotify.fd, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._own = self._above = -1  # watch descriptors
        self._below = ""  # the path's component in the directory above
        self._arm()

    def wait(self) -> Changes | None:
        """The next changes, collected until QUIET; None after `interrupt`."""
        found, pending = Changes(), False
        end = time.monotonic() + self._idle
        while (left := end - time.monotonic()) > 0:
            ready = self._poll.poll(1000 * (min(left, QUIET) if pending else left))
            if any(fd == self._wake for fd, _ in ready):
                return None
            if not ready:
                break
            self._collect(found)
            if not pending and (found.names or found.everything):
                pending, end = True, time.monotonic() + BURST
        found.everything |= not pending
        if found.everything:
            self._arm()
        return found

    def interrupt(self) -> None:
        """End `wait`, now and for good; from any thread."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        self._inotify.close()
        os.close(self._wake)

    def _collect(self, found: Changes) -> None:
        for event in self._inotify.read():
            if event.mask & IN_Q_OVERFLOW:
                found.everything = True
            elif event.wd == self._own:
                if event.mask & _GONE or (self._link and event.name == self._link):
                    found.everything = True
                elif self._wanted(event.name) and self._whole(event):
                    found.names.add(event.name)
            elif event.wd == self._above and (event.mask & _GONE or event.name == self._below):
                found.everything = True

    def _whole(self, event: _Event) -> bool:
        """False for a file just created, which is still to be written; links are born whole."""
        if not event.mask & IN_CREATE:
            return True
        try:
            status = os.lstat(self._path / event.name)
        except OSError:
            return False  # gone again: another event says so
        return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1

    def _arm(self) -> None:
        """Watch what the paths name now; the upper directory first, so that nothing slips between."""
        below = self._path
        for parent in self._path.parents:
            above = self._inotify.add(parent, _ENTRY | _SELF)
            if above >= 0:
                self._above, self._below = self._switch(self._above, above), below.name
                break
            below = parent
        self._own = self._switch(self._own, self._inotify.add(self._path, _ENTRY | _SELF | IN_CLOSE_WRITE))

    def _switch(self, old: int, new: int) -> int:
        if old not in (-1, new):
            self._inotify.remove(old)
        return new


class _Event(NamedTuple):
    wd: int
    mask: int
    name: str


class _Inotify:
    """The three system calls and the record format."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            reason = os.strerror(ctypes.get_errno())
            raise Refused(f"inotify_init1: {reason}; raise fs.inotify.max_user_instances, or stop other watchers")

    def add(self, path: Path, mask: int) -> int:
        """The watch descriptor, the same again for the same directory; -1 if it cannot be watched."""
        found: int = self._libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask | IN_ONLYDIR))
        return found

    def remove(self, wd: int) -> None:
        """A watch that the kernel dropped already is success."""
        self._libc.inotify_rm_watch(self.fd, wd)

    def read(self) -> list[_Event]:
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return []
        found: list[_Event] = []
        offset = 0
        while offset < len(data):
            wd, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            found.append(_Event(wd, mask, os.fsdecode(data[offset : offset + length].rstrip(b"\0"))))
            offset += length
        return found

    def close(self) -> None:
        os.close(self.fd)
