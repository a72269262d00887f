"""A node's pool to which anything may happen, against a model that keeps its own books and knows what must hold."""

from __future__ import annotations

import math
import random
from contextlib import suppress

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Cloud, CloudError
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.eni.actions import Action, Look
from terway_edge.eni.calls import Outcome, call
from terway_edge.eni.feeding import lease_eni
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.policy import BLOCK, Policy, shape_of
from terway_edge.testing.events import RecordedEvents
from tests.eni_cloud.sides import Seen, Side

SETTLED = 90.0  # seconds after a change of others from which on an honest list that shows it is believed, and a call's
QUIET = 2400.0  # seconds after which all must be in order
STILL = 600.0  # seconds in which then nothing may be changed
COOLDOWN = 30.0
OTHERS_HAVE = 1  # addresses beside the primary one on an ENI that others attach


class Model:
    """The books: `pods` have what they were given until they go; `touched` is what others took, of which ENI and when:
    nothing that is said of an address in use holds for those."""

    def __init__(self, side: Side, policy: Policy, seed: int) -> None:
        self.side, self.policy = side, policy
        self.rng = random.Random(seed)
        self.pods: dict[Key, Lease] = {}
        self.waiting: dict[Key, Sandbox] = {}
        self.touched: dict[tuple[str, Address], float] = {}
        self.torn: dict[str, float] = {}
        """ENIs that others took as a whole, and when: also what they get by calls that were under way is touched."""
        self.ours: set[str] = set()
        """ENIs that the pool has made, those that are gone among them."""
        self.honest_since = side.clock.now()
        self.crashed_at = -math.inf
        self.is_troubled = False
        self.looked_at = self._heard_at = 0.0
        """When the newest list was asked for that the pool has heard of, and acted upon in a turn."""
        self.under_way: list[Action] = []
        self.answers: list[tuple[Action, Outcome | CloudError]] = []
        self.serial = self.crashes = 0
        self._begin()

    def _begin(self) -> None:
        """A new process."""
        self.cloud: Cloud
        rng = random.Random(self.rng.getrandbits(64))
        self.cloud, store, stored, intents = self.side.open(rng)
        self.ipam = Ipam(store, self.side.clock, cooldown=COOLDOWN)
        self.ipam.load(stored)
        cloud = self.cloud
        self.keeper = Keeper(
            lambda: cloud, self.ipam, self.side.clock, intents, RecordedEvents(), self.policy, self.side.site, rng
        )
        for key in self.waiting:
            self.keeper.wait(key)

    # --- steps ----------------------------------------------------------------------------------------------------

    def pods_come(self, count: int) -> None:
        for _ in range(count):
            self.serial += 1
            name = f"pod-{self.serial}"
            sandbox = Sandbox(name, "eth0", "/netns", "ns", name, name)
            self.waiting[sandbox.key] = sandbox
            self.keeper.wait(sandbox.key)
        self._serve()

    def pods_go(self, count: int) -> None:
        for key in self.rng.sample(sorted(self.pods), min(count, len(self.pods))):
            self.keeper.release(self.pods.pop(key))

    def someone_gives_up(self) -> None:
        if self.waiting:
            key = self.rng.choice(sorted(self.waiting))
            del self.waiting[key]
            self.keeper.stop_waiting(key)

    def think(self) -> None:
        self.under_way += self._turn()
        self._serve()

    def rush(self, count: int) -> None:
        """Pods come between a turn and its calls."""
        self.think()
        self.pods_come(count)
        self.reach(9)

    def reach(self, count: int) -> None:
        """Calls reach the cloud, in any order."""
        for _ in range(min(count, len(self.under_way))):
            action = self.under_way.pop(self.rng.randrange(len(self.under_way)))
            self.answers.append((action, self.keeper.ask(action)))
            self.check_calls()

    def hear(self, count: int) -> None:
        """Answers come back, in any order."""
        for _ in range(min(count, len(self.answers))):
            self._hear(*self.answers.pop(self.rng.randrange(len(self.answers))))

    def _hear(self, action: Action, outcome: Outcome | CloudError) -> None:
        self.keeper.hear(action, outcome)
        if isinstance(action, Look) and not isinstance(outcome, CloudError):
            self._heard_at = action.asked_at

    def _turn(self) -> list[Action]:
        self.looked_at = self._heard_at
        return self.keeper.turn()

    def work(self, rounds: int) -> None:
        """As things go when nothing delays them."""
        for _ in range(rounds):
            self.think()
            self.reach(9)
            self.hear(9)

    def wait(self, seconds: float) -> None:
        """The process does nothing for a while, and hears of what it asked for later than anybody else would."""
        self.side.clock.advance(seconds)
        if self.answers:
            self.honest_since = self.side.clock.now()

    def live(self, seconds: float) -> None:
        """Everything happens when it is due."""
        self.reach(99)
        self.hear(99)
        self._run(seconds)

    def crash(self) -> None:
        """Killed: of the calls under way some have their effect, and nobody hears of it."""
        for action in self.under_way:
            if self.rng.random() < 0.5:
                with suppress(CloudError):
                    call(self.cloud, self.side.site.instance.id, action, self.side.clock.now() + 5)
        self.check_calls()
        self.under_way, self.answers = [], []
        self.crashes += 1
        self.crashed_at = self.side.clock.now()
        self._begin()

    def trouble(self, *trouble: object) -> None:
        self.is_troubled = True
        self.side.begin(trouble)

    def peace(self) -> None:
        self.side.end_troubles()
        self.is_troubled, self.honest_since = False, self.side.clock.now()

    def disk(self, fails: bool) -> None:
        self.side.disk(fails)

    def crowd(self, vswitch: str, left: int) -> None:
        self.side.crowd(vswitch, left)

    def neighbours_leave(self) -> None:
        self.side.empty()

    def others(self, what: str) -> None:
        now, enis = self.side.clock.now(), self._enis()
        if what == "add":
            self.side.add()
        elif enis and what == "take":
            eni = self.rng.choice(enis)
            secondary = sorted(each for each in eni.addresses if each != eni.primary)
            if secondary and not self.policy.use_prefixes:
                address = self.rng.choice(secondary)
                self.touched[eni.id, address] = now
                self.side.take(eni.id, address)
        elif enis:
            eni = self.rng.choice(enis)
            self.torn[eni.id] = now
            self.touched |= {(eni.id, address): now for address in eni.addresses}
            getattr(self.side, what)(eni.id)

    def _enis(self) -> list[Seen]:
        """Those of the node that are in use."""
        return [each for each in self.side.enis() if each.instance == self.side.site.instance.id and each.in_use]

    def _spread(self) -> None:
        for eni in self.side.enis():
            if eni.id in self.torn:
                for address in eni.addresses:
                    key = eni.id, address
                    self.touched[key] = max(self.torn[eni.id], self.touched.get(key, 0.0))

    def _serve(self) -> None:
        for key, sandbox in list(self.waiting.items()):
            try:
                lease = self.keeper.allocate(sandbox, "test")
            except Retry:
                continue
            del self.waiting[key]
            self.keeper.stop_waiting(key)
            self._check_grant(lease)
            self.pods[key] = lease

    # --- what must hold -------------------------------------------------------------------------------------------

    def _check_grant(self, lease: Lease) -> None:
        """The address is its ENI's, or was taken from it so lately that nobody can know."""
        id = lease_eni(lease)
        owned = next((each.addresses for each in self._enis() if each.id == id), frozenset())
        for address in set(lease.addresses) - owned:
            assert (id, address) in self.touched, f"a pod got {address}, which {id} has not"
            # One that was killed may have heard of it and not written that down; the next goes by lists of its own.
            known = max(self.touched[id, address], self.honest_since, self.crashed_at) + SETTLED
            assert self.is_troubled or self.looked_at <= known, f"a pod got {address} long after others took it"

    def check_calls(self) -> None:
        """Nothing is given back that a pod has; no ENI that is not provably the pool's own is."""
        self._spread()
        held = {address: lease_eni(lease) for lease in self.pods.values() for address in lease.addresses}
        self.ours |= {each.id for each in self.side.enis() if each.ours}
        for loss in self.side.losses():
            if loss.kind == "unassign":
                lost = {each for each in loss.addresses & held.keys() if held[each] == loss.eni}
            else:
                lost = {address for address, eni in held.items() if eni == loss.eni}
                assert loss.eni in self.ours, f"{loss.kind} of {loss.eni}, which is not ours"
            lost = {each for each in lost if (loss.eni, each) not in self.touched}
            assert not lost, f"{loss.kind} of {loss.eni} took {lost} from pods"

    def check(self) -> None:
        self.check_calls()
        assert {lease.key: lease for lease in self.ipam.leases()} == self.pods, "leases and books differ"
        addresses = [address for lease in self.pods.values() for address in lease.addresses]
        assert len(addresses) == len(set(addresses)), "an address has two owners"
        owned = {each.id: each.addresses for each in self._enis()}
        for lease in self.pods.values():
            id = lease_eni(lease)
            lost = {
                each for each in lease.addresses if each not in owned.get(id, ()) and (id, each) not in self.touched
            }
            assert not lost, f"{lost} went from {id} while a pod had it"
        assert self.side.problems() == []
        alive = sum(each.ours for each in self.side.enis())
        most = shape_of(self.policy, self.side.site).max_enis
        assert alive <= 2 * most + 5 * (1 + self.crashes) + len(self.torn), f"{alive} ENIs, {most} are allowed"

    def rest(self) -> None:
        """All is well again, and nobody does anything: everything comes to order, and then nothing is changed."""
        self.peace()
        self.disk(False)
        self.neighbours_leave()
        if self.rng.random() < 0.5:
            self.crash()
        else:
            self.reach(99)
            self.hear(99)
        self._run(QUIET)
        self.check()
        details = self.keeper.details
        assert details["enis on their way"] == details["enis leaving"] == 0, details
        kept = {lease_eni(lease) for lease in self.pods.values()}  # others detached it, and pods have it still
        loose = [each.id for each in self.side.enis() if each.ours and not each.instance and each.id not in kept]
        assert loose == [], "left behind"
        self._check_demand()
        calls, changes = self.side.calls(), self.side.changes()
        self._run(STILL)
        assert self.side.changes() == changes, "no rest"
        # A list a minute, sweep and survey every ten; a survey a minute while vSwitches seem to be full. A survey is a
        # call for each.
        surveys = len(self.side.vswitches)
        most = STILL / 60 + (1 + surveys) * (STILL / 600 + 1) + 1
        if self.side.free() < 16:
            most += STILL / 60 * surveys
        assert self.side.calls() - calls <= most, "too many calls at rest"

    def _check_demand(self) -> None:
        shape = shape_of(self.policy, self.side.site)
        details = self.keeper.details
        idle, total = int(details["free"]) + int(details["cooling"]), int(details["addresses"])
        if self.waiting:
            assert self.keeper.hopeless(), f"{len(self.waiting)} pods wait for nothing"
            assert idle == 0, "pods wait beside idle addresses"
        elif total - idle + shape.floor <= self._room(int(details["capacity"])) and self.side.free() > shape.floor + 16:
            assert idle >= shape.floor, f"{idle} idle, at least {shape.floor} are wanted"
        # What cannot go: primary addresses, ENIs of others, blocks that a pod has an address of.
        if not self.waiting and not self.policy.use_prefixes:
            assert idle <= shape.ceiling + len(self._enis()) + 2 * len(self.torn), f"{idle} idle addresses"

    def _room(self, capacity: int) -> int:
        """Pods that ENIs can serve: others' may have single addresses where prefixes should be."""
        if not self.policy.use_prefixes:
            return capacity
        return capacity - sum(BLOCK * OTHERS_HAVE for each in self._enis() if not each.ours)

    def _run(self, seconds: float) -> None:
        end = self.side.clock.now() + seconds
        while self.side.clock.now() < end:
            for _ in range(200):
                actions = self._turn()
                for action in actions:
                    self._hear(action, self.keeper.ask(action))
                    self.check_calls()
                self._serve()
                if not actions:
                    break
            else:
                raise AssertionError(f"no rest: {actions}")
            step = min(self.keeper.next_at, end) - self.side.clock.now()
            self.side.clock.advance(max(step, 0.001))
