"""Deletes orphaned ENIs of ECS, a few at a time, or only tells of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import NodeSeen
from terway_edge.controlplane.orphans import Suspects
from terway_edge.controlplane.telling import Telling
from terway_edge.core.cloud import Api, Cause, Cloud, CloudAccess, CloudError, Clouds, Eni
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Node
from terway_edge.core.ports import Clock, Event, Events, Severity
from terway_edge.core.selection import select
from terway_edge.eni.configuration import access_of
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG

PERIOD = 300.0  # seconds between looks
CALL = 60.0  # seconds that a call of the cloud has
BUDGET = 20  # deletions at a look
TERWAY = "terway"
"""The backend of instances of ECS."""

log = logging.getLogger(__name__)


class Sweep:
    """For one reign."""

    name = "orphaned ENIs"

    def __init__(
        self, clouds: Clouds, events: Events, clock: Clock, leads: Callable[[], bool], *, deletes: bool, region: str
    ) -> None:
        """:param leads: whether a deletion is safe now.
        :param deletes: False: tell only.
        :param region: of the settings; empty: the cluster's ConfigMap has to tell that there is a cloud at all."""
        self._clouds, self._events, self._clock, self._leads = clouds, events, clock, leads
        self._deletes, self._region = deletes, region
        self._suspects = Suspects()
        self._telling = Telling(events)
        self._cloud: tuple[CloudAccess, Cloud] | None = None
        self._look_at = float("-inf")
        self.orphans = 0

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next, at the latest. Raises CloudError or Refused."""
        if now < self._look_at:
            return self._look_at - now
        access = _access(world, self._region)
        if access is None:
            return PERIOD
        cloud = await asyncio.to_thread(self._open, access)
        self._look_at = now + PERIOD
        if not cloud.features.has_tags:
            return PERIOD
        enis = await asyncio.to_thread(cloud.find_enis, self._deadline(), tags={CREATOR_TAG: CREATOR})
        asked = self._suspects.look(enis, instances_of(world.nodes.values()), now)
        is_there = await self._ask(cloud, asked)
        orphans = self._suspects.proven(is_there, now, knows_all=knows_all(world.nodes.values()))
        self.orphans = len(orphans)
        if self._deletes:
            for eni in orphans[:BUDGET]:
                await self._delete(cloud, eni)
        else:
            self._tell(orphans, now)
        return PERIOD

    def _open(self, access: CloudAccess) -> Cloud:
        if self._cloud is None or self._cloud[0] != access:
            self._cloud = access, self._clouds.open(Api.ECS, self._deadline(), access)
        return self._cloud[1]

    async def _ask(self, cloud: Cloud, instances: Iterable[str]) -> Mapping[str, bool]:
        """Whether each is there; without those of which the cloud did not tell."""
        is_there = {}
        for instance in sorted(instances):
            try:
                await asyncio.to_thread(cloud.instance, instance, self._deadline())
                is_there[instance] = True
            except CloudError as error:
                if error.cause is Cause.MISSING:
                    is_there[instance] = False
                else:
                    log.warning("instance %s: %s", instance, error)
        return is_there

    async def _delete(self, cloud: Cloud, eni: Eni) -> None:
        """Only what is attached to nothing can be deleted at all, says the API."""
        if not self._leads():
            return
        try:
            await asyncio.to_thread(cloud.delete_eni, eni.id, self._deadline())
        except EdgeError as error:
            log.warning("ENI %s: %s", eni.id, error)
            return
        self._events.emit(Event("OrphanEniDeleted", f"ENI {eni.id}", _story(eni), Severity.WARNING))
        log.warning("ENI %s was deleted: %s", eni.id, _story(eni))

    def _tell(self, orphans: list[Eni], now: float) -> None:
        advice = "delete it, or set controlplane.orphan_enis to delete"
        self._telling.say(
            [Event("OrphanEni", f"ENI {eni.id}", f"{_story(eni)}; {advice}", Severity.WARNING) for eni in orphans],
            now,
        )
        for eni in orphans:
            log.info("ENI %s would be deleted: %s", eni.id, _story(eni))

    def _deadline(self) -> float:
        return self._clock.now() + CALL


def instances_of(nodes: Iterable[NodeSeen]) -> frozenset[str]:
    """Of `spec.providerID`, which is `region.instance-id`."""
    return frozenset(node.provider_id.rpartition(".")[2] for node in nodes if node.provider_id)


def knows_all(nodes: Iterable[NodeSeen]) -> bool:
    """Whether every Node that may be an instance of ECS says which."""
    return all(node.provider_id or select(Node(node.name, node.labels, (), ())).backend != TERWAY for node in nodes)


def _access(world: World, region: str) -> CloudAccess | None:
    """None: the cluster has no cloud, as far as anybody says."""
    from terway_edge.core.eni_config import read

    if world.eni_config is None:
        return CloudAccess() if region else None
    config = read(world.eni_config).config
    return access_of(config, Node("", {}, (), ()))


def _story(eni: Eni) -> str:
    return f"it was made for instance {eni.tags[INSTANCE_TAG]}, which is no Node, and is attached to nothing"
