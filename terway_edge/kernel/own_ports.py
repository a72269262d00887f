"""Port ids of netlink sockets by which a notification is known to tell of a change of ours."""

from __future__ import annotations

import secrets
from itertools import count

from terway_edge.kernel.filter import PORT_MASK


class OwnPorts:
    """A range of 4096 that starts at `base`, far from what the kernel gives out (`sockets.HostSockets`)."""

    def __init__(self) -> None:
        self.base = secrets.randbelow(1 << 18) + (1 << 18) << 12
        self._ports = count(self.base)

    def next(self) -> int:
        """Any thread may call."""
        return next(self._ports) & ~PORT_MASK | self.base
