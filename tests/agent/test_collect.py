"""CNI GC, orphaned links and STATUS on the kernel's twin with the real flannel_route backend."""

import errno
from dataclasses import replace

import pytest

from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.plans import FibRoute


def test_t12_gc_frees_what_is_not_valid_and_nothing_else(rig):
    for name in ("c1", "c2", "c3"):
        rig.add(name)
    rig.clock.advance(1)
    assert rig.collect("c2", "unknown") == []
    assert [lease.key[0] for lease in rig.ipam.leases()] == ["c2"]
    assert rig.nothing_of("c1")
    assert rig.reaches("c2")


def test_t12_gc_with_an_empty_list_frees_all(rig):
    rig.add("c1")
    rig.clock.advance(1)
    assert rig.collect() == []
    assert rig.ipam.leases() == ()


def test_gc_does_not_touch_what_was_granted_after_it_began(rig):
    rig.add("c1")  # at the very instant the call begins: its list cannot know this one
    assert rig.collect() == []
    assert rig.reaches("c1")


def test_gc_does_not_touch_what_came_back_while_it_worked(rig):
    rig.add("c1")
    rig.add("c2")
    rig.clock.advance(1)
    rig.manager.register(_ComesBack(rig, "c2"))
    assert rig.collect() == []
    assert rig.nothing_of("c1")
    assert rig.reaches("c2")


class _ComesBack:
    """While the first sandbox is collected, another is deleted and added again."""

    def __init__(self, rig, name):
        self._rig, self._names = rig, [name]

    @hookimpl
    def terway_edge_lease_released(self):
        if self._names:
            name = self._names.pop()
            self._rig.delete(name)
            self._rig.clock.advance(1)
            self._rig.add(name)


@pytest.mark.parametrize("failure", ["kernel", "store", "plugin"])
def test_t12_gc_goes_on_after_failures_and_tells_them(rig, failure):
    for name in ("c1", "c2", "c3"):
        rig.add(name)
    rig.clock.advance(1)
    if failure == "kernel":
        rig.kernel.fail_next(lambda change: isinstance(change.item, FibRoute), errno=errno.EPERM)
    elif failure == "store":
        rig.store.fail_next()
    else:
        rig.manager.register(_BrokenOnce(rig.ipam), name="broken")
        victim = rig.ipam.get(("c1", "eth0"))
        rig.ipam.release(victim)
        rig.ipam.adopt(replace(victim, backend="broken"))
        rig.clock.advance(1)
    failures = rig.collect()
    assert len(failures) == 1
    assert "container c" in failures[0]
    assert len(rig.ipam.leases()) == 1
    assert rig.collect() == []
    assert rig.ipam.leases() == ()


class _BrokenOnce:
    def __init__(self, ipam):
        self._ipam, self.calls = ipam, 0

    @hookimpl
    def terway_edge_detach(self):
        self.calls += 1
        if self.calls == 1:
            raise ValueError("a stranger's mistake")

    @hookimpl
    def terway_edge_release(self, lease):
        self._ipam.release(lease)


# --- orphans ----------------------------------------------------------------------------------------------------------


def test_a_link_whose_lease_was_released_is_unplugged(rig):
    rig.add("c1")
    rig.ipam.release(rig.lease("c1"))
    rig.service.drop_orphan(("c1", "eth0"))
    assert rig.link("c1") is None


def test_a_link_with_a_lease_is_no_orphan(rig):
    rig.add("c1")
    rig.service.drop_orphan(("c1", "eth0"))
    assert rig.reaches("c1")


def test_an_orphan_with_a_call_in_flight_is_left_to_that_call(rig):
    rig.add("c1")
    rig.ipam.release(rig.lease("c1"))
    with rig.locks.hold(("c1", "eth0"), timeout=1):
        rig.service.drop_orphan(("c1", "eth0"))
    assert rig.link("c1") is not None


def test_status_is_what_the_node_says(rig):
    assert rig.service.why_not() == ""
    rig.why_not = "starting"
    assert rig.service.why_not() == "starting"
