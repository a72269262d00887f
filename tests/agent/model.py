"""A node's pods and everything that happens to them, next to a naive model of what must be so.

Real: the service, IPAM, journal, flannel_route, repair, garbage collection. Not real: kernel, clock, runtime. Steps are
methods of `Model`.
"""

import errno
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.agent.records import replay
from terway_edge.agent.recovery import orphans
from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Conflict, KernelError, Refused, Retry
from terway_edge.core.models import RouteSet
from terway_edge.core.names import link_macs
from terway_edge.core.plans import PROTO, FibRoute, Link, Neighbour, RouteKind, Where
from terway_edge.testing import FakeClock
from terway_edge.testing.oracle import Picture, PoolBook, check
from terway_edge.testing.oracle.node import addresses_of
from terway_edge.testing.oracle.sights import of_port
from tests.agent.rig import GRACE, Caller, Rig, make_kernel
from tests.flaky_store import FlakyStore

COOLDOWN = 30.0
NAMES = tuple(f"c{number}" for number in range(18))  # more than a /28 has addresses


def pod_cidrs(length):
    """What a node's pod CIDRs may become; the last overlaps the first. `length` is that of the IPv4 one."""
    return (
        (f"10.0.0.0/{length}", f"fd00::/{length + 96}"),
        (f"10.1.0.0/{length}",),
        (f"10.0.0.0/{length - 1}", f"fd00::/{length + 95}"),
    )


class CrossingDel(Caller):
    """A DEL comes in while the ADD asks for the nth time whether its caller is gone; it waits for the ADD to end."""

    def __init__(self, nth, come_in):
        super().__init__()
        self.came, self._nth, self._come_in = False, nth, come_in

    def gone(self):
        if super().gone() or self.asked == self._nth:
            self.came = True
            self._come_in()
        return False


class Model:
    """`attached`, `half`, `lost` and `unplugged` are the model: name -> addresses, by what has become of the pod."""

    def __init__(self, length=29):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="twt-model-"))
        self.choices = pod_cidrs(length)
        self.cidrs = self.choices[0]
        self.boots = 0
        self.boot()

    def boot(self):
        """A machine that has just come up: nothing in the kernel, nothing under /run."""
        self.boots += 1
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        self.clock = FakeClock(5.0)
        self.attached = {}
        self.half = {}  # a lease was granted, and then the agent was killed
        self.lost = {}  # the namespace went without a DEL
        self.unplugged = {}  # a DEL that could not be recorded
        self.released = {}
        store, stored = self.open()
        assert stored.leases == (), "no pod outlives a boot"
        self.rig = Rig(make_kernel(), self.clock, store, stored, cidrs=self.cidrs, ipam={"cooldown_seconds": COOLDOWN})
        self.advertise()

    def open(self):
        journal, stored = Journal.open(
            self.folder / "leases", self.boot_id, marker=self.folder / "run" / "marker", cooldown=COOLDOWN
        )
        assert stored.damage == ""
        return FlakyStore(journal), stored

    @property
    def boot_id(self):
        return f"boot {self.boots}"

    def teardown(self):
        try:
            self.settle()
        finally:
            self.close()

    def close(self):
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

    def add_that_a_del_crosses(self, name, nth):
        """By the third question the ADD is over, and the DEL comes after it."""
        if name in self.lost:
            return
        caller = CrossingDel(nth, lambda: self.rig.locks.cancel_adds((name, "eth0")))
        try:
            addresses = self.rig.add(name, caller).addresses
        except (Conflict, Retry):
            self.note_own_release(name)
        else:
            assert not caller.came, "a DEL that crosses an ADD wins"
            self.assert_may_have(name, addresses)
            self.attached[name] = addresses
        self.delete(name)

    def note_own_release(self, name):
        """If an ADD was undone: whichever addresses it had rest now. The journal knows them."""
        for address, record in self.rig.store.journal._contents.cooling.items():
            if record.pod_uid == f"uid-{name}" and record.released_at == self.clock.now():
                self.released[address] = (self.clock.now(), name)

    def delete(self, name):
        self.rig.delete(name)
        self.forget(name)
        assert self.rig.lease(name) is None

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

    def check(self, name):
        try:
            found = self.rig.check(name) if name not in self.lost else None
        except Refused:
            assert name not in self.model
        else:
            assert found is None or name in self.unplugged or (found == []) == (name in self.attached)

    def collect(self, valid):
        """`valid` has a bit for each name that the runtime knows."""
        valid = {name for number, name in enumerate(NAMES) if valid >> number & 1}
        self.clock.advance(1)  # a runtime's list is older than the call
        assert self.rig.collect(*valid) == []
        for name in sorted(self.model.keys() - valid):
            self.forget(name)

    # --- what befalls the agent -----------------------------------------------------------------------------------

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

    def kill_between_release_and_unplug(self, name):
        if name not in self.attached:
            return
        self.rig.delete(name)  # what is to be unplugged is known to the dead process only
        self.forget(name)
        self.kill_and_restart()

    def reboot(self):
        self.rig.store.journal.close()
        self.rig.die()
        self.boot()

    # --- what befalls the node ------------------------------------------------------------------------------------

    def vanish(self, name):
        if name not in self.attached:
            return
        self.rig.kernel.delete_netns(f"/run/netns/{name}")
        self.lost[name] = self.attached.pop(name)

    def let_lost_sandboxes_be_collected(self):
        for _ in range(int(GRACE // 60) + 2):
            self.rig.collect_lost()
            self.clock.advance(60)
        lost = set(self.lost)
        for name in lost:
            assert self.rig.lease(name) is None, "lost sandboxes are freed within the grace period and a round"
            self.released |= {address: (self.clock.now() - 60, name) for address in self.lost[name]}
            del self.lost[name]

    def change_pod_cidr(self, choice):
        self.cidrs = self.choices[choice]
        self.rig.set_cidrs(self.cidrs)
        self.advertise()

    def damage(self, name, damage):
        if name not in self.attached:
            return
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

    def wait(self, seconds):
        self.clock.advance(seconds)

    # --- what must hold after every step --------------------------------------------------------------------------

    def picture(self):
        """For the oracle: whoever the model gives a lease is live, if only the attached with all of it."""
        stored = replay((self.folder / "leases").read_bytes(), self.boot_id).contents.leases.values()
        return Picture(
            live={(name, "eth0"): frozenset(map(str, held)) for name, held in self.model.items()},
            partial=frozenset((name, "eth0") for name in self.model.keys() - self.attached.keys()),
            leases=addresses_of(self.rig.ipam.leases()),
            replayed=addresses_of(stored),
            pools={pool: PoolBook(*map(self.usage(pool).get, PoolBook._fields)) for pool in self.rig.ipam.pools()},
        )

    def usage(self, pool):
        return self.rig.ipam.usage(pool)._asdict()

    def assert_whole(self):
        assert check(self.picture()) == []
        for name in self.attached:
            assert self.rig.reaches(name), f"I2: {name} has a lease and cannot be reached"

    def settle(self):
        """When everything asked for is done, the kernel has all of the attached, and nothing else of ours."""
        self.rig.kernel.settle()
        assert check(replace(self.picture(), sight=of_port(self.rig.kernel))) == []
        routes = self.rig.kernel.dump(FibRoute, Where(proto=PROTO))
        links = plugged_sandboxes(self.rig.kernel.dump(Link))
        assert {key[0] for key in links} == set(self.attached)
        covers = {str(route.prefix) for route in routes if route.kind is RouteKind.UNREACHABLE}
        assert covers == set(self.cidrs)
