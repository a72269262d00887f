"""What is decided to be told: values, edges, bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.ports import Annotation
from terway_edge.eni.publishing import BATCH, HELD, MAX_PODS, MOST_CHANGES, POD_IPS, Publisher, Sufficiency
from terway_edge.eni.reporting import Standing
from terway_edge.testing import MemoryAnnotations, RecordedStatuses

FOUR, SIX = Address.parse("10.0.0.5"), Address.parse("2001:db8::5")


class Told:
    """A publisher and what it told."""

    def __init__(self) -> None:
        self.annotations, self.statuses = MemoryAnnotations(), RecordedStatuses()
        self.start()

    def start(self) -> None:
        """A process begins."""
        self.publisher = Publisher("n1", self.annotations, self.statuses)

    def change(self, *changes: Lease, now: tuple[Lease, ...] = ()) -> None:
        """:param now: the leases that there are after these changes"""
        for lease in changes:
            self.publisher.changed(lease)
        self.publisher.publish(Standing(), now, 0.0)

    def pod(self, name: str = "web") -> str | None:
        return self.annotations.of("Pod", name, "default").get(POD_IPS)


def lease(*addresses: Address, container: str = "c1", name: str = "web", at: float = 1.0, **sandbox: str) -> Lease:
    made = Sandbox(
        **{"container_id": container, "ifname": "eth0", "pod_name": name, "pod_namespace": "default"} | sandbox
    )
    return Lease(made, addresses or (FOUR,), "test", (), at)


@pytest.mark.parametrize(
    ("addresses", "text"),
    [((FOUR,), "10.0.0.5"), ((SIX,), "2001:db8::5"), ((FOUR, SIX), "10.0.0.5,2001:db8::5")],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_pods_addresses_are_one_text_ipv4_first(addresses: tuple[Address, ...], text: str, order: int) -> None:
    told = Told()
    given = lease(*addresses[::order], pod_uid="u1")
    told.change(given, now=(given,))
    assert told.annotations.writes == [Annotation("Pod", "web", "default", POD_IPS, text, "u1")]
    told.change(given)
    assert told.annotations.writes[1:] == [Annotation("Pod", "web", "default", POD_IPS, None, "u1")]


def test_the_end_of_an_old_sandbox_leaves_what_the_new_one_has() -> None:
    told, old, new = Told(), lease(FOUR), lease(SIX, container="c2", at=2.0)
    told.change(old, new, now=(new, old))
    assert told.pod() == "2001:db8::5"
    told.change(old, now=(new,))
    assert told.pod() == "2001:db8::5"
    told.change(new)
    assert told.pod() is None


def test_the_end_of_a_pod_leaves_its_successor_of_the_same_name_alone() -> None:
    told, gone = Told(), lease(FOUR, pod_uid="old")
    told.change(gone, now=(gone,))
    told.annotations.uids["Pod", "default", "web"] = "new"
    told.annotations.found["Pod", "default", "web"] = {POD_IPS: "10.9.9.9"}
    told.change(gone)
    assert told.pod() == "10.9.9.9"


@pytest.mark.parametrize("odd", [{"ifname": "net1"}, {"pod_namespace": ""}, {"pod_name": ""}], ids=str)
def test_what_is_no_address_of_a_pod_of_kubernetes_is_told_nobody(odd: dict[str, str]) -> None:
    told, known = Told(), lease(FOUR)
    told.change(
        lease(SIX, container="c2", at=2.0, **odd), known, now=(known, lease(SIX, container="c2", at=2.0, **odd))
    )
    assert [each.value for each in told.annotations.writes] == ["10.0.0.5"]


def test_nothing_is_told_of_pods_where_the_operator_does_not_want_it() -> None:
    told, given = Told(), lease()
    told.publisher.tells_pods = False
    told.change(given, now=(given,))
    told.change(given)
    assert told.annotations.writes == []


def test_many_pods_are_told_in_batches_and_too_many_changes_are_forgotten() -> None:
    told, leases = Told(), [lease(name=f"pod-{n}", container=f"c{n}") for n in range(MOST_CHANGES + 7)]
    for each in leases:
        told.publisher.changed(each)
    for done in range(BATCH, MOST_CHANGES, BATCH):
        assert told.publisher.publish(Standing(), leases, 5.0) == 5.0
        assert len(told.annotations.writes) == done
    assert told.publisher.publish(Standing(), leases, 5.0) == math.inf
    assert len(told.annotations.writes) == MOST_CHANGES
    assert [told.pod(f"pod-{n}") for n in (6, 7)] == [None, "10.0.0.5"]


def test_a_pod_that_changes_often_is_told_once() -> None:
    class Counting(MemoryAnnotations):
        asked = 0

        def write_annotation(self, annotation: Annotation) -> None:
            self.asked += 1
            super().write_annotation(annotation)

    told, given = Told(), lease()
    told.annotations = counting = Counting()
    told.start()
    told.change(*[given] * 9, now=(given,))
    assert (counting.asked, told.pod()) == (1, "10.0.0.5")


def test_the_capacity_is_told_when_it_is_known_and_when_it_changes() -> None:
    told = Told()
    for capacity in (0, 30, 30, 45, 0, 45, 30):
        told.publisher.publish(Standing(capacity), (), 0.0)
    assert [each.value for each in told.annotations.writes] == ["30", "45", "30"]
    assert told.annotations.of("Node", "n1") == {MAX_PODS: "30"}


def test_the_condition_says_what_to_do() -> None:
    told = Told()
    told.publisher.publish(Standing(30, ""), (), 0.0)
    told.publisher.publish(Standing(30, "no vSwitch has any; add one"), (), 0.0)
    good, bad = ({"type": "SufficientIP", **each} for each in told_conditions())
    assert [(each.kind, each.name, each.key) for each in told.statuses.writes] == [("Node", "n1", "SufficientIP")] * 2
    assert [each.value for each in told.statuses.writes] == [good, bad]


def told_conditions() -> list[dict[str, str]]:
    return [
        {"status": "True", "reason": "SufficientIP", "message": "vSwitches have addresses for more pods"},
        {"status": "False", "reason": "InsufficientIP", "message": "no vSwitch has any; add one"},
    ]


def test_a_shortage_asks_for_a_look_when_its_time_is_over() -> None:
    told = Told()
    assert told.publisher.publish(Standing(30, ""), (), 50.0) == math.inf
    assert told.publisher.publish(Standing(30, "none"), (), 100.0) == 100.0 + HELD
    assert told.publisher.publish(Standing(30, ""), (), 100.0 + HELD) == math.inf


def test_a_new_process_tells_once_more_and_nothing_is_written_twice() -> None:
    told, given = Told(), lease()
    told.publisher.publish(Standing(30, "none"), (), 0.0)
    told.change(given, now=(given,))
    annotations, statuses = list(told.annotations.writes), list(told.statuses.writes)
    told.start()
    told.change(given, now=(given,))
    told.publisher.publish(Standing(30, "none"), (given,), 1.0)
    assert (told.annotations.writes, told.statuses.writes) == (annotations, statuses)
    told.start()
    told.publisher.publish(Standing(45, ""), (given,), 2.0)
    assert told.annotations.of("Node", "n1") == {MAX_PODS: "45"}
    assert told.statuses.writes[-1].value == {"type": "SufficientIP", **told_conditions()[0]}


def test_nothing_of_it_is_left_after_an_uninstall() -> None:
    told, leases = Told(), [lease(name=f"pod-{n}", container=f"c{n}") for n in range(3 * BATCH)]
    told.annotations.write_annotation(Annotation("Node", "n1", "", "others", "stay"))
    told.publisher.publish(Standing(30, ""), (), 0.0)
    for _ in range(3):
        told.change(*leases, now=tuple(leases))
    told.start()
    told.publisher.retract(leases)
    assert [name for (kind, _, name), found in told.annotations.found.items() if kind == "Pod" and found] == []
    assert told.annotations.of("Node", "n1") == {"others": "stay"}
    assert told.statuses.entries == {}


steps = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 250.0, HELD - 1, HELD]), st.sampled_from([None, "", "none"])))


@given(steps)
def test_sufficiency(steps: list[tuple[float, str | None]]) -> None:
    """A shortage is told at once, for HELD seconds at least, and only as long as it lasts beyond that."""
    sufficiency, now, since = Sufficiency(), 0.0, math.nan
    for wait, lack in steps:
        now += wait
        before = sufficiency.status
        changed = sufficiency.judge(lack, now)
        after = sufficiency.status
        assert changed == (after is not before)
        if lack is None:
            assert after is before
        elif lack:
            assert after is False
        elif before is False:
            assert after is (now >= since + HELD)
        else:
            assert after is True
        if after is False and before is not False:
            since = now


sandboxes = st.tuples(st.sampled_from("abc"), st.integers(0, 2))
"""(pod, which of its sandboxes)"""


@given(st.lists(st.sampled_from(["tell", "restart"]) | sandboxes, max_size=30))
def test_what_is_told_of_a_pod_is_its_newest_lease(steps: list[str | tuple[str, int]]) -> None:
    """A sandbox in a step gets its lease, or gives it back if it has one."""
    told, leases = Told(), dict[tuple[str, int], Lease]()
    for at, step in enumerate(steps):
        if isinstance(step, tuple):
            name, number = step
            new = lease(Address(4, at), container=f"{name}{number}", name=name, pod_uid=f"u{number}", at=float(at))
            told.publisher.changed(old := leases.pop(step, new))
            if old is new:
                leases[step] = new
        else:
            told.change(now=tuple(leases.values()))
        if step == "restart":
            told.start()
            told.change(*leases.values(), now=tuple(leases.values()))
    told.change(now=tuple(leases.values()))
    for name in "abc":
        own = [each for each in leases.values() if each.sandbox.pod_name == name]
        newest = max(own, key=lambda each: each.granted_at, default=None)
        assert told.pod(name) == (str(newest.addresses[0]) if newest else None)
