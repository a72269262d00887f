"""Sysctls below net/, wherever their file system is mounted: in the calling thread's namespace, or in the host's."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

from terway_edge.core.errors import Refused
from terway_edge.core.failpoints import reach
from terway_edge.core.plans import Sysctl
from terway_edge.kernel.netns import inside

ROOT = Path("/proc/sys/net")


class HostSysctls:
    """Those of one namespace, whichever the calling thread is in, without entering it for each.

    A directory below net/ (`ipv6`), once open, shows the namespace in which it was opened to every thread.
    """

    def __init__(self, netns: int, root: Path) -> None:
        self._netns = netns
        self._root = root
        self._directories: dict[str, int] = {}
        self._lock = Lock()

    def write(self, sysctl: Sysctl) -> None:
        """As `write`, in the namespace; KernelError if it cannot be entered."""
        _refuse_strangers(sysctl, self._root)
        top, _, rest = sysctl.path.partition("/")
        directory = self._directories.get(top)
        _write(sysctl, rest, self._opened(top) if directory is None else directory)

    def close(self) -> None:
        while self._directories:
            os.close(self._directories.popitem()[1])

    def _opened(self, top: str) -> int:
        with self._lock:
            if top not in self._directories:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                self._directories[top] = inside(self._netns, lambda: os.open(self._root / top, flags))
            return self._directories[top]


def write(sysctl: Sysctl, root: Path = ROOT) -> None:
    """Write the value, unless `when` says otherwise of the present one.

    Raises OSError as open(2), read(2) and write(2) do, Refused for a path that leaves `root`.
    """
    _refuse_strangers(sysctl, root)
    _write(sysctl, f"{root}/{sysctl.path}")


def deviates(sysctl: Sysctl, root: Path = ROOT) -> bool:
    """Whether `write` would change something; False if there is no such file. Raises as `write`."""
    _refuse_strangers(sysctl, root)
    try:
        found = _read(f"{root}/{sysctl.path}")
    except FileNotFoundError:  # its link may go while it is open
        return False
    return differs(sysctl, found)


def differs(sysctl: Sysctl, found: str) -> bool:
    """Whether a value is not the wanted one, or is the one that `when` says."""
    return found == sysctl.when if sysctl.when else found != sysctl.value


def _refuse_strangers(sysctl: Sysctl, root: Path) -> None:
    # An empty part would make the rest an absolute path, where a directory is open already.
    if {"", ".."} & set(sysctl.path.split("/")) or "\0" in sysctl.path:
        raise Refused(f"sysctl {sysctl.path!r} is not below {root}")


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, 4096, 0).decode().strip()
    finally:
        os.close(descriptor)


def _write(sysctl: Sysctl, path: str, directory: int | None = None) -> None:
    reach("sysctl.write.before")
    access = os.O_RDWR if sysctl.when else os.O_WRONLY
    descriptor = os.open(path, access | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not sysctl.when or os.pread(descriptor, 4096, 0).decode().strip() == sysctl.when:
            os.pwrite(descriptor, sysctl.value.encode(), 0)
    finally:
        os.close(descriptor)
    reach("sysctl.write.after")
