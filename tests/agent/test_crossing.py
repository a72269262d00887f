"""ADD and DEL of the same sandbox that cross, paused at every operation on kernel, store, caller and network.

One run pauses one call before or after its Nth operation, lets the other come in, and then lets both go on.
"""

import threading

import pytest

from terway_edge.agent.locks import SandboxLocks
from terway_edge.core.errors import Conflict, EdgeError, Retry
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import FibRoute
from terway_edge.testing import MemoryStore
from tests.agent.rig import WAIT, Caller, InThread, Rig, eventually, make_kernel


class Gate:
    """Lets operations pass, but stops the `stop_at`th one until `open`; operations are (name, before or after)."""

    def __init__(self):
        self.stop_at = None
        self.passed = []
        self.reached, self._go = threading.Event(), threading.Event()

    def __call__(self, name):
        if self.stop_at is None:
            return
        self.passed.append(name)
        if len(self.passed) == self.stop_at:
            self.reached.set()
            assert self._go.wait(WAIT)

    def arm(self, stop_at):
        self.stop_at = stop_at

    def open(self):
        self.stop_at = None
        self._go.set()

    def stops(self, call):
        """True once the call waits here, False if it came to its end before."""
        eventually(lambda: self.reached.is_set() or not call.running)
        return self.reached.is_set()

    def around(self, target, *methods):
        """`target`, with these methods stopping before and after."""
        for name in methods:
            setattr(target, name, self._stopping(name, getattr(target, name)))
        return target

    def _stopping(self, name, method):
        def call(*args, **kwargs):
            self(f"before {name}")
            try:
                return method(*args, **kwargs)
            finally:
                self(f"after {name}")

        return call


class WatchedLocks(SandboxLocks):
    """Tells when a DEL has come in and when a call starts waiting."""

    def __init__(self):
        super().__init__()
        self.cancelling, self.adding_began = threading.Event(), threading.Event()

    def cancel_adds(self, key):
        super().cancel_adds(key)
        self.cancelling.set()

    def adding(self, key):
        self.adding_began.set()
        return super().adding(key)


KERNEL = ("prove", "apply", "dump", "unplug")


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def rig(gate):
    kernel = make_kernel(unplug_at_once=True)
    rig = Rig(kernel, store=gate.around(MemoryStore(), "put", "release"), locks=WatchedLocks())
    gate.around(kernel, *KERNEL)
    rig.create("c1")
    return rig


def add(rig, gate, caller):
    rig.add("c1", gate.around(caller, "gone", "deliver"))


@pytest.mark.parametrize("resumed", [False, True], ids=["first", "resumed"])
@pytest.mark.parametrize("step", range(1, 25))
def test_t06_a_del_that_crosses_an_add_wins(rig, gate, step, resumed):
    before = rig.kernel.snapshot()
    if resumed:
        rig.dispatcher.allocate("flannel_route", rig.sandbox("c1"), rig.view, 0.0)
    caller = Caller()
    gate.arm(step)
    adding = InThread(lambda: add(rig, gate, caller))
    if not gate.stops(adding):
        assert adding.join() is None
        assert step > len(gate.passed) >= 8  # every step of this ADD was paused at by a smaller number
        return
    paused_at = gate.passed[-1]
    deleting = InThread(lambda: rig.delete("c1"))
    assert rig.locks.cancelling.wait(WAIT)
    gate.open()
    error = adding.join()
    assert deleting.join() is None, "the DEL succeeds"
    if "deliver" in paused_at:
        assert error is None, "an answer that was given is no error; the DEL came after it"
    else:
        assert isinstance(error, Retry), f"paused {paused_at}: the ADD must answer an error"
    assert rig.nothing_of("c1")
    assert rig.store.stored.leases == ()
    assert rig.kernel.snapshot() == before
    rig.assert_pools_add_up()


@pytest.mark.parametrize("step", range(1, 12))
def test_an_add_that_comes_during_a_del_gets_a_whole_pod_of_its_own(rig, gate, step):
    rig.add("c1")
    gate.arm(step)
    deleting = InThread(lambda: rig.delete("c1"))
    if not gate.stops(deleting):
        assert deleting.join() is None
        assert step > len(gate.passed) >= 6
        return
    rig.locks.adding_began.clear()
    adding = InThread(lambda: rig.add("c1"))
    assert rig.locks.adding_began.wait(WAIT)
    gate.open()
    assert deleting.join() is None
    assert adding.join() is None
    assert rig.reaches("c1")
    assert rig.check("c1") == []
    assert [lease.key for lease in rig.store.stored.leases] == [("c1", "eth0")]
    rig.assert_pools_add_up()


@pytest.mark.parametrize("step", range(1, 12))
def test_t22_a_namespace_that_ends_at_any_step_of_an_add_leaves_nothing(rig, gate, step):
    caller = Caller()
    before = rig.kernel.snapshot()
    gate.arm(step)
    adding = InThread(lambda: add(rig, gate, caller))
    if not gate.stops(adding):
        assert adding.join() is None
        assert step > len(gate.passed) >= 8
        return
    rig.kernel.delete_netns("/run/netns/c1")
    is_plugged = "after apply" in gate.passed
    gate.open()
    error = adding.join()
    assert isinstance(error, EdgeError) or is_plugged, "what is no namespace any more cannot be plugged in"
    assert rig.link("c1") is None, "and with it goes the link"
    assert error is None or rig.nothing_of("c1")
    rig.delete("c1")
    assert rig.nothing_of("c1")
    assert rig.store.stored.leases == ()
    rig.kernel.create_netns("/run/netns/c1")
    assert rig.kernel.snapshot() == before
    rig.assert_pools_add_up()


def test_an_audit_during_an_add_does_not_make_it_fail(rig, gate):
    """An ADD half done looks broken; mending it would put the very route there that the ADD is about to add."""
    gate.arm(5)  # after the lease was written, before the kernel is changed
    adding = InThread(lambda: rig.add("c1"))
    assert gate.reached.wait(WAIT)
    lease = rig.lease("c1")
    assert lease is not None
    stranger = rig.kernel.create_link(link_name(lease.key), up=False, alias=link_alias(lease.key))  # looks broken
    assert rig.repair.audit() == 1
    assert rig.telemetry.repairs == {}
    assert not any(route.link == stranger.ifindex for route in rig.kernel.dump(FibRoute))
    rig.kernel.delete_link(stranger.name)
    gate.open()
    assert adding.join() is None
    assert rig.reaches("c1")


def test_of_parallel_adds_of_one_sandbox_exactly_one_succeeds():
    rig = Rig(cidrs=("10.0.0.0/24",))
    for number in range(30):
        name = f"c{number}"
        rig.create(name)
        callers = [Caller(), Caller(), Caller()]
        calls = [InThread(lambda caller=caller, name=name: rig.add(name, caller)) for caller in callers]
        errors = [call.join() for call in calls]
        assert sum(error is None for error in errors) == 1
        assert {type(error) for error in errors if error} == {Conflict}
        assert sum(len(caller.answers) for caller in callers) == 1
    assert len(rig.ipam.leases()) == 30
    owned = [address for lease in rig.ipam.leases() for address in lease.addresses]
    assert len(set(owned)) == len(owned)
