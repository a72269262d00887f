"""A request for a resource, from its target to the reply."""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.testing.apiserver.access.rbac import Rbac
from terway_edge.testing.apiserver.access.reviews import review
from terway_edge.testing.apiserver.access.users import Tokens, User, service_account
from terway_edge.testing.apiserver.call import Call, Target
from terway_edge.testing.apiserver.errors import ApiError, no_such_path, not_found, wrong_method
from terway_edge.testing.apiserver.faults.fault_plan import Fired
from terway_edge.testing.apiserver.faults.live_watch import LiveWatch, Watches
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.media import read_object
from terway_edge.testing.apiserver.objects import Object, encode
from terway_edge.testing.apiserver.options import DeleteOptions, ListOptions, WriteOptions, parse_revision
from terway_edge.testing.apiserver.reply import Reply, as_json
from terway_edge.testing.apiserver.rest import draft
from terway_edge.testing.apiserver.rest.deleting import Deleter
from terway_edge.testing.apiserver.rest.reading import Reader
from terway_edge.testing.apiserver.rest.watching import Feed, Plan
from terway_edge.testing.apiserver.rest.writing import Request, Writer, Written
from terway_edge.testing.apiserver.selectors import parse_selection
from terway_edge.testing.apiserver.settings import Settings
from terway_edge.testing.apiserver.show.view import View
from terway_edge.testing.apiserver.state import State

OF_STATUS = ("get", "update", "patch")
TOKEN_SECONDS = 3600
SETTLING = "storage is (re)initializing"


class Verbs:
    """Once it `is_over` all watches end."""

    def __init__(self, state: State, settings: Settings, tokens: Tokens, rbac: Rbac | None, watches: Watches) -> None:
        self._state, self._settings, self._tokens, self._rbac, self._watches = state, settings, tokens, rbac, watches
        self._reader, self._writer, self._deleter = Reader(state), Writer(state), Deleter(state)
        self.is_over = False

    def answer(self, call: Call, target: Target, user: User, fired: Fired) -> Reply:
        """Raises ApiError."""
        kind = self._kind(target)
        self._check_settled(kind)
        if not kind.is_stored:
            return self._review(kind, call, user)
        if target.subresource == "token" and kind.name == "ServiceAccount":
            return self._give_token(kind, call, target)
        match target.verb:
            case "get":
                return self._get(kind, call, target)
            case "list":
                view = View.of(call, kind, self._state.clock)
                return Reply(200, self._reader.page(view, target.namespace, ListOptions.of(call, is_watch=False)))
            case "watch":
                return self._watch(kind, call, target, fired)
            case "create":
                return self._written(
                    kind, call, self._writer.create(self._request(kind, call, target), read_object(call))
                )
            case "update":
                return self._written(
                    kind, call, self._writer.update(self._request(kind, call, target), read_object(call))
                )
            case "patch":
                request = self._request(kind, call, target)
                return self._written(kind, call, self._writer.patch(request, call.content_type, call.body))
            case "delete":
                return self._delete(kind, call, target)
            case "deletecollection":
                return self._delete_all(kind, call, target)
        raise wrong_method()

    def _kind(self, target: Target) -> Kind:
        """The kind, if it has that verb and subresource. Raises ApiError 404 or 405."""
        kind = self._state.catalog.find(target.group, target.version, target.plural)
        if kind is None or (target.namespace and not kind.namespaced and kind.name != "Namespace"):
            raise no_such_path()
        if target.subresource == "status" and kind.has_status:
            if target.verb not in OF_STATUS:
                raise wrong_method()
        elif target.subresource == "token" and kind.name == "ServiceAccount":
            if target.verb != "create":
                raise wrong_method()
        elif target.subresource:
            raise no_such_path()
        elif target.verb not in kind.verbs or _is_misplaced(target):
            raise wrong_method()
        if kind.namespaced and not target.namespace and target.verb not in ("list", "watch"):
            raise wrong_method()
        return kind

    def _check_settled(self, kind: Kind) -> None:
        defined = self._state.defined_at.get(kind.place)
        if defined is None or self._state.clock.now().timestamp() - defined >= self._settings.settling:
            return
        raise ApiError(429, "TooManyRequests", SETTLING, retry_after=1)

    def _request(self, kind: Kind, call: Call, target: Target) -> Request:
        client = call.user_agent.partition("/")[0] or "unknown"
        key = (target.namespace if kind.namespaced else "", target.name)
        return Request(kind, key, target.subresource, WriteOptions.of(call), client)

    def _get(self, kind: Kind, call: Call, target: Target) -> Reply:
        view = View.of(call, kind, self._state.clock)
        key = (target.namespace if kind.namespaced else "", target.name)
        return Reply(200, self._reader.get(view, key, parse_revision(call.query.get("resourceVersion", ""))))

    def _written(self, kind: Kind, call: Call, written: Written) -> Reply:
        body = View.of(call, kind, self._state.clock).value(written.value)
        return Reply(201 if written.is_new else 200, body).warned(written.warnings)

    def _delete(self, kind: Kind, call: Call, target: Target) -> Reply:
        options = DeleteOptions.of(call, _delete_body(call))
        key = (target.namespace if kind.namespaced else "", target.name)
        deleted = self._deleter.delete(kind, key, options)
        if not deleted.is_gone or kind.name in ("Pod", "ServiceAccount"):
            return Reply(200, View.of(call, kind, self._state.clock).value(deleted.value))
        group = {"group": kind.group} if kind.group else {}
        details = {"name": target.name, **group, "kind": kind.plural, "uid": deleted.value["metadata"]["uid"]}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return as_json(status)

    def _delete_all(self, kind: Kind, call: Call, target: Target) -> Reply:
        options = DeleteOptions.of(call, _delete_body(call))
        listing = ListOptions.of(call, is_watch=False)
        body = self._reader.page(View.of(call, kind, self._state.clock), target.namespace, listing)
        for key in self._reader.picked(kind, target.namespace, listing):
            try:
                self._deleter.delete(kind, key, options)
            except ApiError as error:
                if error.code != 404:
                    raise
        return Reply(200, body)

    def _watch(self, kind: Kind, call: Call, target: Target, fired: Fired) -> Reply:
        options = ListOptions.of(call, is_watch=True)
        selection = parse_selection(kind, options.labels, options.fields)
        sends = options.initial_events
        revision = options.revision or None
        if sends is not None:
            revision = None if sends else self._state.store.revision
        plan = Plan(
            view=View.of(call, kind, self._state.clock),
            namespace=target.namespace if kind.namespaced else "",
            selection=selection,
            revision=revision,
            ends_initial=bool(sends) and options.bookmarks,
            every=self._settings.bookmarks if options.bookmarks else None,
            seconds=options.timeout if options.timeout > 0 else self._settings.longest_watch,
        )
        feed = Feed(self._state, plan, lambda: self.is_over)
        watch = LiveWatch(target, call.user_agent, feed, fired, self._state.store.wake)
        stream: Iterator[bytes] = self._watches.run(watch)
        return Reply(200, b"", stream=stream)

    def _review(self, kind: Kind, call: Call, user: User) -> Reply:
        value = read_object(call)
        draft.identify(kind, value)
        draft.fit(kind, value)
        value["status"] = review(kind.name, value, user, self._rbac)
        return Reply(201, encode(value))

    def _give_token(self, kind: Kind, call: Call, target: Target) -> Reply:
        if not self._state.get(kind, (target.namespace, target.name)):
            raise not_found(kind, target.name)
        value = read_object(call)
        seconds = (value.setdefault("spec", {}) or {}).get("expirationSeconds") or TOKEN_SECONDS
        token = self._tokens.issue(service_account(target.namespace, target.name))
        value["status"] = {"token": token, "expirationTimestamp": self._state.clock.stamp(seconds)}
        return Reply(201, encode(value))


def _is_misplaced(target: Target) -> bool:
    """Objects are created at their collection, and changed at their own URL."""
    return bool(target.name) if target.verb == "create" else target.verb in ("update", "patch") and not target.name


def _delete_body(call: Call) -> Object:
    """DeleteOptions, if any."""
    if not call.body.strip():
        return {}
    return read_object(call)
