"""Writes condition NetworkUnavailable of nodes whose agent is dead, and takes back what it wrote."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.json import decode

from terway_edge.cluster.api.bodies import STRATEGIC, condition
from terway_edge.cluster.api.failures import CONFLICT, NOT_FOUND, ApiError
from terway_edge.cluster.api.resources import object_path
from terway_edge.controlplane.api import Api
from terway_edge.controlplane.following import World
from terway_edge.controlplane.silence import Judgement, Silence
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, SERVING, SILENT
from terway_edge.core.ports import Event, Events, Json, Severity, StatusEntry

PERIOD = 60.0  # seconds between turns without news
RETRY = 1.0  # seconds until what was in the way may be gone
OURS = (("False", SERVING), ("True", SILENT))

log = logging.getLogger(__name__)


class Network:
    """For one reign."""

    name = "condition NetworkUnavailable"

    def __init__(self, grace: float, api: Api, events: Events, wall: Callable[[], float]) -> None:
        """:param wall: seconds since the epoch."""
        self._silence = Silence(grace)
        self._api, self._events, self._wall = api, events, wall
        self._held_back: tuple[str, ...] = ()

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next, at the latest. Raises NotLeadingError, or as `Api`."""
        if world.agents is None:
            return PERIOD
        judgement = self._silence.judge(world, now)
        self._tell(judgement)
        is_done = True
        for name, value in judgement.conditions.items():
            is_done &= await self._write(name, world.nodes[name].uid, value)
        return min(PERIOD, judgement.again or PERIOD) if is_done else RETRY

    async def _write(self, name: str, uid: str, value: Mapping[str, str]) -> bool:
        """False if the Node changed meanwhile: what is somebody else's word is left alone."""
        path = object_path("Node", name)
        try:
            node: Mapping[str, Any] = decode(await self._api.get(path))
            current: list[Mapping[str, Json]] = (node.get("status") or {}).get("conditions") or []
            before = next((each for each in current if each.get("type") == NETWORK_UNAVAILABLE), {})
            if node["metadata"]["uid"] != uid or (before.get("status"), before.get("reason")) not in OURS:
                return True
            patch = condition(StatusEntry("Node", name, NETWORK_UNAVAILABLE, value), current, self._wall())
            if patch is None:
                return True
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            await self._api.send("PATCH", f"{path}/status", {**patch, "metadata": version}, STRATEGIC)
        except ApiError as error:
            if error.status not in (CONFLICT, NOT_FOUND):
                raise
            return False
        is_marked = value["status"] == "True"
        reason, severity = ("AgentSilent", Severity.WARNING) if is_marked else ("AgentBack", Severity.NORMAL)
        self._events.emit(Event(reason, f"Node/{name}", value["message"], severity))
        return True

    def _tell(self, judgement: Judgement) -> None:
        if judgement.held_back != self._held_back and judgement.held_back:
            log.error(
                "%d more nodes seem to have a dead agent, among them %s; so many at once are left alone",
                len(judgement.held_back),
                judgement.held_back[0],
            )
        self._held_back = judgement.held_back
