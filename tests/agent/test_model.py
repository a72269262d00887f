"""The whole agent against a naive model: random sequences of everything that happens to a node's pods.

Real: the service, IPAM, journal, flannel_route, repair, garbage collection. Not real: kernel, clock, runtime.

A failure prints the shortest sequence of steps that Hypothesis could find, as Python that can be run, and a line
`@reproduce_failure(...)`. To run the same sequences again: `./dev test tests/agent/test_model.py
--hypothesis-seed=N` with the seed that pytest printed, or paste the `@reproduce_failure` line above `class Agents`.
`HYPOTHESIS_MODEL_EXAMPLES=5000` makes the long run as long as you like.
"""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.agent.recovery import orphans
from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Conflict, KernelError, Refused, Retry
from terway_edge.core.models import RouteSet
from terway_edge.core.names import link_macs
from terway_edge.core.plans import PROTO, FibRoute, Link, Neighbour, RouteKind, Where
from terway_edge.testing import FakeClock
from tests.agent.rig import GRACE, Caller, Rig, make_kernel

COOLDOWN = 30.0
CIDRS = [("10.0.0.0/29", "fd00::/125"), ("10.0.1.0/29",), ("10.0.0.0/28", "fd00::/125")]  # the last overlaps the first

names = st.sampled_from([f"c{number}" for number in range(9)])
damages = st.sampled_from(["route", "neighbour", "link down", "flush"])


class FlakyStore:
    """The journal, unless told to fail."""

    def __init__(self, journal):
        self.journal, self.failing = journal, False

    def put(self, lease):
        self._trip()
        self.journal.put(lease)

    def release(self, lease, released_at):
        self._trip()
        self.journal.release(lease, released_at)

    def _trip(self):
        if self.failing:
            raise Retry("the disk is full because the test says so")


class Agents(RuleBasedStateMachine):
    """`attached`, `half`, `lost` and `unplugged` are the model: name -> addresses, by what has become of the pod."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="twt-model-"))
        self.clock = FakeClock()
        self.attached = {}
        self.half = {}  # a lease was granted, and then the agent was killed
        self.lost = {}  # the namespace went without a DEL
        self.unplugged = {}  # a DEL that could not be recorded
        self.released = {}
        self.cidrs = CIDRS[0]
        kernel = make_kernel()
        store, stored = self.open()
        self.rig = Rig(kernel, self.clock, store, stored, cidrs=self.cidrs, ipam={"cooldown_seconds": COOLDOWN})
        self.advertise()

    def open(self):
        journal, stored = Journal.open(
            self.folder / "leases", "boot", marker=self.folder / "run" / "marker", cooldown=COOLDOWN
        )
        assert stored.damage == ""
        return FlakyStore(journal), stored

    def teardown(self):
        self.settle()
        self.rig.store.journal.close()
        shutil.rmtree(self.folder)

    def advertise(self):
        self.rig.dispatcher.advertise("flannel_route", RouteSet(), self.rig.view)

    @property
    def model(self):
        return {**self.attached, **self.half, **self.lost, **self.unplugged}

    def forget(self, name):
        """The model of a release."""
        for state in (self.attached, self.half, self.lost, self.unplugged):
            for address in state.pop(name, ()):
                self.released[address] = (self.clock.now(), name)

    def assert_may_have(self, name, addresses):
        owned = {address for owner, held in self.model.items() if owner != name for address in held}
        for address in addresses:
            assert address not in owned, "I1: an address with two owners"
            at, last = self.released.get(address, (-COOLDOWN, name))
            assert last == name or self.clock.now() - at >= COOLDOWN, "I7: reused too early"

    # --- what runtimes do -----------------------------------------------------------------------------------------

    @rule(name=names)
    def add(self, name):
        if name in self.lost:
            return  # a runtime never makes a namespace for the same container again
        held = self.half.get(name) or self.unplugged.get(name)
        try:
            addresses = self.rig.add(name).addresses
        except Conflict:
            assert name in self.attached or name in self.unplugged  # whose DEL failed, and whose link may go yet
            return
        except Retry:
            assert name not in self.model
            assert any(self.rig.ipam.usage(cidr).free == 0 for cidr in self.cidrs)
            return
        assert name not in self.attached, "a second ADD must be an error"
        if held is None:
            assert [any(Prefix.parse(c).contains(a) for c in self.cidrs) for a in addresses] == [True] * len(self.cidrs)
        else:
            assert addresses == held, "a resumed ADD keeps its addresses"
        self.assert_may_have(name, addresses)
        self.half.pop(name, None)
        self.unplugged.pop(name, None)
        self.attached[name] = addresses

    @rule(name=names, leaves_at=st.integers(1, 3))
    def add_for_a_caller_who_goes_away(self, name, leaves_at):
        if name in self.lost or name in self.attached:
            return
        held = self.model.get(name)
        try:
            self.rig.add(name, Caller(leaves_at=leaves_at, takes=False))
        except Retry:
            pass
        except Conflict:
            assert name in self.unplugged
            return
        else:
            raise AssertionError("nobody took the answer")
        if self.rig.lease(name) is None:
            self.forget(name)
            if held is None and leaves_at > 1:
                self.note_own_release(name)
        else:
            assert leaves_at == 1
            assert held is not None

    @rule(name=names, change=st.integers(0, 8))  # the smallest plan has nine changes
    def add_that_the_kernel_refuses(self, name, change):
        if name in self.model or any(self.rig.ipam.usage(cidr).free == 0 for cidr in self.cidrs):
            return
        self.rig.kernel.fail_after(change, errno.ENOMEM)
        try:
            self.rig.add(name)
        except KernelError:
            self.rig.kernel.settle()
            assert self.rig.nothing_of(name)
            self.note_own_release(name)
        else:
            raise AssertionError("the kernel refused a change, and the ADD succeeded")

    def note_own_release(self, name):
        """An ADD was undone: whichever addresses it had rest now. The journal knows them."""
        for address, record in self.rig.store.journal._contents.cooling.items():
            if record.pod_uid == f"uid-{name}" and record.released_at == self.clock.now():
                self.released[address] = (self.clock.now(), name)

    @rule(name=names)
    def delete(self, name):
        self.rig.delete(name)
        self.forget(name)
        assert self.rig.lease(name) is None

    @rule(name=names)
    def delete_with_a_full_disk(self, name):
        self.rig.store.failing = True
        try:
            self.rig.delete(name)
        except Retry:
            assert name in self.model
            if name in self.attached:
                self.unplugged[name] = self.attached.pop(name)
        else:
            assert name not in self.model
        finally:
            self.rig.store.failing = False

    @rule(name=names)
    def check(self, name):
        try:
            found = self.rig.check(name) if name not in self.lost else None
        except Refused:
            assert name not in self.model
        else:
            assert found is None or name in self.unplugged or (found == []) == (name in self.attached)

    @rule(valid=st.sets(names))
    def collect(self, valid):
        self.clock.advance(1)  # a runtime's list is older than the call
        assert self.rig.collect(*valid) == []
        for name in self.model.keys() - valid:
            self.forget(name)

    # --- what befalls the agent -----------------------------------------------------------------------------------

    @rule()
    def kill_and_restart(self):
        self.rig.store.journal.close()
        store, stored = self.open()
        assert {lease.key[0]: lease.addresses for lease in stored.leases} == self.model, "I8: the journal is the truth"
        self.rig = self.rig.restarted(store, stored, self.cidrs)
        self.rig.kernel.unplug(orphans(self.rig.kernel, self.rig.ipam.leases()))
        self.rig.repair.audit()
        self.advertise()
        for name in [name for name in self.unplugged if self.rig.link(name)]:
            # The link had not gone yet when the agent was killed; its DEL was answered with an error: a pod again.
            self.attached[name] = self.unplugged.pop(name)

    @rule(name=names)
    def kill_between_lease_and_attach(self, name):
        if name in self.model:
            return
        self.rig.create(name)
        self.rig.kernel.settle()  # else the link of an ADD undone just now may pass for this one's, until its DEL
        try:
            lease = self.rig.dispatcher.allocate("flannel_route", self.rig.sandbox(name), self.rig.view, 0.0)
        except Retry:
            return
        self.assert_may_have(name, lease.addresses)
        self.half[name] = lease.addresses
        self.kill_and_restart()

    @rule(name=names)
    def kill_between_release_and_unplug(self, name):
        if name not in self.attached:
            return
        self.rig.delete(name)  # what is to be unplugged is known to the dead process only
        self.forget(name)
        self.kill_and_restart()

    # --- what befalls the node ------------------------------------------------------------------------------------

    @precondition(lambda self: self.attached)
    @rule(data=st.data())
    def vanish(self, data):
        name = data.draw(st.sampled_from(sorted(self.attached)))
        self.rig.kernel.delete_netns(f"/run/netns/{name}")
        self.lost[name] = self.attached.pop(name)

    @rule()
    def let_lost_sandboxes_be_collected(self):
        for _ in range(int(GRACE // 60) + 2):
            self.rig.collect_lost()
            self.clock.advance(60)
        lost = set(self.lost)
        for name in lost:
            assert self.rig.lease(name) is None, "lost sandboxes are freed within the grace period and a round"
            self.released |= {address: (self.clock.now() - 60, name) for address in self.lost[name]}
            del self.lost[name]

    @rule(cidrs=st.sampled_from(CIDRS))
    def change_pod_cidr(self, cidrs):
        self.cidrs = cidrs
        self.rig.set_cidrs(cidrs)
        self.advertise()

    @precondition(lambda self: self.attached)
    @rule(data=st.data(), damage=damages)
    def damage(self, data, damage):
        name = data.draw(st.sampled_from(sorted(self.attached)))
        link, address = self.rig.link(name), self.attached[name][0]
        if damage == "route":
            self.rig.kernel.foreign_remove(FibRoute(address.host, link=link.ifindex))
        elif damage == "neighbour":
            self.rig.kernel.foreign_remove(Neighbour(link.ifindex, address, link_macs((name, "eth0"))[1]))
        elif damage == "link down":
            self.rig.kernel.set_link(link.name, up=False)
        else:
            self.rig.kernel.flush_routes()
        self.rig.repair.audit()  # for what is being fought over

    @rule(seconds=st.sampled_from([0.5, 10.0, 31.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    # --- what must hold after every step --------------------------------------------------------------------------

    @invariant()
    def leases_are_the_models(self):
        leases = self.rig.ipam.leases()
        assert {lease.key[0]: lease.addresses for lease in leases} == self.model
        owned = [address for lease in leases for address in lease.addresses]
        assert len(owned) == len(set(owned)), "I1: an address with two owners"

    @invariant()
    def every_attached_pod_is_reachable(self):
        for name in self.attached:
            assert self.rig.reaches(name), f"I2: {name} has a lease and cannot be reached"

    @invariant()
    def pools_add_up(self):
        self.rig.assert_pools_add_up()

    @rule()
    def settle(self):
        """I4: when everything asked for is done, no kernel object of ours is left without a lease."""
        self.rig.kernel.settle()
        links = plugged_sandboxes(self.rig.kernel.dump(Link))
        assert {key[0] for key in links} == set(self.attached)
        routes = self.rig.kernel.dump(FibRoute, Where(proto=PROTO))
        pods = {route.prefix.address for route in routes if route.kind is RouteKind.UNICAST}
        assert pods == {address for addresses in self.attached.values() for address in addresses}
        covers = {str(route.prefix) for route in routes if route.kind is RouteKind.UNREACHABLE}
        assert covers == set(self.cidrs)


COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": list(HealthCheck)}


class LongRun(Agents):
    """The same, for longer."""


TestQuick = pytest.mark.timeout(600)(Agents.TestCase)
TestQuick.settings = settings(max_examples=20, stateful_step_count=20, **COMMON)

TestLong = pytest.mark.slow(pytest.mark.timeout(1800)(LongRun.TestCase))  # finding the shortest failure takes long
TestLong.settings = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_MODEL_EXAMPLES", "100")), stateful_step_count=40, **COMMON
)
