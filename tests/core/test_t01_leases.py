"""T01 of leases alone: Ipam over a real journal, in random sequences with restarts, against a model that scans all."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Conflict, Refused, Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.testing.clock import FakeClock
from tests.flaky_store import FlakyStore

COOLDOWN = 30.0
CIDRS = {"v4": Prefix.parse("10.0.0.0/29"), "v6": Prefix.parse("2001:db8::/125")}
RESERVED = {Address.parse(text) for text in ("10.0.0.0", "10.0.0.7", "10.0.0.3", "2001:db8::")}
ENI = [Address.parse(f"172.16.0.{n}") for n in range(1, 6)]

names = st.sampled_from([f"pod-{n}" for n in range(12)])
uids = st.sampled_from(["", "uid-a", "uid-b", "uid-c"])
wishes = st.sampled_from([["v4"], ["v6"], ["eni"], ["v4", "v6"], ["eni", "v6"]])
eni_addresses = st.lists(st.sampled_from(ENI), min_size=1, max_size=3)
cidr_addresses = st.sampled_from([Address.parse(f"10.0.0.{n}") for n in range(1, 7)])


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="twt-ipam-"))
        self.clock = FakeClock()
        self.leases: dict[tuple[str, str], Lease] = {}
        self.released: dict[Address, tuple[float, str]] = {}
        self.members: set[Address] = set(ENI[:2])
        self.draining: set[Address] = set()
        self.barred: set[Address] = set()
        self.pools: set[str] = {"v4", "v6", "eni"}
        self.quarantined_until = 0.0
        self.ordered = True  # until something makes the engine forget how long an address has been unused
        self.start()

    def start(self, damage: str = "") -> None:
        journal, stored = Journal.open(
            self.folder / "leases", "boot", marker=self.folder / "run" / "marker", cooldown=COOLDOWN
        )
        assert stored.damage == ""
        self.store = FlakyStore(journal)
        self.ipam = Ipam(self.store, self.clock, cooldown=COOLDOWN)
        self.ipam.load(stored._replace(damage=damage))
        for name in sorted(self.pools):
            self.add_pool(name)

    def add_pool(self, name: str) -> None:
        if name == "eni":
            self.ipam.add_pool("eni", addresses=self.members - self.draining)
        else:
            self.ipam.add_pool(name, CIDRS[name], reserved=[a for a in RESERVED if CIDRS[name].contains(a)])

    def teardown(self) -> None:
        self.store.journal.close()
        shutil.rmtree(self.folder)

    # --- the naive model ------------------------------------------------------------------------------------------

    def owned(self) -> set[Address]:
        return {address for lease in self.leases.values() for address in lease.addresses}

    def universe(self, pool: str) -> set[Address]:
        if pool == "eni":
            return set(self.members)
        prefix = CIDRS[pool]
        return {Address(prefix.family, value) for value in range(prefix.first, prefix.last + 1)}

    def idle(self, pool: str) -> set[Address]:
        return self.universe(pool) - RESERVED - self.barred - self.draining - self.owned()

    def rests(self, address: Address) -> bool:
        return address in self.released and self.released[address][0] + COOLDOWN > self.clock.now()

    def allowed(self, pool: str, uid: str) -> set[Address]:
        own = {a for a in self.idle(pool) if uid and self.rests(a) and self.released[a][1] == uid}
        return own | {a for a in self.idle(pool) if not self.rests(a)}

    def unused_since(self, address: Address) -> float:
        return self.released.get(address, (-1.0, ""))[0]

    def in_quarantine(self) -> bool:
        return self.clock.now() < self.quarantined_until

    # --- what may happen ------------------------------------------------------------------------------------------

    @rule(name=names, uid=uids, pools=wishes)
    def allocate(self, name: str, uid: str, pools: list[str]) -> None:
        sandbox = Sandbox(name, "eth0", "/netns", "ns", name, uid)
        held = self.leases.get(sandbox.key)
        if not self.pools.issuperset(pools) and held is None:
            self.expect_refusal(sandbox, pools)
            return
        try:
            lease = self.ipam.allocate(sandbox, "test", pools)
        except Retry as error:
            assert held is None
            if not self.store.failing:
                self.check_refusal(uid, pools, error)
            return
        if held is not None:
            assert lease == held
            return
        assert not self.store.failing
        assert not self.in_quarantine()
        for pool, address in zip(pools, lease.addresses, strict=True):
            assert address in self.allowed(pool, uid)
            if self.ordered and not self.rests(address):
                ready = [a for a in self.idle(pool) if not self.rests(a)]
                assert self.unused_since(address) == min(map(self.unused_since, ready)), "least recently used first"
        self.leases[lease.key] = lease
        for address in lease.addresses:
            self.released.pop(address, None)

    def expect_refusal(self, sandbox: Sandbox, pools: list[str]) -> None:
        try:
            self.ipam.allocate(sandbox, "test", pools)
        except (Refused, Retry):
            return
        raise AssertionError("a pool that was removed gave an address")

    def check_refusal(self, uid: str, pools: list[str], error: Retry) -> None:
        assert error.after > 0
        if self.in_quarantine():
            assert error.details == "quarantine"
            return
        starved = [pool for pool in pools if not self.idle(pool)]
        resting = [pool for pool in pools if self.idle(pool) and not self.ready_or_unindexed(pool, uid)]
        assert starved or resting, "an address was to be had"
        if error.details == "pool exhausted":
            assert starved
        elif len(resting) == 1:
            first = min(self.released[a][0] for a in self.idle(resting[0]))
            assert abs(error.after - (first + COOLDOWN - self.clock.now())) < 0.01

    def ready_or_unindexed(self, pool: str, uid: str) -> bool:
        """A pod that released two addresses is promised the newer one only, and nothing once that one is taken."""
        own = [a for a in self.idle(pool) if uid and self.released.get(a, (0, ""))[1] == uid]
        return any(not self.rests(a) for a in self.idle(pool)) or (len(own) == 1 and self.sole_release(uid))

    def sole_release(self, uid: str) -> bool:
        return self.ordered and sum(1 for _, who in self.released.values() if who == uid) == 1

    @rule(name=names)
    def release(self, name: str) -> None:
        key = (name, "eth0")
        try:
            self.ipam.release(key)
        except Retry:
            assert self.store.failing
            return
        lease = self.leases.pop(key, None)
        if lease is not None:
            assert not self.store.failing
            for address in lease.addresses:
                self.released[address] = (self.clock.now(), lease.sandbox.pod_uid)
                if address in self.draining:
                    self.draining.discard(address)
                    self.members.discard(address)
                    self.barred.discard(address)

    @rule(seconds=st.sampled_from([0.5, 7.0, 29.5, 30.0, 45.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(failing=st.booleans())
    def disk(self, failing: bool) -> None:
        self.store.failing = failing

    @rule(damage=st.sampled_from(["", "", "torn"]))
    def restart(self, damage: str) -> None:
        self.store.journal.close()
        self.members -= self.draining
        self.draining.clear()
        self.barred.clear()
        self.quarantined_until = self.clock.now() + COOLDOWN if damage else 0.0
        self.ordered = False
        self.start(damage)
        assert set(self.ipam.leases()) == set(self.leases.values())

    @rule(address=cidr_addresses, unavailable=st.booleans())
    @precondition(lambda self: "v4" in self.pools)
    def bar(self, address: Address, unavailable: bool) -> None:
        self.ipam.set_unavailable([address], unavailable)
        if address in RESERVED:
            return
        if unavailable:
            self.barred.add(address)
        else:
            self.barred.discard(address)

    @rule(addresses=eni_addresses)
    @precondition(lambda self: "eni" in self.pools)
    def grow(self, addresses: list[Address]) -> None:
        self.ipam.add_addresses("eni", addresses)
        self.members.update(addresses)
        self.draining.difference_update(addresses)
        self.ordered = False

    @rule(addresses=eni_addresses)
    @precondition(lambda self: "eni" in self.pools)
    def shrink(self, addresses: list[Address]) -> None:
        self.ipam.remove_addresses("eni", addresses)
        for address in self.members & set(addresses):
            if address in self.owned():
                self.draining.add(address)
            else:
                self.members.discard(address)

    @rule(name=st.sampled_from(["v4", "v6"]))
    @precondition(lambda self: len(self.pools) == 3)
    def remove_pool(self, name: str) -> None:
        self.ipam.remove_pool(name)
        self.pools.discard(name)
        self.barred = {address for address in self.barred if not CIDRS[name].contains(address)}
        self.ordered = False

    @rule()
    @precondition(lambda self: len(self.pools) < 3)
    def bring_pools_back(self) -> None:
        for name in {"v4", "v6"} - self.pools:
            self.add_pool(name)
            self.pools.add(name)

    @rule(name=names, address=cidr_addresses)
    def adopt(self, name: str, address: Address) -> None:
        found = Lease(Sandbox(name, "eth0"), (address,), "test", (), self.clock.now())
        held = self.leases.get(found.key)
        try:
            self.ipam.adopt(found)
        except Conflict:
            assert held is not None or address in self.owned()
        except Retry:
            assert self.store.failing
        else:
            if held is None:
                assert address not in self.owned()
                self.leases[found.key] = found
                self.released.pop(address, None)
            else:
                assert held.addresses == found.addresses

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def no_address_has_two_owners(self) -> None:
        leases = self.ipam.leases()
        addresses = [address for lease in leases for address in lease.addresses]
        assert len(addresses) == len(set(addresses))
        assert {lease.key: lease for lease in leases} == self.leases
        for lease in leases:
            assert all(self.ipam.owner(address) == lease for address in lease.addresses)

    @invariant()
    def every_address_is_accounted_for(self) -> None:
        for pool in self.pools:
            usage, universe, owned = self.ipam.usage(pool), self.universe(pool), self.owned()
            resting = {address for address in self.idle(pool) if self.in_quarantine() or self.rests(address)}
            assert usage.size == usage.free + usage.used + usage.cooling + usage.reserved + usage.unavailable
            assert usage.size == len(universe)
            assert usage.used == len(universe & owned)
            assert usage.cooling == len(resting)
            assert usage.free == len(self.idle(pool) - resting)
            assert usage.unavailable == len((self.barred & universe) - owned)
            assert usage.draining == len(self.draining & universe)


class DeepModel(Model):
    """The same, longer."""


QUICK = settings(deadline=None, max_examples=30, stateful_step_count=40, suppress_health_check=list(HealthCheck))
TestIpamModel = Model.TestCase
TestIpamModel.settings = QUICK
TestIpamModelDeep = pytest.mark.slow(DeepModel.TestCase)
TestIpamModelDeep.settings = settings(QUICK, max_examples=120, stateful_step_count=60)
