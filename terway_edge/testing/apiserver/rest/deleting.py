"""Delete one object or many: at once, after a grace period, or when the last finalizer is gone."""

from __future__ import annotations

from typing import NamedTuple

from terway_edge.testing.apiserver.errors import conflict, not_found
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, clone, dig
from terway_edge.testing.apiserver.options import DeleteOptions
from terway_edge.testing.apiserver.state import State
from terway_edge.testing.apiserver.store import Key, Stored

POD_GRACE = 30  # seconds


class Deleted(NamedTuple):
    """`is_gone` is False while finalizers, a grace period or a namespace's objects keep it."""

    value: Object
    is_gone: bool


class Deleter:
    def __init__(self, state: State) -> None:
        self._state = state

    def delete(self, kind: Kind, key: Key, options: DeleteOptions) -> Deleted:
        """Raises ApiError 404 or 409."""
        with self._state.store.changed:
            stored = self._state.get(kind, key)
            if stored is None:
                raise not_found(kind, key[1])
            _check(kind, stored.object, options)
            if kind.name == "Namespace" and not kind.group:
                return self._delete_namespace(kind, key, stored, options)
            return self._delete(kind, key, stored, options)

    def _delete(self, kind: Kind, key: Key, stored: Stored, options: DeleteOptions) -> Deleted:
        grace = _grace(kind, stored.object, options)
        if not grace and not stored.object["metadata"].get("finalizers"):
            return Deleted(stored.object if options.is_dry else self._state.drop(kind, key).object, True)
        return Deleted(self._mark(kind, key, stored, grace, options), False)

    def _mark(self, kind: Kind, key: Key, stored: Stored, grace: int, options: DeleteOptions) -> Object:
        """metadata.deletionTimestamp: when it is to be gone. It may come sooner than said before, never later."""
        value = clone(stored.object)
        meta = value["metadata"]
        before = meta.get("deletionGracePeriodSeconds", 0) if meta.get("deletionTimestamp") else None
        if options.is_dry or (before is not None and before <= grace):
            return stored.object
        meta["deletionTimestamp"] = self._state.clock.stamp(grace)
        meta["deletionGracePeriodSeconds"] = grace
        if kind.counts and before is None:
            meta["generation"] = meta.get("generation", 0) + 1
        return self._state.save(kind, key, value).object

    def _delete_namespace(self, kind: Kind, key: Key, stored: Stored, options: DeleteOptions) -> Deleted:
        """The objects in it are deleted at once, and it is gone when they are: there is no controller to wait for."""
        if options.is_dry:
            return Deleted(stored.object, False)
        value = clone(stored.object)
        if not value["metadata"].get("deletionTimestamp"):
            value["metadata"]["deletionTimestamp"] = self._state.clock.stamp()
            value["status"] = {**(value.get("status") or {}), "phase": "Terminating"}
            value["spec"]["finalizers"] = []
            value = self._state.save(kind, key, value).object
        now = DeleteOptions(is_dry=False, grace=0, uid="", version="")
        for place in self._state.store.places():
            inner = self._state.catalog.at(place)
            for each, one in self._state.store.all(place).items():
                if inner and each[0] == key[1]:
                    self._delete(inner, each, one, now)
        left = self._state.get(kind, key)
        if left and not self._holds(key[1]) and not value["metadata"].get("finalizers"):
            self._state.drop(kind, key)
        return Deleted(value, False)

    def _holds(self, namespace: str) -> bool:
        return any(key[0] == namespace for place in self._state.store.places() for key in self._state.store.all(place))


def _check(kind: Kind, value: Object, options: DeleteOptions) -> None:
    meta, name = value["metadata"], value["metadata"]["name"]
    if options.uid and options.uid != meta["uid"]:
        text = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {meta['uid']}"
        raise conflict(kind, name, text)
    if options.version and options.version != meta["resourceVersion"]:
        text = (
            f"Precondition failed: ResourceVersion in precondition: {options.version}, ResourceVersion in object meta"
        )
        raise conflict(kind, name, f"{text}: {meta['resourceVersion']}")


def _grace(kind: Kind, value: Object, options: DeleteOptions) -> int:
    """Seconds. Only Pods that run on a Node get time to end."""
    if kind.name != "Pod" or kind.group or not dig(value, "spec", "nodeName"):
        return 0
    if options.grace is not None:
        return options.grace
    own = dig(value, "spec", "terminationGracePeriodSeconds")
    return POD_GRACE if own is None else int(own)
