"""A rig in which anything may happen at any time, and what must hold whatever happens."""

from __future__ import annotations

from contextlib import suppress

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import CloudError, Eni, EniStatus
from terway_edge.core.models import Lease
from terway_edge.core.pools import SetPool
from terway_edge.eni.actions import Action
from terway_edge.eni.calls import Outcome, call
from terway_edge.eni.policy import Policy, shape_of
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import INSTANCE
from terway_edge.testing.fake_vswitches import addresses4
from tests.eni.rig import Rig

VERBS = ("enis_of", "find_enis", "vswitches", "create_eni", "attach", "detach", "delete_eni", "assign", "unassign")
QUIET = 1500.0  # seconds after which everything must be in order: two passes of the longest hold


class World(Rig):
    """`tainted`: addresses that somebody else has touched; what the pool promises does not hold for those."""

    def __init__(self, policy: Policy, seed: int = 1, **kinds: object) -> None:
        self.under_way: list[Action] = []
        self.answers: list[tuple[Action, Outcome | CloudError]] = []
        self.tainted: set[Address] = set()
        self.tainted_enis: set[str] = set()
        self.granted: dict[tuple[str, str], Lease] = {}
        self.serial = 0
        super().__init__(policy, seed=seed, **kinds)  # type: ignore[arg-type]

    # --- what may happen ------------------------------------------------------------------------------------------

    def pods_come(self, count: int) -> None:
        names = [f"pod-{self.serial + n}" for n in range(count)]
        self.serial += count
        self.want(*names)
        self.check_grants()

    def pods_go(self, count: int) -> None:
        leases = sorted(self.ipam.leases(), key=lambda lease: lease.sandbox.container_id)
        for lease in self.random.sample(leases, min(count, len(leases))):
            self.keeper.release(lease)
            del self.granted[lease.key]

    def someone_gives_up(self) -> None:
        if self.waiting:
            self.give_up(self.random.choice(sorted(self.waiting)))

    def think(self) -> None:
        self.under_way += self.keeper.turn()
        self.serve()
        self.check_grants()

    def finish(self, how_many: int) -> None:
        """Calls reach the cloud in any order."""
        for _ in range(min(how_many, len(self.under_way))):
            action = self.under_way.pop(self.random.randrange(len(self.under_way)))
            self.answers.append((action, self.keeper.ask(action)))
            self._spread_taint()
            self.check_uses()
            if self.random.random() < 0.7:
                self.hear(1)

    def hear(self, how_many: int) -> None:
        """Answers come back in any order."""
        for _ in range(min(how_many, len(self.answers))):
            self.keeper.hear(*self.answers.pop(self.random.randrange(len(self.answers))))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def crash(self) -> None:
        """Killed: some of the calls under way have reached the cloud, and nobody heard what it said."""
        for action in self.under_way:
            if self.random.random() < 0.5:
                with suppress(CloudError):
                    call(self.cloud, INSTANCE.id, action, 0.0)
        self.under_way, self.answers = [], []
        self._spread_taint()
        self.check_uses()
        self.start()
        assert {lease.key: lease for lease in self.ipam.leases()} == self.granted

    def fault(self, verb: str, fault: Fault) -> None:
        self.cloud.faults.setdefault(verb, []).append(fault)

    def outage(self, fault: Fault | None) -> None:
        self.cloud.outage = fault

    def lists_are_old(self, seconds: float) -> None:
        self.cloud.staleness = seconds

    def vswitch_fills_up(self, vswitch: str, left: int) -> None:
        self.cloud.use_up(vswitch, left)

    def vswitch_empties(self, vswitch: str) -> None:
        self.cloud.give_back(vswitch)

    def disk(self, fails: bool) -> None:
        self.intents.fail = fails

    def outside(self, what: str) -> None:
        """Somebody else changes something of the node's ENIs."""
        enis = [eni for eni in self.cloud.enis().values() if eni.id != "eni-primary"]
        if what == "add":
            mine = sum(eni.instance == INSTANCE.id for eni in self.cloud.enis().values())
            if mine < self.site.limits.enis and self.cloud.free("vsw-a") > 1:
                self.cloud.add_eni(2)
        elif enis:
            self._touch(self.random.choice(enis), what)

    def _touch(self, eni: Eni, what: str) -> None:
        if what == "take":
            others = [address for address in eni.addresses if address != eni.primary]
            if others:
                address = self.random.choice(others)
                self.tainted.add(address)
                self.cloud.take_address(eni.id, address)
            return
        self.tainted_enis.add(eni.id)
        self._spread_taint()
        if what == "tear off" and eni.instance:
            self.cloud.tear_off(eni.id)
        elif what == "drop":
            self.cloud.drop(eni.id)
        elif what == "move" and eni.status in (EniStatus.IN_USE, EniStatus.AVAILABLE):
            self.cloud.move(eni.id, "i-other")

    def _spread_taint(self) -> None:
        """Calls that were under way may bring an ENI more addresses that is somebody else's by now."""
        for id in self.tainted_enis & self.cloud.enis().keys():
            eni = self.cloud.enis()[id]
            self.tainted.update(eni.addresses, addresses4(eni))

    # --- what must hold -------------------------------------------------------------------------------------------

    def check_grants(self) -> None:
        """What pods were given is the instance's, and nobody else's."""
        owned = self.cloud.owned()
        for lease in self.ipam.leases():
            if lease.key not in self.granted:
                self.granted[lease.key] = lease
                for address in lease.addresses:
                    assert address in owned or address in self.tainted, f"{address} is not of this node"
        addresses = [address for lease in self.granted.values() for address in lease.addresses]
        assert len(addresses) == len(set(addresses)), "an address has two owners"

    def check_uses(self) -> None:
        """What pods have was not taken from them."""
        owned = self.cloud.owned()
        for lease in self.granted.values():
            for address in lease.addresses:
                assert address in owned or address in self.tainted, f"{address} was released in use"

    def check_end(self) -> None:
        """Once the cloud is well and nobody does anything, all is in order."""
        self.under_way, self.answers = [], []
        self.cloud.faults, self.cloud.outage = {}, None
        self.cloud.staleness, self.intents.fail = 0.0, False
        for vswitch in list(self.vswitch_ids):
            self.cloud.give_back(vswitch)
        self.cloud.unstick()
        self.start()
        calls = self.cloud.made()
        self.run(QUIET)
        self.check_grants()
        self.check_uses()
        details = self.keeper.details
        assert details["enis on their way"] == details["enis leaving"] == 0, details
        loose = [eni for eni in self.cloud.enis().values() if not eni.instance and "creator" in eni.tags]
        assert not loose, "an ENI was left behind"
        self._check_demand()
        # A pod keeps an address that was taken from its ENI, wherever that is by now.
        assert self._offered() ^ self._usable() <= self.tainted & self._used(), "the pool and the cloud differ"
        budget = 2 * QUIET / 60 + 2 * QUIET / 600 + 25 * (len(self.secondary()) + 10)
        assert self.cloud.made() - calls <= budget, "too many calls"

    @property
    def vswitch_ids(self) -> tuple[str, ...]:
        return self.policy.vswitches or ("vsw-a",)

    def _check_demand(self) -> None:
        if self.waiting:
            assert self.keeper.hopeless(), f"{len(self.waiting)} pods wait for nothing"
        elif self.keeper.standing.capacity >= self.served + self.policy.max_pool_size:
            assert self.idle() >= shape_of(self.policy, self.site).floor

    def _used(self) -> set[Address]:
        return {address for lease in self.ipam.leases() for address in lease.addresses}

    def _usable(self) -> set[Address]:
        """All addresses of the ENIs that pods may use, as the cloud has them."""
        found: set[Address] = set()
        for id in self.secondary():
            eni = self.cloud.enis()[id]
            if eni.status is EniStatus.IN_USE:
                has_all = self.policy.use_primary and not self.policy.use_prefixes
                owned = (*eni.addresses, *addresses4(eni))
                found.update(each for each in owned if has_all or each != eni.primary)
        return found

    def _offered(self) -> set[Address]:
        """All addresses in the IPAM's pools but those that only their pods still have."""
        found: set[Address] = set()
        for pool in self.ipam._pools.values():  # the counts that it tells prove too little
            assert isinstance(pool, SetPool)
            found.update(Address(pool.family, value) for value in pool._members - pool._draining)
        return found
