"""`metadata.managedFields`: who owns which field, kept up with every write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.patch.comparison import compare
from terway_edge.testing.apiserver.patch.field_set import FieldSet, decode_fields, encode_fields

APPLY, UPDATE = "Apply", "Update"
SERVERS_OWN = (
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"),
    *("name", "namespace", "resourceVersion", "selfLink", "uid"),
)
OWNERLESS: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{each}") for each in SERVERS_OWN)}
)


class Manager(NamedTuple):
    """Who writes: the name is the client's own, `operation` is Apply or Update."""

    name: str
    operation: str
    subresource: str = ""

    @property
    def shown(self) -> str:
        return f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")


@dataclass(frozen=True, slots=True)
class Holding:
    """The fields that one manager owns, and when that last changed."""

    fields: FieldSet
    api_version: str
    time: str


Holdings = Mapping[Manager, Holding]


def read_holdings(value: Object) -> dict[Manager, Holding]:
    found = {}
    for each in value["metadata"].get("managedFields") or ():
        manager = Manager(each.get("manager", ""), each.get("operation", UPDATE), each.get("subresource", ""))
        fields = frozenset(decode_fields(each.get("fieldsV1") or {}))
        found[manager] = Holding(fields, each.get("apiVersion", ""), each.get("time", ""))
    return found


def write_holdings(value: Object, holdings: Holdings) -> None:
    """Into an object of ours."""
    entries = [_entry(manager, holding) for manager, holding in holdings.items() if holding.fields]
    entries.sort(key=lambda each: (each["operation"], each["time"], each["manager"]))
    value["metadata"].pop("managedFields", None)
    if entries:
        value["metadata"]["managedFields"] = entries


def _entry(manager: Manager, holding: Holding) -> Object:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": holding.api_version,
        "time": holding.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode_fields(holding.fields),
    }
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def without(holdings: Holdings, fields: FieldSet, besides: Manager | None = None) -> dict[Manager, Holding]:
    """:param besides: the manager who keeps them"""
    return {
        manager: holding if manager == besides else replace(holding, fields=holding.fields - fields)
        for manager, holding in holdings.items()
    }


def after_update(old: Object, new: Object, kind: Kind, manager: Manager, stamp: str) -> dict[Manager, Holding]:
    """Who owns what once `manager` has made `new` of `old` (empty for a creation) by anything but an apply."""
    difference = compare(old, new, kind.schema)
    mine = (difference.added | difference.modified) - OWNERLESS
    holdings = read_holdings(old) if old else {}
    holdings = without(without(holdings, mine, manager), difference.removed)
    if mine:
        before = holdings.get(manager)
        fields = mine | (before.fields if before else frozenset())
        holdings[manager] = Holding(fields, kind.api_version, stamp)
    return holdings
