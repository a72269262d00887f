"""Annotations kept in memory instead of being written where people look."""

from __future__ import annotations

from terway_edge.core.ports import Annotation

Place = tuple[str, str, str]
"""(kind, namespace, name) of an object; the namespace of a Node is empty."""


class MemoryAnnotations:
    """`ports.Annotations` that remembers: `found` by object, and in `writes` each change, oldest first.

    It is strict: what no API server would take fails the test. `uids` are of Pods as they are now, as far as a test
    says: an annotation meant for an earlier one of the name is left out.
    """

    def __init__(self) -> None:
        self.found: dict[Place, dict[str, str]] = {}
        self.writes: list[Annotation] = []
        self.uids: dict[Place, str] = {}

    def write_annotation(self, annotation: Annotation) -> None:
        _check(annotation)
        place = (annotation.kind, annotation.namespace, annotation.name)
        if annotation.uid and self.uids.get(place, annotation.uid) != annotation.uid:
            return
        had = self.found.get(place, {})
        if had.get(annotation.key) == annotation.value:
            return
        self.writes.append(annotation)
        rest = {key: value for key, value in had.items() if key != annotation.key}
        self.found[place] = rest if annotation.value is None else {**rest, annotation.key: annotation.value}

    def of(self, kind: str, name: str, namespace: str = "") -> dict[str, str]:
        """What an object has."""
        return self.found.get((kind, namespace, name), {})


def _check(annotation: Annotation) -> None:
    """Raises AssertionError."""
    assert annotation.kind in ("Node", "Pod"), annotation
    assert bool(annotation.namespace) == (annotation.kind == "Pod"), annotation
    assert annotation.name, annotation
    assert annotation.key, annotation
    assert annotation.value is None or isinstance(annotation.value, str), annotation
