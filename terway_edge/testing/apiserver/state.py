"""What the server holds: objects, kinds, a clock; and what follows from a change of some of them."""

from __future__ import annotations

from terway_edge.testing.apiserver.catalog import CRD, Catalog
from terway_edge.testing.apiserver.clock import Clock
from terway_edge.testing.apiserver.crds import accepted
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, clone
from terway_edge.testing.apiserver.store import HISTORY, Key, Snapshot, Store, Stored

NAMESPACES = ("", "namespaces")
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class State:
    """Writers hold `store.changed`."""

    def __init__(self, clock: Clock, history: int = HISTORY) -> None:
        self.clock, self.store, self.catalog = clock, Store(history), Catalog()
        self.defined_at: dict[tuple[str, str], float] = {}
        """When the resource of a CRD was created, seconds of the clock."""

    def get(self, kind: Kind, key: Key) -> Stored | None:
        return self.store.get(kind.place, key)

    def save(self, kind: Kind, key: Key, value: Object) -> Stored:
        if kind.plural == CRD:
            value = self._define(value)
        return self.store.put(kind.place, key, value)

    def drop(self, kind: Kind, key: Key) -> Stored:
        if kind.plural == CRD:
            self._undefine(key[1])
        last = self.store.remove(kind.place, key)
        self._end_namespace(key[0])
        return last

    def is_ending(self, namespace: str) -> bool:
        stored = self.store.get(NAMESPACES, ("", namespace))
        return bool(stored and stored.object["metadata"].get("deletionTimestamp"))

    def restore(self, snapshot: Snapshot, bump: int = 0) -> None:
        self.store.restore(snapshot, bump)
        group = "apiextensions.k8s.io"
        self.catalog.refresh(each.object for each in self.store.all((group, CRD)).values())

    def _define(self, crd: Object) -> Object:
        crd = clone(crd)
        problem = self.catalog.problem(crd)
        stamp, old = self.clock.stamp(), (crd.get("status") or {}).get("conditions") or ()
        crd["status"] = accepted(crd, stamp, problem)
        for each in crd["status"]["conditions"]:
            same = (one for one in old if one["type"] == each["type"] and one["status"] == each["status"])
            each["lastTransitionTime"] = next(same, each).get("lastTransitionTime", stamp)
        if not problem:
            self.defined_at.setdefault((crd["spec"]["group"], crd["spec"]["names"]["plural"]), self._seconds)
            self.catalog.define(crd)
        return crd

    def _undefine(self, name: str) -> None:
        """The objects go with their definition."""
        plural, _, group = name.partition(".")
        for key in self.store.all((group, plural)):
            self.store.remove((group, plural), key)
        self.catalog.forget(name)
        self.defined_at.pop((group, plural), None)

    def _end_namespace(self, namespace: str) -> None:
        """A namespace that is being deleted goes with the last of its objects."""
        if not namespace or not self.is_ending(namespace):
            return
        stored = self.store.get(NAMESPACES, ("", namespace))
        is_empty = all(key[0] != namespace for place in self.store.places() for key in self.store.all(place))
        if stored and is_empty and not stored.object["metadata"].get("finalizers"):
            self.store.remove(NAMESPACES, ("", namespace))

    @property
    def _seconds(self) -> float:
        return self.clock.now().timestamp()
