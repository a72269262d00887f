"""How shims get to the agent: the socket, and the spool for those that find nobody there.

Whoever removes the socket, or its directory, keeps every shim out, and those of DELs leave them in the spool. So the
socket is looked for now and then; one that is gone is made anew, after the spooled DELs were carried out.
"""

from __future__ import annotations

import logging

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.handler import CniHandler
from terway_edge.agent.server import Server
from terway_edge.agent.spool import locked, replay, tidy
from terway_edge.core.config import Settings
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Condition

log = logging.getLogger(__name__)

LOOK_AGAIN = 2.0  # seconds
LOCK_WAIT = 5.0  # seconds a shim has to end that writes to the spool


class Door:
    """Listens when built; `serve` lets callers in. `keep` and `drain` must not overlap."""

    def __init__(self, settings: Settings, handler: CniHandler, conditions: Conditions) -> None:
        """Raises Refused or OSError."""
        self._settings = settings
        self._handler = handler
        self._conditions = conditions
        self._spool = settings.state_dir / "spool"
        with locked(self._spool, LOCK_WAIT) as is_alone:
            self._catch_up(is_alone)
            self._server = Server(settings.run_dir / "cni.sock", settings.cni.workers, handler)

    def serve(self) -> None:
        self._server.serve()

    def keep(self) -> None:
        """Be reachable again, if somebody took the socket away, and carry out what a shim that hung has spooled."""
        if not self._server.is_reachable():
            self._open_again()
        elif self._is_behind:
            with locked(self._spool, wait=0) as is_alone:
                if is_alone:
                    self._catch_up(is_alone)

    def drain(self, timeout: float) -> bool:
        """Let nobody in any more; False if a request is still being served after `timeout` seconds."""
        return self._server.drain(timeout)

    def _open_again(self) -> None:
        path = self._settings.run_dir / "cni.sock"
        try:
            with locked(self._spool, LOCK_WAIT) as is_alone:
                self._catch_up(is_alone)
                self._server.listen_anew()
        except (EdgeError, OSError) as error:
            told = f"{path} was removed and cannot be made anew: {error}"
            self._conditions.say("socket", Condition("NotReachable", self._settings.node_name, told))
            return
        log.warning("somebody removed %s; it is there again", path)
        self._conditions.say("socket")

    def _catch_up(self, is_alone: bool) -> None:
        """Beside a shim that hangs with the lock, too, but then its file may still come."""
        self._is_behind = not is_alone
        if is_alone:
            tidy(self._spool)
        else:
            told = "a shim holds the lock of %s and does not end: its DEL is carried out once it does"
            log.error(told, self._spool)
        if done := replay(self._spool, self._handler.delete_spooled):
            log.info("carried out %d DELs that came while no agent was there", done)
