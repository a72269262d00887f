"""The node's CNI configuration: published once the agent serves, kept, and watched for what stands in its way."""

from __future__ import annotations

import logging
import os

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.telemetry import Telemetry
from terway_edge.cni.installer import TYPE, install, install_shim, publish
from terway_edge.cni.places import misplaced
from terway_edge.cni.rivals import Rival, read_rival
from terway_edge.core.config import Settings
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Condition

log = logging.getLogger(__name__)

LOOK_AGAIN = 2.0  # seconds


class Publication:
    """What runtimes find in their directories. Not thread-safe: `begin` comes before the first `keep`."""

    def __init__(self, settings: Settings, conditions: Conditions, telemetry: Telemetry) -> None:
        self._settings = settings
        self._conditions = conditions
        self._telemetry = telemetry

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
        try:
            lost = () if (cni.bin_dir / TYPE).exists() else install_shim(cni.bin_dir).written
            published = publish(cni.conf_dir, cni.network, cni.conf_name)
        except EdgeError as error:
            self._conditions.say("publication", Condition("NotInstalled", self._settings.node_name, str(error)))
            return
        for path in (*lost, *published.written):
            log.warning("somebody removed or changed %s; it is as it was again", path)
            self._telemetry.repaired("installation")
        rivals = (read_rival(cni.conf_dir / name) for name in published.ahead)
        self._conditions.say("publication", *map(self._condition, rivals))

    def _condition(self, rival: Rival) -> Condition:
        if rival.problem:
            reason = "CniConfigUnreadable"
            told = f"{rival.problem}: containerd has no network at all while it is there. Repair or remove it"
        else:
            reason = "CniConfigOfOthers"
            told = "comes before ours: new pods are not ours. Remove it, unless it hands pods on to ours as Multus does"
        return Condition(reason, self._settings.node_name, f"CNI configuration {rival.path} {told}")
