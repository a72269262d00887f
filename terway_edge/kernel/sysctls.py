"""Sysctls below net/, written in the namespace of the calling thread, wherever their file system is mounted."""

from __future__ import annotations

import os
from pathlib import Path

from terway_edge.core.errors import Refused
from terway_edge.core.failpoints import reach
from terway_edge.core.plans import Sysctl

ROOT = Path("/proc/sys/net")


def write(sysctl: Sysctl, root: Path = ROOT) -> None:
    """Write the value, unless `when` says otherwise of the present one.

    Raises OSError as open(2), read(2) and write(2) do, Refused for a path that leaves `root`.
    """
    if ".." in sysctl.path.split("/") or "\0" in sysctl.path:
        raise Refused(f"sysctl {sysctl.path!r} is not below {root}")
    reach("sysctl.write.before")
    access = os.O_RDWR if sysctl.when else os.O_WRONLY
    descriptor = os.open(f"{root}/{sysctl.path}", access | os.O_CLOEXEC)
    try:
        if not sysctl.when or os.pread(descriptor, 4096, 0).decode().strip() == sysctl.when:
            os.pwrite(descriptor, sysctl.value.encode(), 0)
    finally:
        os.close(descriptor)
    reach("sysctl.write.after")
