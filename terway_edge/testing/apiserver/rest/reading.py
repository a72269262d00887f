"""Get and list."""

from __future__ import annotations

from terway_edge.testing.apiserver.errors import ApiError, expired, not_found, too_new
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.options import ListOptions, Position
from terway_edge.testing.apiserver.selectors import Selection, parse_selection
from terway_edge.testing.apiserver.show.view import View
from terway_edge.testing.apiserver.state import State
from terway_edge.testing.apiserver.store import Key, Stored, in_order

NEWEST = -1
TOO_OLD = "The provided continue parameter is too old: begin again, or take the token in this answer for what is left"


class Reader:
    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, view: View, key: Key, revision: int | None) -> bytes:
        """:param revision: the object is at least so new. Raises ApiError 404 or 504."""
        self._check_fresh(revision)
        stored = self._state.get(view.kind, key)
        if stored is None:
            raise not_found(view.kind, key[1])
        return view.one(stored)

    def page(self, view: View, namespace: str, options: ListOptions) -> bytes:
        """Raises ApiError 400, 410 or 504."""
        selection = parse_selection(view.kind, options.labels, options.fields)
        revision, objects = self._moment(view.kind, options)
        start = (options.position.namespace, options.position.name) if options.position else None
        found = [
            (key, each)
            for key, each in in_order(objects, namespace)
            if (start is None or key > start) and selection.picks(each.object)
        ]
        page = found[: options.limit] if options.limit > 0 else found
        listing: Object = {"resourceVersion": str(revision)}
        if len(page) < len(found):
            _go_on(listing, revision, page[-1][0], len(found) - len(page), selection)
        return view.many((each for _, each in page), listing)

    def picked(self, kind: Kind, namespace: str, options: ListOptions) -> list[Key]:
        """The objects that deletecollection is about. Raises ApiError 400."""
        selection = parse_selection(kind, options.labels, options.fields)
        objects = self._state.store.all(kind.place)
        return [key for key, each in in_order(objects, namespace) if selection.picks(each.object)]

    def _moment(self, kind: Kind, options: ListOptions) -> tuple[int, dict[Key, Stored]]:
        """The revision that the list shows, and all objects of then."""
        store = self._state.store
        with store.changed:
            if options.position:
                if options.position.revision == NEWEST:
                    return store.revision, store.all(kind.place)
                return self._continued(kind, options.position)
            if options.match == "Exact" and options.revision:
                self._check_fresh(options.revision)
                return options.revision, store.at(kind.place, options.revision)
            self._check_fresh(options.revision)
            return store.revision, store.all(kind.place)

    def _continued(self, kind: Kind, position: Position) -> tuple[int, dict[Key, Stored]]:
        try:
            return position.revision, self._state.store.at(kind.place, position.revision)
        except ApiError:
            rest = Position(NEWEST, position.namespace, position.name)
            raise expired(TOO_OLD, rest.token) from None

    def _check_fresh(self, revision: int | None) -> None:
        if revision and revision > self._state.store.revision:
            raise too_new(revision, self._state.store.revision)


def _go_on(listing: Object, revision: int, last: Key, left: int, selection: Selection) -> None:
    listing["continue"] = Position(revision, *last).token
    if selection.is_everything:
        listing["remainingItemCount"] = left
