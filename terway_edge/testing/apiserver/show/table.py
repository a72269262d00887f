"""Tables, as `kubectl get` prints them (meta.k8s.io/v1)."""

from __future__ import annotations

from datetime import datetime

from terway_edge.testing.apiserver.kinds import Column, Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.show.columns import DEFAULT

PARTIAL = "PartialObjectMetadata"
META = "meta.k8s.io/v1"


def table(kind: Kind, values: list[Object], listing: Object, now: datetime, include: str) -> Object:
    """:param listing: metadata of the list :param include: what each row carries: Metadata, Object or None"""
    columns = kind.columns or DEFAULT
    return {
        "kind": "Table",
        "apiVersion": META,
        "metadata": listing,
        "columnDefinitions": [_definition(each) for each in columns],
        "rows": [_row(columns, each, now, include) for each in values],
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(columns: tuple[Column, ...], value: Object, now: datetime, include: str) -> Object:
    row: Object = {"cells": [each.cell(value, now) for each in columns]}
    if include == "Object":
        row["object"] = value
    elif include != "None":
        row["object"] = partial(value)
    return row


def partial(value: Object) -> Object:
    """The object's metadata alone."""
    return {"kind": PARTIAL, "apiVersion": META, "metadata": value["metadata"]}
