"""Where a server of the lab listens."""

from __future__ import annotations

import socket

from terway_edge.core.config import Section
from terway_edge.lab.sockets import socket_in
from terway_edge.testing.http import BACKLOG


class Listener(Section):
    netns: str
    address: str
    port: int

    def open(self) -> socket.socket:
        """Raises OSError."""
        listening = socket_in(self.netns, socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.address, self.port))
        listening.listen(BACKLOG)
        return listening
