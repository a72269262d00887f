"""Change objects directly, as some other client of the cluster would: not logged, not authorised, without faults."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.errors import not_found
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.media import APPLY_PATCH, MERGE_PATCH
from terway_edge.testing.apiserver.objects import Object, clone, encode
from terway_edge.testing.apiserver.options import DeleteOptions, WriteOptions
from terway_edge.testing.apiserver.rest.deleting import Deleter
from terway_edge.testing.apiserver.rest.writing import STATUS, Request, Writer
from terway_edge.testing.apiserver.state import State

MANAGER = "outside"


class Outside:
    """Objects by kind, as `Node` or `apps/v1 DaemonSet`. All methods raise ApiError as the API would answer."""

    def __init__(self, state: State) -> None:
        self._state, self._writer, self._deleter = state, Writer(state), Deleter(state)

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        found = self._state.get(self._kind(kind), (namespace, name))
        if found is None:
            raise not_found(self._kind(kind), name)
        return clone(found.object)  # type: ignore[no-any-return]

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        objects = self._state.store.all(self._kind(kind).place)
        return [clone(objects[key].object) for key in sorted(objects) if namespace in ("", key[0])]

    def put(self, value: Object) -> Object:
        """Create an object or replace it, its status too, whatever its resourceVersion."""
        kind = self._kind(f"{value['apiVersion']} {value['kind']}")
        meta = value["metadata"]
        key = (meta.get("namespace", "default") if kind.namespaced else "", meta.get("name", ""))
        with self._state.store.changed:
            if (live := self._state.get(kind, key)) is None:
                made = self._writer.create(self._request(kind, (key[0], "")), clone(value)).value
            else:
                made = self._writer.update(self._request(kind, key), _at(value, live.object)).value
            if kind.has_status and STATUS in value and value[STATUS] != made.get(STATUS):
                key = (key[0], made["metadata"]["name"])
                made = self._writer.update(self._request(kind, key, STATUS), _at(value, made)).value
        return clone(made)  # type: ignore[no-any-return]

    def patch(self, kind: str, name: str, patch: Any, namespace: str = "", subresource: str = "") -> Object:
        """A merge patch."""
        request = self._request(self._kind(kind), (namespace, name), subresource)
        return clone(self._writer.patch(request, MERGE_PATCH, encode(patch)).value)  # type: ignore[no-any-return]

    def apply(self, value: Object, manager: str, *, force: bool = False, subresource: str = "") -> Object:
        """Server-side apply."""
        kind = self._kind(f"{value['apiVersion']} {value['kind']}")
        key = (value["metadata"].get("namespace", "default") if kind.namespaced else "", value["metadata"]["name"])
        options = WriteOptions(is_dry=False, manager=manager, validation="Strict", force=force)
        request = Request(kind, key, subresource, options, manager)
        return clone(self._writer.patch(request, APPLY_PATCH, encode(value)).value)  # type: ignore[no-any-return]

    def delete(self, kind: str, name: str, namespace: str = "", *, grace: int | None = 0) -> None:
        """:param grace: seconds that a Pod has to end; None: as it says itself"""
        self._deleter.delete(self._kind(kind), (namespace, name), DeleteOptions(False, grace, "", ""))

    def _kind(self, name: str) -> Kind:
        api_version, _, word = name.rpartition(" ")
        for each in self._state.catalog.kinds:
            if each.name == word and api_version in ("", each.api_version):
                return each
        raise KeyError(name)

    def _request(self, kind: Kind, key: tuple[str, str], subresource: str = "") -> Request:
        options = WriteOptions(is_dry=False, manager=MANAGER, validation="Strict", force=None)
        return Request(kind, key, subresource, options, MANAGER)


def _at(value: Object, live: Object) -> Object:
    """The value as an update of what is there."""
    own = ("creationTimestamp", "generation", "managedFields", "uid")
    meta = {key: each for key, each in value["metadata"].items() if key not in own}
    meta["resourceVersion"] = live["metadata"]["resourceVersion"]
    return clone({**value, "metadata": meta})  # type: ignore[no-any-return]
