"""What pods cost: nothing on the warm path, and hardly more than they must on a cold node."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from pathlib import Path

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.store import Journal
from terway_edge.cloud.ecs_wishes import BATCH
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease
from terway_edge.eni.cost import fewest_calls
from terway_edge.eni.intents import IntentsFile
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.manager import Manager
from terway_edge.eni.policy import BLOCK, CREATOR, CREATOR_TAG, Policy, Site
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.pace import Delay, Pace
from tests.cloud.rig import KEY, local
from tests.eni.rig import names
from tests.eni_cloud.rig import ECS_NODE, ENS_NODE, CloudRig, make_site, sandbox
from tests.eni_cloud.witness import owned

HARDLY = 1.3
PER_ENI = 15


def fewest_changes(pods: int, enis: int, per_eni: int, batch: int) -> int:
    """Create and attach each ENI, and add what creation did not bring: at most `batch` addresses beside the primary one
    in one call, or `batch` with it, whichever is less work. Tries every number of ENIs and of calls for each."""
    best = []
    for count, first in product(range(1, enis + 1), (batch, batch + 1)):
        first = min(first, per_eni)
        if count * per_eni < pods:
            continue
        missing = max(pods - count * first, 0)
        rooms = sorted((room for _ in range(count) for room in _chunks(per_eni - first, batch)), reverse=True)
        assigns = 0
        while missing > 0:
            missing -= rooms[assigns]
            assigns += 1
        best.append(2 * count + assigns)
    return min(best)


def _chunks(room: int, batch: int) -> list[int]:
    return [batch] * (room // batch) + ([room % batch] if room % batch else [])


def test_the_least_number_of_changes() -> None:
    assert fewest_changes(1, 5, 15, 10) == 2
    assert fewest_changes(10, 5, 15, 10) == 2
    assert fewest_changes(12, 5, 15, 10) == 3
    assert fewest_changes(75, 5, 15, 10) == 15
    assert fewest_changes(100, 7, 15, 10) == 20
    assert fewest_changes(20, 5, 15, 10) == 4


@pytest.mark.parametrize(("enis", "pods"), [(6, 75), (8, 100), (8, 12), (8, 31), (8, 105), (4, 20)])
@pytest.mark.parametrize("families", [(4,), (4, 6)])
def test_pods_at_once_on_a_cold_node(
    make: Callable[..., CloudRig],
    enis: int,
    pods: int,
    families: tuple[int, ...],
    record_property: Callable[[str, object], None],
) -> None:
    rig = make(Policy(max_pool_size=0, families=families), site=make_site(enis=enis, per_eni=PER_ENI))
    rig.want(*names(pods))
    rig.run(40)
    assert rig.served == pods
    listings = rig.count() - len(rig.changes())
    record_property("calls", dict(Counter(call.action for call in rig.calls())))
    fewest = fewest_changes(pods, enis - 1, PER_ENI, BATCH)
    # With both families what creation does not bring is two calls.
    more = len(rig.calls("AssignIpv6Addresses"))
    assert len(rig.changes()) - more <= HARDLY * fewest
    assert more <= len(rig.calls("AssignPrivateIpAddresses")) if len(families) == 2 else more == 0
    assert listings <= 8  # the first look at everything, and the attaching ones until they are in use
    rig.check_rest()


def test_a_hundred_pods_on_six_enis_of_fifteen(make: Callable[..., CloudRig]) -> None:
    """One of the six is the node's own, so single addresses serve 75; who is beyond that is told so at once."""
    rig = make(Policy(max_pool_size=0), site=make_site(enis=6, per_eni=PER_ENI))
    rig.want(*names(100))
    rig.run(40)
    assert rig.served == 75
    assert len(rig.changes()) <= HARDLY * fewest_changes(75, 5, PER_ENI, BATCH)
    assert len(rig.keeper.hopeless()) == 25
    before = rig.count()
    rig.run(600)
    assert len(rig.changes()) <= HARDLY * fewest_changes(75, 5, PER_ENI, BATCH)
    assert rig.count() - before <= 600 / 60 + 4
    rig.check_rest()


def test_a_hundred_pods_on_six_enis_of_fifteen_by_prefixes(make: Callable[..., CloudRig]) -> None:
    rig = make(Policy(max_pool_size=0, use_prefixes=True), site=make_site(enis=6, per_eni=PER_ENI))
    rig.want(*names(100))
    rig.run(40)
    assert rig.served == 100
    assert -(-100 // BLOCK) <= BATCH
    assert len(rig.changes()) == 2  # created with all of its prefixes, and attached
    rig.check_rest()


@pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
@pytest.mark.parametrize("prefixes", [False, True])
def test_warm_pods_make_no_call(make: Callable[..., CloudRig], instance: str, prefixes: bool) -> None:
    rig = make(Policy(min_pool_size=30, max_pool_size=30, use_prefixes=prefixes), instance)
    rig.run(120)
    rig.emulator.log.clear()
    at = rig.clock.now()
    rig.want(*names(30))
    assert rig.served == 30
    assert (rig.count(), rig.clock.now()) == (0, at)
    rig.check()


def test_pods_that_come_and_go_within_the_stock_make_no_call(make: Callable[..., CloudRig]) -> None:
    rig = make(Policy(min_pool_size=0, max_pool_size=40))
    rig.want(*names(30))
    rig.run(120)
    rig.release(*names(30))
    rig.run(60)
    rig.emulator.log.clear()
    for number in range(200):
        rig.want(f"brief-{number}")
        rig.run(2)
        rig.release(f"brief-{number}")
    assert rig.changes() == []
    assert rig.count() <= 400 / 60 + 4
    rig.check_rest()


# --- with threads, on the real clock ------------------------------------------------------------------------------


class Node:
    """A manager with its threads, the SDK, and files."""

    def __init__(self, directory: Path, policy: Policy, enis: int) -> None:
        self.clock = BootClock()
        pace = Pace(attach=Delay(seconds=0.3), detach=Delay(seconds=0.2), delete=Delay(seconds=0.1))
        self.emulator = Emulator(make_site(enis=enis, per_eni=PER_ENI, pace=pace), clock=self.clock.now)
        self.server = Server(self.emulator, listen())
        self.server.start()
        around = Surroundings(self.clock, environ=KEY)
        self.client = open_ecs(
            CloudSettings(**local(self.server.endpoint)), around, InstanceTypes(), self.clock.now() + 60
        )
        self.journal, stored = Journal.open(directory / "leases", "boot", marker=directory / "run" / "marker")
        self.ipam = Ipam(self.journal, self.clock, lock=threading.Lock())
        self.ipam.load(stored)
        self._directory, self._policy = directory, policy
        self.manager = Manager(self.ipam, self.clock, self._find_site, self._build)
        self.manager.start()

    def _find_site(self, deadline: float) -> Site:
        found = self.client.instance(ECS_NODE, deadline)
        return Site(found, self.client.limits(found.type, deadline), self.client.features)

    def _build(self, site: Site, lock: AbstractContextManager[object]) -> Keeper:
        intents, events = IntentsFile(self._directory), RecordedEvents()
        return Keeper(
            lambda: self.client, self.ipam, self.clock, intents, events, self._policy, site, random.Random(), lock
        )

    def acquire(self, name: str) -> Lease:
        return self.manager.acquire(sandbox(name), "test", self.clock.now() + 30)

    def changes(self) -> int:
        return sum(not each.action.startswith("Describe") for each in self.emulator.log.calls())

    def close(self) -> None:
        self.manager.close()
        self.client.close()
        self.server.close()
        self.journal.close()


@contextmanager
def node(directory: Path, policy: Policy, enis: int) -> Iterator[Node]:
    made = Node(directory, policy, enis)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.slow
def test_a_hundred_threads_on_a_cold_node(tmp_path: Path) -> None:
    """As runtimes call: all at once, none of them knows of the others."""
    with node(tmp_path, Policy(max_pool_size=0), enis=8) as cold, ThreadPoolExecutor(100) as pods:
        leases = list(pods.map(cold.acquire, names(100)))
        given = {address for lease in leases for address in lease.addresses}
        assert len(given) == 100
        assert given <= {each for eni in cold.emulator.enis(ECS_NODE) for each in owned(eni)}
        assert cold.changes() <= HARDLY * fewest_changes(100, 7, PER_ENI, BATCH)
        assert cold.emulator.log.total - cold.changes() <= 12
        # And then from stock: what a pod gives back rests for others, not for itself.
        cold.emulator.log.clear()
        for lease in leases[:50]:
            cold.manager.release(lease)
        again = {address for lease in pods.map(cold.acquire, names(50)) for address in lease.addresses}
        assert len(again) == 50
        assert again.isdisjoint(address for lease in leases[50:] for address in lease.addresses)
        assert cold.emulator.violations() == []
        assert cold.emulator.orphans({CREATOR_TAG: CREATOR}) == []
        assert [call for call in cold.emulator.log.calls() if not call.action.startswith("Describe")] == []


def test_the_pools_own_number_agrees() -> None:
    """The pool's counts one list, and creates with `batch` addresses, the primary one among them."""
    for pods in range(1, 106):
        assert fewest_changes(pods, 7, PER_ENI, BATCH) <= fewest_calls(pods, per_eni=15, batch=10, enis=7) - 1
