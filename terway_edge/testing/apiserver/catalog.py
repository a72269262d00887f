"""Which kinds are served: the built-in ones, and those of the CRDs in the store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from terway_edge.testing.apiserver.builtin import builtin_kinds
from terway_edge.testing.apiserver.crds import kinds_of
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object

CRD = "customresourcedefinitions"


class Catalog:
    """Changed under the store's lock."""

    def __init__(self) -> None:
        self._builtin = builtin_kinds()
        self._custom: dict[str, tuple[Kind, ...]] = {}

    @property
    def kinds(self) -> list[Kind]:
        return [*self._builtin, *itertools.chain(*self._custom.values())]

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        wanted = (group, version, plural)
        return next((each for each in self.kinds if (each.group, each.version, each.plural) == wanted), None)

    def at(self, place: tuple[str, str]) -> Kind | None:
        """Any version of a resource."""
        return next((each for each in self.kinds if each.place == place), None)

    def problem(self, crd: Object) -> str:
        """Why the names of a definition are not accepted; empty if they are."""
        group, names = crd["spec"]["group"], crd["spec"]["names"]
        others = [
            each
            for name, kinds in (*self._custom.items(), ("", self._builtin))
            for each in kinds
            if name != crd["metadata"]["name"] and each.group == group
        ]
        for each in others:
            if names["kind"] in (each.name, each.listing):
                return f'"{names["kind"]}" is already in use'
            if {names["plural"], *(names.get("shortNames") or ())} & {each.plural, each.singular, *each.short_names}:
                return f'"{names["plural"]}" or a short name is already in use'
        return ""

    def define(self, crd: Object) -> None:
        self._custom[crd["metadata"]["name"]] = tuple(kinds_of(crd))

    def forget(self, name: str) -> None:
        self._custom.pop(name, None)

    def refresh(self, crds: Iterable[Object]) -> None:
        """Serve exactly these definitions."""
        self._custom.clear()
        for crd in crds:
            self.define(crd)
