"""Named points at which a test can kill, stop, delay or fail a process: never active in ordinary use.

`arm` turns them on if TERWAY_EDGE_FAILPOINTS names a file of root's with mode 0600. The file may change at any time;
it holds lines `NAME ACTION [NTH]` and what begins with '#':

    kill       SIGKILL to this process
    stop       SIGSTOP to this process
    pause      the calling thread waits until the line is gone
    delay:MS   the calling thread waits so long
    ENOSPC     the operation fails with this errno; not where it is over (`.after`)

NTH is the time at which the line acts, counted by each process from when it first sees the line: 1 if nothing is said,
`*` for every time. FILE.reached gets a line with the name of every point that is reached.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import time
from _thread import get_ident
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import NamedTuple

from terway_edge.core.errors import Refused

VARIABLE = "TERWAY_EDGE_FAILPOINTS"
NAMES: Mapping[str, str] = {
    "store.append.before": "a lease, or the end of one, is about to be appended to the journal",
    "store.append.after": "it is written, and nobody was told",
    "store.replace.before": "the journal, or its marker, is about to be written anew beside the old one",
    "store.replace.written": "the new one is whole, the old one has its name still",
    "store.replace.after": "the new one has the name",
    "store.aside.before": "a damaged journal is about to be set aside",
    "store.aside.after": "it is set aside, and no new one is there",
    "spool.remove.before": "a spooled DEL is carried out, its file is there still",
    "spool.remove.after": "its file is gone",
    "bgp.save.before": "bgp.json, what peers were told, is about to be written anew",
    "bgp.save.written": "the new one is synced, the old one has its name still",
    "bgp.save.after": "the new one has the name, and the directory is synced",
    "eni.save.before": "eni.json, what is under way in the cloud, is about to be written anew",
    "eni.save.written": "the new one is synced, the old one has its name still",
    "eni.save.after": "the new one has the name, and the directory is synced",
    "cache.write.before": "the last objects of a kind are about to be written to the cache",
    "cache.write.written": "the new file is whole, the old one has its name still",
    "cache.write.after": "the new one has the name",
    "status.write.before": "a status or annotation file is about to be written anew",
    "status.write.written": "the new one is whole, the old one has its name still",
    "status.write.after": "the new one has the name",
    "heartbeat.write.before": "the heartbeat file is about to be written anew",
    "heartbeat.write.written": "the new one is whole, the old one has its name still",
    "heartbeat.write.after": "the new one has the name",
    "install.write.before": "the shim, or the CNI configuration, is about to be written",
    "install.write.written": "the new one is synced, the old one has its name still",
    "install.write.after": "the new one has the name, and the directory is synced",
    "netlink.send.before": "a batch of changes is about to be sent to the kernel",
    "netlink.send.after": "the kernel has worked through it, its answer is not read",
    "netlink.reply.after": "its answer is read",
    "sysctl.write.before": "a sysctl is about to be written",
    "sysctl.write.after": "it is written",
    "nft.run.before": "the nft program is about to be run with a script",
    "nft.run.after": "it has ended",
    "netns.open.before": "a pod's network namespace is about to be opened",
    "netns.open.after": "it is open and proven to be one",
    "netns.enter.before": "the thread is about to enter a network namespace",
    "netns.enter.after": "it is inside",
    "netns.return.after": "it is home again",
    "request.read.after": "a request of a shim is read, and nothing is done",
    "reply.before": "the answer is about to be sent to the shim",
    "reply.after": "it is sent",
    "socket.listen.after": "the socket listens, and nobody serves it yet",
}
"""Every point and what is so when it is reached."""

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
SUFFIX = ".reached"
LOOK = 0.005  # seconds between two looks of a pause at the file

log = logging.getLogger(__name__)


class Line(NamedTuple):
    """`nth` is 0 for every time."""

    name: str
    action: str
    nth: int = 1


class Failpoints:
    """What the file says now; counts are this process'."""

    def __init__(self, path: Path) -> None:
        """Raises Refused if the file is not as the module says."""
        self._path = path
        self._times: dict[Line, Iterator[int]] = {}
        self.lines()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._reached = os.open(f"{path}{SUFFIX}", flags, 0o600)

    def close(self) -> None:
        os.close(self._reached)

    def lines(self) -> list[Line]:
        """Read the file. Raises Refused."""
        return [_line(text) for text in _text(self._path).splitlines() if text.strip() and not text.startswith("#")]

    def reach(self, name: str) -> None:
        os.write(self._reached, f"{name}\n".encode())
        lines = self.lines()
        for forgotten in self._times.keys() - lines:
            self._times.pop(forgotten, None)
        for line in lines:
            if line.name == name:
                time_now = next(self._times.setdefault(line, count(1)))
                if line.nth in (0, time_now):
                    self._act(line)

    def _act(self, line: Line) -> None:
        if line.action in SIGNALS:
            # To this thread: one for the process may be taken by another while this one goes on for a moment.
            signal.pthread_kill(get_ident(), SIGNALS[line.action])
        elif line.action == "pause":
            while line in self.lines():
                time.sleep(LOOK)
        elif line.action.startswith("delay:"):
            time.sleep(int(line.action.removeprefix("delay:")) / 1000)
        else:
            number = getattr(errno, line.action)
            raise OSError(number, os.strerror(number))


def _text(path: Path) -> str:
    """Raises Refused if it is not a file for root alone."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != 0o600 or status.st_uid != 0:
                raise Refused(f"{VARIABLE}: {path} must be a file of root's with mode 0600")
            return file.read()
    except OSError as error:
        raise Refused(f"{VARIABLE}: cannot read {path}: {error.strerror}") from error


def _line(text: str) -> Line:
    """Raises Refused."""
    match text.split():
        case [name, action] if _is_meant(name, action):
            return Line(name, action)
        case [name, action, "*"] if _is_meant(name, action):
            return Line(name, action, 0)
        case [name, action, nth] if _is_meant(name, action) and _is_number(nth):
            return Line(name, action, int(nth))
    raise Refused(f"{VARIABLE}: {text!r} is no line `NAME ACTION [NTH]`")


def _is_meant(name: str, action: str) -> bool:
    if action.startswith("delay:"):
        known = _is_number(action.removeprefix("delay:"))
    elif action in errno.errorcode.values():
        known = not name.endswith(".after")
    else:
        known = action == "pause" or action in SIGNALS
    return known and name in NAMES


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


_armed: Failpoints | None = None


def arm(environ: Mapping[str, str]) -> None:
    """Turn the points of this process on if the environment says so, off if it does not. Raises Refused."""
    global _armed  # noqa: PLW0603 - one process, one set of points
    if _armed is not None:
        _armed.close()
    _armed = None
    if path := environ.get(VARIABLE):
        _armed = Failpoints(Path(path))
        log.warning("failpoints are active, this process may be made to fail: %s=%s", VARIABLE, path)


def reach(name: str) -> None:
    """Do here what a line of the file says, if points are on. Raises OSError if that is what it says."""
    if _armed is not None:
        _armed.reach(name)
