"""Server-side apply: the applied fields win or conflict, fields applied before and left out now go.

Source: Kubernetes, "Server-Side Apply".
"""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, clone
from terway_edge.testing.apiserver.patch.comparison import compare
from terway_edge.testing.apiserver.patch.field_set import (
    NOTHING,
    FieldSet,
    Path,
    fields_of,
    removed,
    shown,
    with_prefixes,
)
from terway_edge.testing.apiserver.patch.managers import (
    OWNERLESS,
    Holding,
    Holdings,
    Manager,
    read_holdings,
    without,
    write_holdings,
)
from terway_edge.testing.apiserver.schema.structure import identity, is_whole, list_keys, of_items, of_key


def applied(live: Object, intent: Object, kind: Kind, manager: Manager, *, force: bool, stamp: str) -> Object:
    """:param live: what is there; for a creation what the server itself puts into a new object
    :param intent: the applied object, without fields that the endpoint does not write
    :returns: the new object, with `managedFields`
    Raises ApiError 409 for fields of others, unless forced.
    """
    holdings = read_holdings(live)
    mine = frozenset(fields_of(intent, kind.schema)) - OWNERLESS
    before = holdings.get(manager)
    merged = _merge(live, intent, kind.schema)
    given_up = (before.fields if before else NOTHING) - mine
    result: Object = removed(merged, _removable(given_up, mine, holdings, manager))
    changed = compare(live, result, kind.schema)
    holdings = _settle(holdings, (changed.added | changed.modified) & mine, manager, force=force)
    holdings = without(holdings, changed.removed - mine)
    is_same = before is not None and before.fields == mine and not any(changed)
    holdings[manager] = Holding(mine, kind.api_version, before.time if before and is_same else stamp)
    write_holdings(result, holdings)
    return result


def _removable(given_up: FieldSet, mine: FieldSet, holdings: Holdings, manager: Manager) -> FieldSet:
    """Fields given up that nobody else owns, nor anything in them."""
    others = [holding.fields for other, holding in holdings.items() if other != manager]
    return given_up - with_prefixes(mine.union(*others))


def _settle(holdings: Holdings, taken: FieldSet, manager: Manager, *, force: bool) -> dict[Manager, Holding]:
    """Others lose the fields that they had and that are different now. Raises ApiError 409 unless forced."""
    contested = [
        (other, path)
        for other, holding in holdings.items()
        if other != manager
        for path in sorted(holding.fields & taken)
    ]
    if contested and not force:
        raise _conflict(contested)
    return without(holdings, taken, manager)


def _conflict(contested: list[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {other.shown}", "field": shown(path)}
        for other, path in contested
    ]
    lines = "".join(f"\n- {each['field']}" for each in causes)
    owners = list(dict.fromkeys(other.shown for other, _ in contested))
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: conflict with {owners[0]}: {causes[0]['field']}"
    else:
        text = f"Apply failed with {len(causes)} conflicts: conflicts with {', '.join(owners)}:{lines}"
    return ApiError(409, "Conflict", text, {"causes": causes})


def _merge(live: Any, intent: Any, schema: Object) -> Any:
    if is_whole(schema, intent):
        return clone(intent)
    if isinstance(intent, list):
        return _merge_list(live if isinstance(live, list) else [], intent, schema)
    result = clone(live) if isinstance(live, dict) else {}
    for key, each in intent.items():
        result[key] = _merge(result.get(key), each, of_key(schema, key))
    return result


def _merge_list(live: list[Any], intent: list[Any], schema: Object) -> list[Any]:
    wanted = {identity(schema, each): each for each in intent}
    result = []
    for each in live:
        mark = identity(schema, each)
        result.append(_merge(each, wanted.pop(mark), of_items(schema)) if mark in wanted else clone(each))
    items = of_items(schema)
    return [*result, *(_merge({}, each, items) if list_keys(schema) else clone(each) for each in wanted.values())]
