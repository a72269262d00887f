"""Network namespaces: proving that a path is one, and doing something inside.

Only the calling thread changes namespace, for as long as one function takes. A netlink socket opened meanwhile stays in
that namespace, and /proc/sys/net shows the namespace of the thread that opens a file there.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOMEM, errorcode
from functools import cache
from typing import TypeVar

from terway_edge.core.errors import INVALID_ENVIRONMENT, INVALID_NETNS, Bug, KernelError, Refused, Retry
from terway_edge.core.failpoints import reach
from terway_edge.core.plans import Netns

CLONE_NEWNET = 0x40000000
NS_GET_NSTYPE = 0xB703  # ioctl_nsfs(2)
OWN = "/proc/thread-self/ns/net"
SHORTAGES = (EMFILE, ENFILE, ENOMEM)
"""Errors that say nothing of what was to be opened."""

Result = TypeVar("Result")
Identity = tuple[int, int]
"""(device, inode) of a namespace: equal means the same."""

if sys.version_info >= (3, 12):

    def _setns(descriptor: int) -> None:
        os.setns(descriptor, CLONE_NEWNET)

else:
    import ctypes

    _libc = ctypes.CDLL(None, use_errno=True)

    def _setns(descriptor: int) -> None:
        if _libc.setns(descriptor, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


class _Astray(threading.local):
    """Set on a thread that could not go home; it must not touch any namespace again."""

    is_set = False


_astray = _Astray()


def open_netns(netns: Netns) -> int:
    """A new descriptor of a network namespace, for the caller to close.

    `netns` is an absolute path, a descriptor, or HOST for the calling thread's own. Raises Refused if it is anything
    else: INVALID_ENVIRONMENT if the path cannot be one, INVALID_NETNS if there is no network namespace behind it.
    Raises Retry if no descriptors are left, or no memory.
    """
    return _open(netns)[0]


def open_pods(netns: Netns, own: Identity) -> int:
    """As `open_netns`; raises Refused as well if it is the namespace `own`: the node's."""
    descriptor, found = _open(netns)
    if found == own:
        os.close(descriptor)
        raise Refused("the pod's network namespace is the node's own", code=INVALID_NETNS)
    return descriptor


def identity(descriptor: int) -> Identity:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _open(netns: Netns) -> tuple[int, Identity]:
    descriptor = _duplicate(netns) if isinstance(netns, int) else _opened(netns or OWN)
    try:
        found = identity(descriptor)
        # The device number proves a namespace; the ioctl, its kind.
        if found[0] != _nsfs() or fcntl.ioctl(descriptor, NS_GET_NSTYPE) != CLONE_NEWNET:
            what = f"descriptor {netns}" if isinstance(netns, int) else netns or OWN
            raise Refused(f"{what} is not a network namespace", code=INVALID_NETNS)
    except BaseException:
        os.close(descriptor)
        raise
    reach("netns.open.after")
    return descriptor, found


def inside(descriptor: int, work: Callable[[], Result]) -> Result:
    """Run `work` with the calling thread in the namespace, then bring the thread back.

    Raises KernelError if the namespace cannot be entered, or no descriptor is left for the way back; Bug if the thread
    cannot come back: it is then unusable.
    """
    if _astray.is_set:
        raise Bug("this thread is lost in a foreign network namespace; restart the agent")
    home = _home()
    try:
        _enter(descriptor)
        try:
            reach("netns.enter.after")
            return work()
        finally:
            _return(home)
            reach("netns.return.after")
    finally:
        os.close(home)


def _home() -> int:
    try:
        return os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _failed("cannot open the agent's own network namespace", error) from error


def _enter(descriptor: int) -> None:
    try:
        reach("netns.enter.before")
        _setns(descriptor)
    except OSError as error:
        raise _failed("cannot enter the network namespace", error, "; the agent needs CAP_SYS_ADMIN") from error


def _failed(what: str, error: OSError, advice: str = "") -> KernelError:
    number = error.errno or 0
    return KernelError(f"{what}: {errorcode.get(number, number)}: {error.strerror}{advice}", errno=number)


def _return(home: int) -> None:
    try:
        _setns(home)
    except OSError as error:
        _astray.is_set = True
        raise Bug(f"cannot return from a network namespace: {error.strerror}; restart the agent") from error


def _opened(path: str) -> int:
    if not path.startswith("/") or "\0" in path:
        raise Refused(f"network namespace {path!r} is not an absolute path", code=INVALID_ENVIRONMENT)
    try:
        reach("netns.open.before")
        # O_NONBLOCK: a fifo must not make us wait for its writer.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _not_opened(f"cannot open network namespace {path}: {error.strerror}", error) from error


def _duplicate(descriptor: int) -> int:
    try:
        reach("netns.open.before")
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0)
    except (OSError, ValueError) as error:
        raise _not_opened(f"descriptor {descriptor} is not open: {error}", error) from error


def _not_opened(message: str, error: Exception) -> Refused | Retry:
    if isinstance(error, OSError) and error.errno in SHORTAGES:
        return Retry(f"{message}; the agent or the node is short of it")
    return Refused(message, code=INVALID_NETNS)


@cache
def _nsfs() -> int:
    """The device number of the file system that all namespaces live on; there is one per kernel."""
    return os.stat(OWN).st_dev
