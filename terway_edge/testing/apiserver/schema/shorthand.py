"""Schemas of the built-in kinds, written short (`types.yaml`).

    string int32 int64 bool number time bytes quantity int-or-string any object
    T           another type of the file        a|b|c       one of these words
    T{}         mapping with values T           T[]         list that is one whole
    T[set]      list of distinct values         T[a,b]      list whose items a and b tell apart
    T~          a mapping that is one whole     T!          required    T = value   default

Strategic merge tells items apart by the first key alone.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from terway_edge.testing.apiserver.objects import Object, clone

SCALARS: dict[str, Object] = {
    "string": {"type": "string"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bool": {"type": "boolean"},
    "number": {"type": "number"},
    "time": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "quantity": {"x-kubernetes-int-or-string": True},
    "int-or-string": {"x-kubernetes-int-or-string": True},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
    "object": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_FIELD = re.compile(r"(?P<type>[^!=]+?)(?P<required>!)?(?: = (?P<default>.+))?")
_LIST = re.compile(r"(?P<of>.+)\[(?P<keys>[A-Za-z,]*)\]")


class Types:
    """:param written: name of the type, then its fields by name"""

    def __init__(self, written: dict[str, dict[str, str]]) -> None:
        self._written = written
        self._made: dict[str, Object] = {}

    def schema(self, name: str) -> Object:
        if name not in self._made:
            self._made[name] = self._struct(self._written[name])
        return clone(self._made[name])  # type: ignore[no-any-return]

    def _struct(self, fields: dict[str, str]) -> Object:
        schema: Object = {"type": "object", "properties": {}}
        for field, text in fields.items():
            match = _FIELD.fullmatch(text)
            if not match:
                raise ValueError(f"{field}: {text}")
            schema["properties"][field] = self._type(match["type"])
            if match["required"]:
                schema.setdefault("required", []).append(field)
            if match["default"] is not None:
                schema["properties"][field]["default"] = yaml.safe_load(match["default"])
        return schema

    def _type(self, text: str) -> Object:
        if text.endswith("~"):
            return {**self._type(text[:-1]), "x-kubernetes-map-type": "atomic"}
        if text.endswith("{}"):
            return {"type": "object", "additionalProperties": self._type(text[:-2])}
        if match := _LIST.fullmatch(text):
            return self._list(match["of"], match["keys"])
        if "|" in text:
            return {"type": "string", "enum": text.split("|")}
        return dict(SCALARS[text]) if text in SCALARS else self.schema(text)

    def _list(self, of: str, keys: str) -> Object:
        schema: dict[str, Any] = {"type": "array", "items": self._type(of), "x-kubernetes-list-type": "atomic"}
        if keys == "set":
            return schema | {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
        if keys:
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys.split(",")}
            schema |= {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": keys.partition(",")[0]}
        return schema
