"""Objects as the client wants them: whole, as a table, or their metadata alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from terway_edge.testing.apiserver.call import Call
from terway_edge.testing.apiserver.clock import Clock
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.media import wanted
from terway_edge.testing.apiserver.objects import Object, encode
from terway_edge.testing.apiserver.show.table import META, PARTIAL, partial, table
from terway_edge.testing.apiserver.store import Stored

SHAPES = ("Table", PARTIAL, f"{PARTIAL}List")


class View(NamedTuple):
    """One client's view of one kind."""

    kind: Kind
    shape: str
    include: str
    clock: Clock

    @staticmethod
    def of(call: Call, kind: Kind, clock: Clock) -> View:
        """Raises ApiError 406."""
        shape = wanted(call, SHAPES).removesuffix("List")
        return View(kind, shape, call.query.get("includeObject", "Metadata"), clock)

    def one(self, stored: Stored) -> bytes:
        """JSON of one object."""
        if self.shape == "Table":
            version = {"resourceVersion": str(stored.revision)}
            return encode(table(self.kind, [stored.object], version, self.clock.now(), self.include))
        if self.shape == PARTIAL:
            return encode(partial(stored.object))
        return self._head + stored.tail

    def value(self, value: Object) -> bytes:
        """JSON of an object that may not be stored."""
        if self.shape:
            return self.one(Stored(value, int(value["metadata"].get("resourceVersion") or 0)))
        return encode({**value, "kind": self.kind.name, "apiVersion": self.kind.api_version})

    def many(self, found: Iterable[Stored], listing: Object) -> bytes:
        """JSON of a list."""
        if self.shape == "Table":
            return encode(table(self.kind, [each.object for each in found], listing, self.clock.now(), self.include))
        if self.shape == PARTIAL:
            name, api_version = f"{PARTIAL}List", META
            items: list[bytes] = [encode(partial(each.object)) for each in found]
        else:
            name, api_version = self.kind.listing, self.kind.api_version
            # Items of built-in lists do not repeat kind and apiVersion.
            head = self._head if self.kind.is_custom else b"{"
            items = [head + each.tail for each in found]
        start = encode({"kind": name, "apiVersion": api_version, "metadata": listing})[:-1]
        return b"".join((start, b',"items":[', b",".join(items), b"]}"))

    def bookmark(self, revision: int, *, ends_initial: bool) -> bytes:
        """JSON of an object that has nothing but a resourceVersion."""
        meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if ends_initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        return encode({"kind": self.kind.name, "apiVersion": self.kind.api_version, "metadata": meta})

    @property
    def _head(self) -> bytes:
        return encode({"kind": self.kind.name, "apiVersion": self.kind.api_version})[:-1] + b","
