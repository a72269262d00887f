"""Create, update, patch, apply."""

from __future__ import annotations

from typing import Any, NamedTuple

from terway_edge.testing.apiserver.errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    invalid,
    invalid_object,
    not_found,
    unsupported_media,
)
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.media import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    read_json,
    read_yaml,
)
from terway_edge.testing.apiserver.objects import Object, clone
from terway_edge.testing.apiserver.options import WriteOptions, refused_options
from terway_edge.testing.apiserver.patch.apply import applied
from terway_edge.testing.apiserver.patch.json_patch import apply_json_patch
from terway_edge.testing.apiserver.patch.managers import APPLY, UPDATE, Manager, after_update, write_holdings
from terway_edge.testing.apiserver.patch.merge_patch import apply_merge_patch
from terway_edge.testing.apiserver.patch.strategic import apply_strategic_patch
from terway_edge.testing.apiserver.rest import draft, metadata, rules
from terway_edge.testing.apiserver.schema.fitting import drop_nulls, fill, prune
from terway_edge.testing.apiserver.state import NAMESPACES, State
from terway_edge.testing.apiserver.store import Key

STATUS = "status"


class Written(NamedTuple):
    """The object as it is now (or would be, of a dry run)."""

    value: Object
    is_new: bool
    warnings: list[str]


class Request(NamedTuple):
    """What is to be written, and by whom: `client` is the first word of the User-Agent."""

    kind: Kind
    key: Key
    subresource: str
    options: WriteOptions
    client: str

    def manager(self, operation: str) -> Manager:
        return Manager(self.options.manager or self.client, operation, self.subresource)


class Writer:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, request: Request, value: Object) -> Written:
        """:param value: ours to change. Raises ApiError."""
        kind = request.kind
        draft.identify(kind, value)
        warnings = draft.report(kind, draft.fit(kind, value), request.options.validation)
        if value["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        metadata.place(kind, value, request.key[0])
        value["metadata"].pop("managedFields", None)
        with self._state.store.changed:
            return Written(self._add(request, value, request.manager(UPDATE)), True, warnings)

    def update(self, request: Request, value: Object) -> Written:
        """:param value: ours to change. Raises ApiError."""
        kind = request.kind
        draft.identify(kind, value)
        warnings = draft.report(kind, draft.fit(kind, value), request.options.validation)
        metadata.place(kind, value, *request.key)
        with self._state.store.changed:
            live = self._live(request)
            if kind.needs_version and not value["metadata"].get("resourceVersion"):
                cause = Cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
                raise invalid_object(kind, request.key[1], [cause])
            return Written(self._change(request, live, value, request.manager(UPDATE)), False, warnings)

    def patch(self, request: Request, content_type: str, body: bytes) -> Written:
        """Raises ApiError."""
        kinds = [JSON_PATCH, MERGE_PATCH, *(() if request.kind.is_custom else (STRATEGIC_PATCH,)), APPLY_PATCH]
        if content_type not in kinds:
            raise unsupported_media(kinds)
        if content_type == APPLY_PATCH:
            return self._apply(request, read_yaml(body))
        if request.options.force is not None:
            raise refused_options("force", "Forbidden: may not be specified for non-apply patch")
        patch = read_json(body)
        with self._state.store.changed:
            live = self._live(request)
            value = _patched(live, patch, content_type, request.kind)
            if not isinstance(value, dict):
                raise bad_request("the patched value is no object")
            warnings = _decoded(request, value)
            metadata.place(request.kind, value, *request.key)
            return Written(self._change(request, live, value, request.manager(UPDATE)), False, warnings)

    def _apply(self, request: Request, intent: Any) -> Written:
        kind = request.kind
        if not isinstance(intent, dict):
            raise bad_request("error decoding YAML: the applied configuration is no object")
        if not request.options.manager:
            raise refused_options("fieldManager", "Required value: is required for apply patch")
        draft.identify(kind, intent)
        drop_nulls(intent, kind.schema)
        metadata.place(kind, intent, *request.key)
        if intent["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        warnings = draft.report(kind, _pruned(kind, intent), request.options.validation)
        with self._state.store.changed:
            stored = self._state.get(kind, request.key)
            if stored is None:
                return Written(self._apply_new(request, intent), True, warnings)
            return Written(self._apply_to(request, self._live(request), intent), False, warnings)

    def _apply_new(self, request: Request, intent: Object) -> Object:
        kind, (namespace, name) = request.kind, request.key
        if request.subresource:
            raise not_found(kind, name)
        if intent["metadata"].get("resourceVersion"):
            raise conflict(kind, name)
        live: Object = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}}
        if namespace:
            live["metadata"]["namespace"] = namespace
        value = self._merged(request, live, intent)
        return self._add(request, value, None)

    def _apply_to(self, request: Request, live: Object, intent: Object) -> Object:
        metadata.check_version(request.kind, intent, live)
        for field in ("uid", "resourceVersion"):
            intent["metadata"].pop(field, None)
        return self._change(request, live, self._merged(request, live, intent), None)

    def _merged(self, request: Request, live: Object, intent: Object) -> Object:
        kind, options = request.kind, request.options
        manager, stamp = request.manager(APPLY), self._state.clock.stamp()
        value = applied(live, _reach(request, intent), kind, manager, force=bool(options.force), stamp=stamp)
        fill(value, kind.schema)
        return value

    def _live(self, request: Request) -> Object:
        stored = self._state.get(request.kind, request.key)
        if stored is None:
            raise not_found(request.kind, request.key[1])
        return {**stored.object, "apiVersion": request.kind.api_version}

    def _add(self, request: Request, value: Object, manager: Manager | None) -> Object:
        """Under the lock. Without a manager the object has its managedFields."""
        kind, stamp = request.kind, self._state.clock.stamp()
        metadata.begin(kind, value, stamp)
        rules.prepare(kind, value, is_new=True)
        self._check_namespace(kind, request.key[0])
        draft.check(kind, value, None, [*metadata.mistakes(kind, value["metadata"]), *rules.mistakes(kind, value)])
        key = metadata.key_of(value)
        if self._state.get(kind, key):
            raise already_exists(kind, key[1])
        if manager:
            write_holdings(value, after_update({}, value, kind, manager, stamp))
        return value if request.options.is_dry else self._state.save(kind, key, value).object

    def _check_namespace(self, kind: Kind, namespace: str) -> None:
        if not kind.namespaced:
            return
        if not self._state.store.get(NAMESPACES, ("", namespace)):
            names = self._state.catalog.at(NAMESPACES)
            assert names
            raise not_found(names, namespace)
        if self._state.is_ending(namespace):
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            causes = [{"reason": "NamespaceTerminating", "message": text, "field": "metadata.namespace"}]
            raise ApiError(403, "Forbidden", f"{kind.resource} is forbidden: {text}", {"causes": causes})

    def _change(self, request: Request, live: Object, value: Object, manager: Manager | None) -> Object:
        """Under the lock. Without a manager the value has its managedFields."""
        kind = request.kind
        metadata.check_version(kind, value, live)
        value["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        mine = value["metadata"].get("managedFields")
        value = _separated(request, live, value)
        metadata.carry(value, live)
        rules.prepare(kind, value, is_new=False)
        if manager:
            before = {**live, "metadata": {**live["metadata"], "managedFields": value["metadata"].get("managedFields")}}
            write_holdings(value, after_update(before, value, kind, manager, self._state.clock.stamp()))
        elif mine:
            value["metadata"]["managedFields"] = mine
        _count(kind, value, live)
        if value == live:
            return live
        self._check_change(kind, value, live)
        if request.options.is_dry:
            return value
        return self._store(kind, request.key, value)

    def _check_change(self, kind: Kind, value: Object, live: Object) -> None:
        meta, before = value["metadata"], live["metadata"]
        causes = [*metadata.mistakes(kind, meta), *metadata.change_mistakes(meta, before)]
        causes += [*rules.mistakes(kind, value), *rules.change_mistakes(kind, value, live)]
        draft.check(kind, value, live, causes)

    def _store(self, kind: Kind, key: Key, value: Object) -> Object:
        """An object that is being deleted goes once nothing holds it any more."""
        meta = value["metadata"]
        is_free = not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")
        if meta.get("deletionTimestamp") and is_free and kind.name != "Namespace":
            self._state.save(kind, key, value)
            return self._state.drop(kind, key).object
        return self._state.save(kind, key, value).object


def _decoded(request: Request, value: Object) -> list[str]:
    """Raises ApiError 422: what a patch makes is no request body, which would be a 400."""
    draft.identify(request.kind, value)
    try:
        return draft.report(request.kind, draft.fit(request.kind, value), request.options.validation)
    except ApiError as error:
        raise invalid("", "", "", [Cause("patch", f"Invalid value: {error.message}")]) from None


def _patched(live: Object, patch: Any, content_type: str, kind: Kind) -> Any:
    if content_type == JSON_PATCH:
        return apply_json_patch(live, patch)
    if content_type == MERGE_PATCH:
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: the patch is no object")
        return apply_merge_patch(live, patch)
    return apply_strategic_patch(live, patch, kind.schema)


def _pruned(kind: Kind, intent: Object) -> list[str]:
    """Unknown fields are cut out of an intent; defaults are none of its fields."""
    whole = clone(intent)
    unknown = draft.fit(kind, whole)
    prune(intent, kind.schema)
    return unknown


def _reach(request: Request, intent: Object) -> Object:
    """The part of an intent that its endpoint writes."""
    kind = request.kind
    if request.subresource == STATUS:
        fields = ("apiVersion", "kind", "metadata", STATUS) if not kind.is_custom else ("apiVersion", "kind", STATUS)
        return {key: each for key, each in intent.items() if key in fields}
    return {key: each for key, each in intent.items() if key != STATUS or not kind.has_status}


def _separated(request: Request, live: Object, value: Object) -> Object:
    """/status writes the status (of built-in kinds metadata too), the object's own URL everything else."""
    if request.subresource == STATUS:
        kept = {STATUS} if request.kind.is_custom else {STATUS, "metadata"}
        result = {key: each for key, each in live.items() if key not in kept}
        result |= {key: value[key] for key in kept if key in value}
        return {**result, "metadata": dict(result["metadata"])}
    if request.kind.has_status:
        value.pop(STATUS, None)
        if STATUS in live:
            value[STATUS] = live[STATUS]
    return value


def _count(kind: Kind, value: Object, live: Object) -> None:
    """A change of anything but metadata (and the status, where that is apart) is a new generation."""
    outside = {"metadata", STATUS} if kind.has_status else {"metadata"}
    wanted, was = ({k: v for k, v in each.items() if k not in outside} for each in (value, live))
    if kind.counts and wanted != was:
        value["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
