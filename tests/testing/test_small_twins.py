"""The clock, the lists of events, statuses and annotations, the store and the firewall of the testing kit."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Retry
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.ports import Annotation, Cooling, Event, Masquerade, StatusEntry, Stored
from terway_edge.testing import (
    FakeClock,
    MemoryAnnotations,
    MemoryFirewall,
    MemoryStore,
    RecordedEvents,
    RecordedStatuses,
)

ADDRESSES = (Address.parse("10.0.0.5"), Address.parse("2001:db8::5"))
LEASE = Lease(Sandbox("c1", "eth0", pod_uid="u1"), ADDRESSES, "test", ("four", "six"), 1.0)


def test_clock_moves_only_when_told():
    clock = FakeClock(5.0)
    assert (clock.now(), clock.now()) == (5.0, 5.0)
    clock.advance(2.5)
    assert clock.now() == 7.5
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    assert clock.now() == 7.5


def test_events_are_kept_in_order_and_told_apart_by_subject():
    events = RecordedEvents()
    first, second = Event("Up", "a", "x"), Event("Down", "b", "y")
    events.emit(first)
    events.emit(second)
    assert events.seen == [first, second]
    assert (events.reasons(), events.reasons("b")) == (["Up", "Down"], ["Down"])


def test_statuses_are_replaced_removed_and_not_written_twice():
    statuses = RecordedStatuses()
    entry = StatusEntry("BGPPeer", "lan-1", "n1", {"state": "Idle"})
    changed, removed = entry._replace(value={"state": "Established"}), entry._replace(value=None)
    for each in (removed, entry, entry, changed):
        statuses.write_status(each)
    assert statuses.entries == {("BGPPeer", "lan-1", "n1"): {"state": "Established"}}
    statuses.write_status(removed)
    assert (statuses.entries, statuses.writes) == ({}, [entry, changed, removed])


def test_annotations_are_replaced_removed_and_not_written_twice():
    annotations = MemoryAnnotations()
    first = Annotation("Pod", "web", "default", "a", "1")
    changed, removed, other = first._replace(value="2"), first._replace(value=None), first._replace(key="b")
    for each in (removed, first, first, other, changed):
        annotations.write_annotation(each)
    assert annotations.of("Pod", "web", "default") == {"a": "2", "b": "1"}
    annotations.write_annotation(removed)
    assert annotations.of("Pod", "web", "default") == {"b": "1"}
    assert annotations.writes == [first, other, changed, removed]
    assert annotations.of("Pod", "web", "another") == annotations.of("Node", "web") == {}


def test_an_annotation_for_an_earlier_pod_of_the_name_is_left_out():
    annotations = MemoryAnnotations()
    annotations.uids["Pod", "default", "web"] = "new"
    wanted = Annotation("Pod", "web", "default", "a", "1", "old")
    annotations.write_annotation(wanted)
    assert annotations.writes == []
    annotations.write_annotation(wanted._replace(uid="new"))
    annotations.write_annotation(wanted._replace(value="2", uid=""))
    assert annotations.of("Pod", "web", "default") == {"a": "2"}


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "Service"}, {"namespace": ""}, {"kind": "Node"}, {"name": ""}, {"key": ""}, {"value": 7}],
    ids=str,
)
def test_an_annotation_that_no_server_takes_fails_the_test(wrong):
    with pytest.raises(AssertionError):
        MemoryAnnotations().write_annotation(Annotation("Pod", "web", "default", "a", "1")._replace(**wrong))


def test_store_gives_back_what_a_new_process_would_find():
    store = MemoryStore()
    store.put(LEASE)
    assert MemoryStore(store.stored).stored == Stored((LEASE,))
    store.release(LEASE, 9.0)
    cooling = tuple(Cooling(a, pool, "u1", 9.0) for a, pool in zip(ADDRESSES, ("four", "six"), strict=True))
    assert store.stored == Stored((), cooling)


def test_failing_store_records_nothing():
    store = MemoryStore()
    store.fail_next()
    with pytest.raises(Retry, match="put"):
        store.put(LEASE)
    assert store.stored == Stored()
    store.put(LEASE)
    store.fail_next()
    with pytest.raises(Retry, match="release"):
        store.release(LEASE, 9.0)
    assert store.stored == Stored((LEASE,))


def test_firewall_counts_changes_not_calls():
    firewall = MemoryFirewall()
    wanted = Masquerade((Prefix.parse("10.0.0.0/8"),))
    firewall.set_masquerade(wanted)
    firewall.set_masquerade(wanted)
    assert (firewall.masquerade, firewall.writes) == (wanted, 1)
    firewall.remove()
    assert firewall.masquerade is None
