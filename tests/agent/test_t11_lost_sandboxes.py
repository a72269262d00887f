"""T11: sandboxes that end without a DEL are freed, by two proofs, in two rounds, at some age; live ones never are."""

import os
import random
import threading
from contextlib import ExitStack

import pytest

from terway_edge.agent.gc import Collector, LostSandboxes, plugged_sandboxes
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import Link
from tests.agent.rig import GRACE, InThread, Rig, eventually

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ROUNDS = 1000 if FULL else 30
PERIOD = 60  # seconds, by default
KEY = ("c1", "eth0")


def lease(granted_at=0.0, netns="/run/netns/c1"):
    return Lease(Sandbox(*KEY, netns), (), "b", (), granted_at)


def rounds(*times, plugged=(), exists=False, one=None):
    """The rounds at which the lease was confirmed lost."""
    lost = LostSandboxes(GRACE, exists=lambda path: exists)
    return [now for now in times if lost.confirmed([one or lease()], plugged, now)]


def test_t11_it_takes_two_rounds_and_the_grace_period():
    assert rounds(1000, 1060, 1119, 1120) == [1120]
    assert rounds(1000) == []
    assert rounds(1000, 9999) == [9999]


def test_without_a_grace_period_it_still_takes_two_rounds():
    lost = LostSandboxes(0, exists=lambda path: False)
    assert [lost.confirmed([lease()], (), now) for now in (1000, 1001)] == [[], [lease()]]


@pytest.mark.parametrize(("plugged", "exists"), [((KEY,), False), ((), True), ((KEY,), True)])
def test_t11_one_proof_is_not_enough(plugged, exists):
    assert rounds(1000, 2000, 3000, plugged=plugged, exists=exists) == []


def test_t11_a_young_lease_is_left_alone_whatever_is_missing():
    assert rounds(1000, 1060, 1120, 1180, 1221, one=lease(granted_at=1100)) == [1221]


def test_t11_a_sandbox_that_comes_back_starts_anew():
    lost = LostSandboxes(GRACE, exists=lambda path: False)
    assert lost.confirmed([lease()], (), 1000) == []
    assert lost.confirmed([lease()], (KEY,), 1100) == []
    assert lost.confirmed([lease()], (), 1200) == []
    assert lost.confirmed([lease()], (), 1300) == []
    assert lost.confirmed([lease()], (), 1320) == [lease()]


def test_only_links_proven_ours_count_as_plugged():
    def link(name, alias):
        return Link(5, name, b"", 1500, True, True, "veth", alias, 0)

    ours = link(link_name(KEY), link_alias(KEY))
    strangers = [link(link_name(KEY), ""), link("tw0123456789abc", "c9 eth0"), link("eth0", link_alias(KEY))]
    assert plugged_sandboxes([*strangers, ours]) == {KEY: ours}


def test_t11_a_sandbox_without_del_is_freed_and_live_ones_never():
    rig = Rig()
    for name in ("dead", "alive", "half"):
        rig.add(name)
    rig.kernel.delete_netns("/run/netns/dead")
    rig.kernel.delete_link(rig.link("half").name)  # its namespace is still there
    for _ in range(20):
        rig.collect_lost()
        rig.clock.advance(60)
    assert {lease.key[0] for lease in rig.ipam.leases()} == {"alive", "half"}
    assert rig.reaches("alive")
    rig.assert_pools_add_up()


def test_a_link_left_by_a_killed_agent_is_unplugged():
    rig = Rig()
    rig.add("c1")
    rig.ipam.release(rig.lease("c1"))  # a DEL killed after its record and before its link was gone
    later = rig.restarted()
    later.collect_lost()
    assert later.link("c1") is None


def test_t11_all_that_are_lost_are_freed_within_the_window():
    """As docs/reference/container-runtimes.md says: after the grace period, and within two more periods."""
    rig = Rig(cidrs=("10.0.0.0/24", "fd00::/120"))
    live, doomed = [f"live{number}" for number in range(20)], [f"c{number}" for number in range(100)]
    for name in live + doomed:
        rig.add(name)
    ends = {name: 2000 + 5 * number for number, name in enumerate(doomed)}  # at every moment between two rounds
    took = {}
    while rig.clock.now() < 3000:
        now = rig.clock.now()
        for name in [name for name, at in ends.items() if at == now]:
            rig.kernel.delete_netns(f"/run/netns/{name}")
        if now % PERIOD == 0:
            rig.collect_lost()
            took |= {name: now - ends[name] for name in doomed if name not in took and rig.lease(name) is None}
        rig.clock.advance(5)
    assert took.keys() == set(doomed), "all of them"
    assert min(took.values()) >= GRACE
    assert max(took.values()) <= GRACE + 2 * PERIOD
    assert {lease.key[0] for lease in rig.ipam.leases()} == set(live)
    assert all(map(rig.reaches, live))
    rig.assert_pools_add_up()


def test_t11_what_comes_back_between_proof_and_deed_is_left_alone():
    """A container is added once more, in a new namespace at the same path, right after its path was looked for."""
    rig = Rig()
    rig.add("c1")
    rig.kernel.delete_netns("/run/netns/c1")
    looks = []

    def exists(path):
        looks.append(rig.netns_exists(path))
        if len(looks) == 2:  # the first look of the second round
            rig.add("c1")
        return looks[-1]

    collector = Collector(rig.kernel, rig.ipam, rig.service, rig.clock, LostSandboxes(GRACE, exists))
    collector.run()
    rig.clock.advance(GRACE)
    collector.run()
    assert looks == [False, False], "it counted as lost"
    assert rig.reaches("c1")
    assert rig.check("c1") == []


def test_t11_a_call_in_flight_is_proof_of_life():
    rig = Rig()
    rig.add("c1")
    rig.kernel.delete_netns("/run/netns/c1")
    rig.collect_lost()
    rig.clock.advance(GRACE)
    with rig.locks.adding(("c1", "eth0")) as ticket, rig.locks.hold(("c1", "eth0"), timeout=1):
        rig.collect_lost()
        assert not ticket.cancelled
    assert rig.lease("c1") is not None
    rig.collect_lost()
    assert rig.nothing_of("c1")


def test_t11_one_that_cannot_be_freed_is_told_and_stops_no_other(caplog):
    rig = Rig()
    for name in ("c1", "c2"):
        rig.add(name)
        rig.kernel.delete_netns(f"/run/netns/{name}")
    rig.collect_lost()
    rig.clock.advance(GRACE)
    rig.store.fail_next()
    rig.collect_lost()
    assert len(rig.ipam.leases()) == 1
    assert "is gone, and its lease is not freed yet: memory store" in caplog.text
    rig.collect_lost()
    assert rig.ipam.leases() == ()


class Churn:
    """Sandboxes of one runtime's thread that come, live, and end with or without a DEL; none that lives is touched."""

    def __init__(self, rig, thread):
        self._rig, self._chance, self._over = rig, random.Random(thread), threading.Event()
        self._names = [f"t{thread}-{number}" for number in range(8)]
        self.live, self.lives = {}, 0
        self._calls = InThread(self._run)

    def end(self):
        self._over.set()
        assert self._calls.join() is None

    def assert_untouched(self):
        for name, addresses in self.live.items():
            lease = self._rig.lease(name)
            assert lease is not None, f"{name} was freed while it lived"
            assert lease.addresses == addresses
            assert self._rig.reaches(name)

    def _run(self):
        while not self._over.is_set():
            name = self._chance.choice(self._names)
            if name not in self.live:
                self._come(name)
            else:
                del self.live[name]
                if self._chance.random() < 0.7:
                    self._rig.delete(name)
                self._rig.kernel.delete_netns(f"/run/netns/{name}")
            self.assert_untouched()

    def _come(self, name):
        """Under a name that ended without a DEL it may be freed or not by now: a runtime tidies up first."""
        self._rig.delete(name)
        self.live[name] = self._rig.add(name).addresses
        self.lives += 1


def test_t11_live_pods_are_never_touched_during_churn():
    rig = Rig(cidrs=("10.0.0.0/24",), ipam={"cooldown_seconds": 0})
    with ExitStack() as stack:
        churns = [Churn(rig, thread) for thread in range(4)]
        for churn in churns:
            stack.callback(churn.end)
        for _ in range(ROUNDS):
            wanted = sum(churn.lives for churn in churns) + 4
            rig.collect_lost()
            rig.clock.advance(PERIOD)
            eventually(lambda wanted=wanted: sum(churn.lives for churn in churns) >= wanted, "pods come and go")
    for churn in churns:
        churn.assert_untouched()
    rig.clock.advance(GRACE)
    for _ in range(3):
        rig.collect_lost()
        rig.clock.advance(GRACE)
    assert {lease.key[0] for lease in rig.ipam.leases()} == {name for churn in churns for name in churn.live}
    rig.assert_pools_add_up()
