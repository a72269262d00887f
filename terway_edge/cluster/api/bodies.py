"""What is sent to the API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha1

from terway_edge.cluster.api.event_queue import Telling
from terway_edge.cluster.api.resources import PEER_VERSION
from terway_edge.cluster.api.subjects import involved
from terway_edge.core.ports import Annotation, Json, StatusEntry

APPLY = "application/apply-patch+yaml"  # of JSON, which is YAML
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json"

COMPONENT = "terway-edge"
CONTROLLER = "openyurt.io/terway-edge"
SPEAKERS, SPEAKER_KEY = "speakers", "node"
"""The list in a BGPPeer's status, and what its entries are known by."""
MAX_MANAGER = 128  # bytes of a field manager's name
MAX_MESSAGE = 1024  # characters of an event's message
MAX_NAME = 253

Body = Mapping[str, Json]
Uid = Callable[[str, str], str | None]
"""The uid of an object by kind and name; None if none is known."""


def event_name(telling: Telling, node: str) -> str:
    """As client-go makes them: the object's name, and the time of the event in nanoseconds."""
    suffix = f".{round(telling.first * 1e9):x}"
    return involved(telling.event.subject, node).name[: MAX_NAME - len(suffix)].rstrip("-.") + suffix


def event(telling: Telling, name: str, node: str, uid: Uid) -> Body:
    """A core/v1 Event. Objects without namespace have theirs in `default`, and name none in `involvedObject`: only so
    are they accepted and does `kubectl describe` find them, by uid."""
    about = involved(telling.event.subject, node)
    known = uid(about.kind, about.name) or (about.name if about.kind == "Node" else None)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {
            "apiVersion": "v1" if about.kind == "Node" else PEER_VERSION,
            "kind": about.kind,
            "name": about.name,
            **({"uid": known} if known else {}),
        },
        "reason": telling.event.reason,
        "message": f"{about.prefix}{telling.event.message}"[:MAX_MESSAGE],
        "type": str(telling.event.severity),
        "source": {"component": COMPONENT, "host": node},
        "firstTimestamp": timestamp(telling.first),
        "lastTimestamp": timestamp(telling.last),
        "count": telling.times,
        "reportingComponent": CONTROLLER,
        "reportingInstance": field_manager(node),
    }


def repeated(telling: Telling) -> Body:
    """A merge patch for an Event that happened again."""
    return {"count": telling.times, "lastTimestamp": timestamp(telling.last)}


def field_manager(node: str) -> str:
    """Each agent's own: with server-side apply each has its own entry in a list."""
    name = f"{COMPONENT}-{node}"
    return name if len(name) <= MAX_MANAGER else f"{COMPONENT}-{sha1(node.encode(), usedforsecurity=False).hexdigest()}"


def speaker_status(entry: StatusEntry) -> Body:
    """To apply: what is applied no more is removed. Without `status` nothing is, and the API forgets that this speaker
    ever was; an empty one would stay its own, in the object's metadata."""
    body: Body = {"apiVersion": PEER_VERSION, "kind": entry.kind, "metadata": {"name": entry.name}}
    if entry.value is None:
        return body
    return {**body, "status": {SPEAKERS: [{SPEAKER_KEY: entry.key, **_without_nulls(entry.value)}]}}


def condition(entry: StatusEntry, current: Sequence[Mapping[str, Json]], now: float) -> Body | None:
    """A strategic merge patch for one condition of a Node; None if it is so already.

    :param current: the Node's conditions; times tell when the status last became another one.
    """
    before = next((each for each in current if each.get("type") == entry.key), None)
    if entry.value is None:
        return None if before is None else _conditions({"$patch": "delete", "type": entry.key})
    if before is not None and all(before.get(key) == entry.value.get(key) for key in ("status", "reason", "message")):
        return None
    is_same = before is not None and before.get("status") == entry.value.get("status")
    since = before.get("lastTransitionTime") if before is not None and is_same else None
    times = {"lastHeartbeatTime": timestamp(now), "lastTransitionTime": since or timestamp(now)}
    return _conditions({**entry.value, "type": entry.key, **times})


def annotation(write: Annotation) -> Body:
    """A merge patch. The uid makes the API server refuse it for a later object of the same name."""
    metadata: dict[str, Json] = {"annotations": {write.key: write.value}}
    if write.uid:
        metadata["uid"] = write.uid
    return {"metadata": metadata}


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _conditions(entry: Mapping[str, Json]) -> Body:
    return {"status": {"conditions": [entry]}}


def _without_nulls(value: Mapping[str, Json]) -> dict[str, Json]:
    """A schema need not allow null where it allows nothing."""
    return {
        key: _without_nulls(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }
