"""The node's CNI configuration: published once the agent serves, kept, and watched for what stands in its way."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.telemetry import Telemetry
from terway_edge.cni.installer import TYPE, install, install_shim, publish
from terway_edge.cni.places import misplaced
from terway_edge.cni.rivals import Rival, read_rival
from terway_edge.core.config import Settings
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Condition

log = logging.getLogger(__name__)

_Sight = tuple[tuple[int, ...] | None, ...]

LOOK_AGAIN = 2.0  # seconds
FRESH = 1_000_000_000  # ns in which a file may be written twice and keep its time


class Publication:
    """What runtimes find in their directories. Not thread-safe: `begin` comes before the first `keep`."""

    def __init__(self, settings: Settings, conditions: Conditions, telemetry: Telemetry) -> None:
        self._settings = settings
        self._conditions = conditions
        self._telemetry = telemetry
        self._ahead: tuple[Path, ...] = ()
        self._seen: _Sight | None = None
        """How all looked when nothing of it was written any more and everything was read; None: not yet."""

    def begin(self) -> None:
        """Shim, then configuration: the runtime sends pods from now on. Raises Refused or Retry."""
        cni = self._settings.cni
        if told := misplaced(self._settings.run_dir, self._settings.state_dir, os.environ):
            log.warning("%s", told)
        install(cni.bin_dir, cni.conf_dir, cni.network, cni.conf_name)
        self.keep()

    def keep(self) -> None:
        """Put back what others took away or changed, and say what the runtime reads before it.

        A shim that is there is let be: after an upgrade of the package it may be newer than this process.
        """
        cni = self._settings.cni
        sight = self._look()
        if sight == self._seen:
            return
        self._seen = None
        try:
            lost = () if (cni.bin_dir / TYPE).exists() else install_shim(cni.bin_dir).written
            published = publish(cni.conf_dir, cni.network, cni.conf_name)
        except EdgeError as error:
            self._conditions.say("publication", Condition("NotInstalled", self._settings.node_name, str(error)))
            return
        for path in (*lost, *published.written):
            log.warning("somebody removed or changed %s; it is as it was again", path)
            self._telemetry.repaired("installation")
        self._ahead = tuple(cni.conf_dir / name for name in published.ahead)
        self._conditions.say("publication", *map(self._condition, map(read_rival, self._ahead)))
        if all(each is not None and each[0] < time.time_ns() - FRESH for each in sight):
            self._seen = sight

    def _look(self) -> _Sight:
        """The directory changes its time when files come, go or are replaced in it."""
        cni = self._settings.cni
        return tuple(map(_state, (cni.conf_dir, cni.conf_dir / cni.conf_name, cni.bin_dir / TYPE, *self._ahead)))

    def _condition(self, rival: Rival) -> Condition:
        if rival.problem:
            reason = "CniConfigUnreadable"
            told = f"{rival.problem}: containerd has no network at all while it is there. Repair or remove it"
        else:
            reason = "CniConfigOfOthers"
            told = "comes before ours: new pods are not ours. Remove it, unless it hands pods on to ours as Multus does"
        return Condition(reason, self._settings.node_name, f"CNI configuration {rival.path} {told}")


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes with a file's content or rights, its time first; None if it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode, found.st_uid
