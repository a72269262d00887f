"""Sysctls below /proc/sys/net, written in the namespace of the calling thread."""

from __future__ import annotations

import os

from terway_edge.core.errors import Refused
from terway_edge.core.plans import Sysctl

ROOT = "/proc/sys/net/"


def write(sysctl: Sysctl) -> None:
    """Raises OSError as open(2) and write(2) do, Refused for a path that leaves /proc/sys/net."""
    if ".." in sysctl.path.split("/") or "\0" in sysctl.path:
        raise Refused(f"sysctl {sysctl.path!r} is not below {ROOT}")
    descriptor = os.open(ROOT + sysctl.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, sysctl.value.encode())
    finally:
        os.close(descriptor)
