"""Writes conditions of BGPPeers, and takes entries away whose speakers will not do it themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.json import decode

from terway_edge.cluster.api.bodies import APPLY, field_manager, timestamp
from terway_edge.cluster.api.failures import CONFLICT, NOT_FOUND, ApiError
from terway_edge.cluster.api.resources import PEER_VERSION, PEERS, object_path
from terway_edge.controlplane.api import Api
from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import PeerSeen
from terway_edge.controlplane.peer_conditions import ESTABLISHED, Verdict, condition_of, stray_entries, verdicts
from terway_edge.core.ports import Json

MANAGER = "terway-edge/controlplane"
"""Field manager; no agent's, for no Node has a slash in its name."""
PERIOD = 60.0  # seconds between turns without news
REWRITE = 5.0  # seconds between two writes of one condition of which only the words differ
PRUNE_AFTER = 60.0  # seconds that an agent has to take its entry away itself

log = logging.getLogger(__name__)


class Peers:
    """For one reign."""

    name = "conditions of BGPPeers"

    def __init__(self, api: Api, wall: Callable[[], float], prune_after: float = PRUNE_AFTER) -> None:
        """:param wall: seconds since the epoch."""
        self._api, self._wall, self._prune_after = api, wall, prune_after
        self._written_at: dict[str, float] = {}
        self._strays: dict[tuple[str, str], float] = {}

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next, at the latest. Raises NotLeadingError, or as `Api`."""
        if world.peers is None:
            return PERIOD
        again = PERIOD
        for name, verdict in verdicts(world).items():
            seen = world.peers[name]
            if _is_so(seen, verdict):
                continue
            wait = 0.0 if _is_news(seen, verdict) else self._written_at.get(name, float("-inf")) + REWRITE - now
            if wait > 0:
                again = min(again, wait)
            else:
                await self._write(seen, verdict)
                self._written_at[name] = now
        self._written_at = {name: at for name, at in self._written_at.items() if name in world.peers}
        return min(again, await self._prune(world, now))

    async def _write(self, seen: PeerSeen, verdict: Verdict) -> None:
        """By server-side apply, which leaves the entries of speakers alone."""
        before = condition_of(seen)
        is_same = before is not None and before.status == verdict.status
        since = before.last_transition_time if before is not None and is_same else ""
        condition: dict[str, Json] = {
            "type": ESTABLISHED,
            **verdict._asdict(),
            "lastTransitionTime": since or timestamp(self._wall()),
        }
        if seen.generation:
            condition["observedGeneration"] = seen.generation
        metadata: dict[str, Json] = {"name": seen.peer.name, "uid": seen.peer.uid}
        await self._apply(metadata, {"status": {"conditions": [condition]}}, MANAGER)

    async def _apply(self, metadata: Mapping[str, Json], content: Mapping[str, Json], manager: str) -> None:
        """An object that is another by now, or gone, is for the next turn."""
        name = str(metadata["name"])
        head: dict[str, Json] = {"apiVersion": PEER_VERSION, "kind": "BGPPeer"}
        body = {**head, "metadata": metadata, **content}
        query = [("fieldManager", manager), ("force", "true")]
        try:
            await self._api.send("PATCH", f"{object_path('BGPPeer', name)}/status", body, APPLY, query)
        except ApiError as error:
            if error.status not in (CONFLICT, NOT_FOUND):
                raise
            log.info("BGPPeer/%s: %s", name, error)

    async def _prune(self, world: World, now: float) -> float:
        """Seconds until there may be more."""
        self._strays = {key: self._strays.get(key, now) for key in stray_entries(world)}
        waits = [PERIOD]
        for (peer, node), since in self._strays.items():
            if now < since + self._prune_after:
                waits.append(since + self._prune_after - now)
            else:
                await self._take_away(peer, node, is_gone=node not in world.nodes)
        return min(waits)

    async def _take_away(self, peer: str, node: str, *, is_gone: bool) -> None:
        """In its agent's name, as that one would do it; not if it has become a speaker meanwhile."""
        text = await self._api.get(PEERS.path, [("fieldSelector", f"metadata.name={peer}")])
        items: list[Mapping[str, Any]] = decode(text)["items"]
        if not items or (node in items[0]["spec"]["localSpeakers"] and not is_gone):
            return
        version = items[0]["metadata"]["resourceVersion"]
        await self._apply({"name": peer, "resourceVersion": version}, {}, field_manager(node))
        log.info("BGPPeer/%s: the entry of %s, which is no speaker, was taken away", peer, node)


def _is_so(seen: PeerSeen, verdict: Verdict) -> bool:
    before = condition_of(seen)
    if before is None or before.observed_generation != seen.generation:
        return False
    return (before.status, before.reason, before.message) == verdict


def _is_news(seen: PeerSeen, verdict: Verdict) -> bool:
    """Whether more than the words differ."""
    before = condition_of(seen)
    return before is None or before.status != verdict.status
