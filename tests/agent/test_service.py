"""ADD, DEL and CHECK on the kernel's twin with the real flannel_route backend."""

import errno

import pytest

from terway_edge.core.errors import INVALID_NETNS, Conflict, EdgeError, KernelError, Refused, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Sandbox
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import FibRoute, LinkAddress, Veth
from tests.agent.rig import Caller, Rig


class Observer:
    """A plugin that only watches leases."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def terway_edge_lease_granted(self, lease):
        self.seen.append(("granted", lease.key[0]))

    @hookimpl
    def terway_edge_lease_released(self, lease):
        self.seen.append(("released", lease.key[0]))


@pytest.fixture
def observer(rig):
    observer = Observer()
    rig.manager.register(observer, name="observer")
    return observer


# --- ADD --------------------------------------------------------------------------------------------------------------


def test_an_added_pod_has_a_lease_and_is_reachable(rig, observer):
    attachment = rig.add("c1")
    assert attachment.addresses == rig.lease("c1").addresses
    assert {address.family for address in attachment.addresses} == {4, 6}
    assert rig.reaches("c1")
    assert rig.check("c1") == []
    assert observer.seen == [("granted", "c1")]


def test_pods_reach_each_other(rig):
    rig.add("c1")
    second = rig.add("c2")
    assert all(rig.kernel.trace("/run/netns/c1", address).arrived for address in second.addresses)


def test_the_same_add_again_is_a_conflict_and_changes_nothing(rig):
    rig.add("c1")
    before = rig.kernel.snapshot()
    with pytest.raises(Conflict, match="DEL it first") as refused:
        rig.add("c1")
    assert refused.value.code == 104
    assert rig.kernel.snapshot() == before
    assert rig.reaches("c1")


def test_an_add_cut_short_after_its_lease_is_resumed_with_the_same_addresses(rig):
    rig.create("c1")
    lease = rig.dispatcher.allocate("flannel_route", rig.sandbox("c1"), rig.view, 0.0)
    later = rig.restarted()
    assert later.add("c1").addresses == lease.addresses
    assert later.reaches("c1")


def test_an_add_cut_short_with_its_pod_end_gone_is_resumed(rig):
    rig.add("c1")
    addresses = rig.lease("c1").addresses
    rig.kernel.delete_netns("/run/netns/c1")  # the veth goes too; the lease stays
    assert rig.add("c1").addresses == addresses
    assert rig.reaches("c1")


def test_what_an_add_cut_short_left_on_the_host_does_not_hinder_the_next(rig):
    rig.create("c1")
    lease = rig.dispatcher.allocate("flannel_route", rig.sandbox("c1"), rig.view, 0.0)
    rig.die()  # or it would put the link right
    remains = rig.kernel.create_link(link_name(lease.key), alias=link_alias(lease.key))
    rig.kernel.foreign_add(FibRoute(lease.addresses[0].host, link=remains.ifindex))
    assert rig.add("c1").addresses == lease.addresses
    assert rig.reaches("c1")


@pytest.mark.parametrize("kind", [Veth, LinkAddress, FibRoute])
def test_a_failed_attach_releases_the_lease_and_leaves_nothing(rig, kind, observer):
    rig.create("c1")
    before = rig.kernel.snapshot()
    rig.kernel.fail_next(lambda change: isinstance(change.item, kind), errno=errno.ENOMEM)
    with pytest.raises(KernelError):
        rig.add("c1")
    assert rig.ipam.leases() == rig.store.stored.leases == ()
    assert rig.kernel.snapshot() == before
    assert observer.seen == []
    rig.add("c1")
    assert rig.reaches("c1")


def test_what_a_broken_backend_left_after_a_failed_attach_goes_too(rig):
    rig.create("c1")
    before = rig.kernel.snapshot()
    plugin = rig.manager.get_plugin("flannel_route")
    rig.manager.unregister(plugin)

    class Backend:
        terway_edge_allocate = hookimpl(lambda self, sandbox, view: plugin.terway_edge_allocate(sandbox, view))
        terway_edge_detach = hookimpl(lambda self, lease: plugin.terway_edge_detach(lease))
        terway_edge_release = hookimpl(lambda self, lease: plugin.terway_edge_release(lease))

        @hookimpl
        def terway_edge_attach(self, sandbox, lease, view):
            plugin.terway_edge_attach(sandbox, lease, view)
            return "done"

    rig.manager.register(Backend(), name="flannel_route")
    with pytest.raises(EdgeError, match="expected an Attachment"):
        rig.add("c1")
    assert rig.ipam.leases() == ()
    assert rig.kernel.snapshot() == before


def test_a_backend_is_told_until_when_the_caller_waits(rig):
    told = []
    plugin = rig.manager.get_plugin("flannel_route")
    rig.manager.unregister(plugin)

    class Backend:
        terway_edge_attach = hookimpl(
            lambda self, sandbox, lease, view: plugin.terway_edge_attach(sandbox, lease, view)
        )

        @hookimpl
        def terway_edge_allocate(self, sandbox, view, deadline):
            told.append(deadline)
            return plugin.terway_edge_allocate(sandbox, view)

    rig.manager.register(Backend(), name="flannel_route")
    rig.add("c1")
    assert told == [rig.clock.now() + 60]


def test_a_lease_that_cannot_be_recorded_is_no_lease(rig):
    rig.store.fail_next()
    with pytest.raises(Retry):
        rig.add("c1")
    assert rig.nothing_of("c1")


@pytest.mark.parametrize("step", [1, 2])
def test_a_caller_who_goes_away_gets_everything_undone(rig, step):
    rig.create("c1")
    before = rig.kernel.snapshot()
    caller = Caller(leaves_at=step)
    with pytest.raises(Retry):
        rig.add("c1", caller)
    assert caller.answers == []
    assert rig.nothing_of("c1")
    assert rig.kernel.snapshot() == before
    assert rig.store.stored.leases == ()


def test_an_answer_that_nobody_takes_is_undone(rig, observer):
    rig.create("c1")
    before = rig.kernel.snapshot()
    with pytest.raises(Retry, match="undone"):
        rig.add("c1", Caller(takes=False))
    assert rig.nothing_of("c1")
    assert rig.kernel.snapshot() == before
    assert observer.seen == []


def test_an_answer_that_cannot_be_written_is_undone(rig):
    rig.create("c1")
    before = rig.kernel.snapshot()

    def deliver(attachment):
        raise TypeError("a result that is no JSON")

    with pytest.raises(TypeError):
        rig.service.add(rig.sandbox("c1"), Caller(), rig.clock.now() + 60, deliver)
    assert rig.nothing_of("c1")
    assert rig.kernel.snapshot() == before


def test_the_caller_is_asked_at_the_start_and_at_the_end_and_no_more(rig):
    caller = Caller()
    rig.add("c1", caller)
    assert caller.asked == 2  # should a step be added, the test of callers who go away must cover it


def test_no_pod_is_added_before_the_node_is_known(rig):
    rig.why_not = "the cluster has no Node 'n1'"
    with pytest.raises(Retry, match="no Node 'n1'"):
        rig.add("c1")
    assert rig.nothing_of("c1")


@pytest.mark.parametrize("where", [{"netns": "/run/netns/absent"}, {"netns": ""}, {"netns_fd": 9}])
def test_t21_an_unusable_namespace_is_refused_before_anything_is_written(rig, where):
    sandbox = Sandbox("c1", "eth0", **where)
    before = rig.kernel.snapshot()
    rig.store.fail_next()
    with pytest.raises(Refused) as refused:
        rig.service.add(sandbox, Caller(), rig.clock.now() + 1, Caller().deliver)
    assert refused.value.code == INVALID_NETNS
    with pytest.raises(Retry):
        rig.add("c2")  # the failure that was asked for is still to come: the store was not used
    assert rig.ipam.leases() == ()
    rig.kernel.delete_netns("/run/netns/c2")
    assert rig.kernel.snapshot() == before


def test_t14_a_full_pool_says_so_and_status_stays_good():
    rig = Rig(cidrs=("10.0.0.0/30",))
    for name in ("c1", "c2"):
        rig.add(name)
    with pytest.raises(Retry, match="all 2 addresses are in use"):
        rig.add("c5")
    assert rig.service.why_not() == ""
    rig.delete("c1")
    with pytest.raises(Retry, match="cool down"):
        rig.add("c5")
    rig.clock.advance(30)
    assert rig.add("c5")


# --- DEL --------------------------------------------------------------------------------------------------------------


def test_a_deleted_pod_leaves_nothing(rig, observer):
    rig.create("c1")
    before = rig.kernel.snapshot()
    rig.add("c1")
    rig.delete("c1")
    assert rig.kernel.snapshot() == before
    assert rig.ipam.leases() == ()
    assert observer.seen == [("granted", "c1"), ("released", "c1")]


def test_a_del_of_what_is_unknown_or_gone_is_success_and_changes_nothing(rig, observer):
    before = rig.kernel.snapshot()
    for _ in range(10):
        rig.delete("c1")
    rig.add("c1")
    for _ in range(10):
        rig.delete("c1")
    assert observer.seen == [("granted", "c1"), ("released", "c1")]
    rig.kernel.delete_netns("/run/netns/c1")
    assert rig.kernel.snapshot() == before


def test_a_del_without_its_namespace_still_releases(rig):
    rig.add("c1")
    rig.kernel.delete_netns("/run/netns/c1")
    rig.service.delete(Sandbox("c1", "eth0"), rig.clock.now() + 1)
    assert rig.nothing_of("c1")


def test_a_release_that_cannot_be_recorded_is_told_in_words_that_no_runtime_takes_for_success(rig):
    rig.add("c1")
    rig.store.fail_next()
    with pytest.raises(Retry) as refused:
        rig.delete("c1")
    assert "not found" not in f"{refused.value} {refused.value.details}".lower()
    assert rig.lease("c1") is not None
    rig.delete("c1")
    assert rig.nothing_of("c1")


def test_a_route_that_cannot_be_removed_keeps_the_lease(rig):
    rig.add("c1")
    rig.kernel.fail_next(lambda change: isinstance(change.item, FibRoute), errno=errno.EPERM)
    with pytest.raises(KernelError):
        rig.delete("c1")
    assert rig.lease("c1") is not None
    rig.delete("c1")
    assert rig.nothing_of("c1")


def test_t07_the_del_of_an_old_sandbox_does_not_touch_the_new_one_of_the_same_pod(rig):
    rig.add("old")
    rig.create("new")
    new = Sandbox("new", "eth0", "/run/netns/new", "default", "old", "uid-old")
    rig.service.add(new, caller := Caller(), rig.clock.now() + 60, caller.deliver)
    rig.delete("old")
    assert rig.reaches("new")
    assert rig.check("new") == []


def test_a_lease_of_a_backend_that_is_no_longer_loaded_is_still_taken_down(rig):
    rig.add("c1")
    rig.manager.unregister(name="flannel_route")
    rig.delete("c1")
    assert rig.nothing_of("c1")


# --- CHECK ------------------------------------------------------------------------------------------------------------


def test_check_of_the_unknown_is_refused(rig):
    with pytest.raises(Refused, match="no lease"):
        rig.check("c1")


def test_check_finds_a_flushed_route_and_mends_nothing(rig):
    rig.add("c1")
    rig.die()
    rig.kernel.flush_routes()
    found = rig.check("c1")
    assert [discrepancy.mended for discrepancy in found] == [False]
    assert not rig.kernel.trace("", rig.lease("c1").addresses[0]).arrived
