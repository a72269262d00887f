"""The pool through the SDK against the OpenAPI emulator: the same promises, with its fault script and its call log."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from terway_edge.core.cloud import CloudError
from terway_edge.eni.cost import fewest_calls
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG, Policy, Site
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.memory_store import MemoryStore
from terway_edge.testing.openapi.example import example_site
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.records import EniType
from terway_edge.testing.openapi.site import EniSpec, InstanceTypeSpec
from tests.cloud.rig import World
from tests.eni.rig import COOLDOWN, MemoryIntents, Rig, names

CHANGES = ("Create", "Attach", "Assign", "Unassign", "Detach", "Delete")


class EmulatorRig(Rig):
    """A rig of which the cloud is `core.cloud.Cloud` over HTTP; `world` is what is behind it."""

    def __init__(self, world: World, instance: str, policy: Policy) -> None:
        self.world = world
        self.clock = world.time.clock
        self.policy = policy
        self.cloud = world.ens if instance.startswith("i-e") else world.ecs  # type: ignore[assignment]
        found = self.cloud.instance(instance, world.deadline)
        self.site = Site(found, self.cloud.limits(found.type, world.deadline), self.cloud.features)
        self.store, self.intents, self.events = MemoryStore(), MemoryIntents(), RecordedEvents()
        self.random, self.waiting = random.Random(1), {}
        self.start()
        self.run(1)
        world.emulator.log.clear()

    def calls(self) -> Counter[str]:
        return Counter(record.action for record in self.world.emulator.log.calls())

    def changes(self) -> int:
        return sum(count for action, count in self.calls().items() if action.startswith(CHANGES))

    def enis(self) -> list[int]:
        """Addresses of the secondary ENIs of the instance."""
        found = self.world.emulator.enis(self.site.instance.id)
        return [each.ipv4_count for each in found if each.type is EniType.SECONDARY]

    def check(self) -> None:
        """What pods have is the node's, nothing is left behind, and the emulator finds no fault with itself."""
        emulator = self.world.emulator
        owned = [prefix for eni in emulator.enis(self.site.instance.id) for prefix in eni.owned()]
        for lease in self.ipam.leases():
            assert all(any(prefix.contains(address) for prefix in owned) for address in lease.addresses)
        assert emulator.orphans({CREATOR_TAG: CREATOR, INSTANCE_TAG: self.site.instance.id}) == []
        assert emulator.violations() == []


@pytest.fixture
def new_rig() -> Iterator[Callable[..., EmulatorRig]]:
    worlds: list[World] = []

    def make(policy: Policy, instance: str = "i-1", enis: int = 6, **site: object) -> EmulatorRig:
        kind = InstanceTypeSpec(id="ecs.g7.xlarge", enis=enis, ipv4_per_eni=15, ipv6_per_eni=15)
        pace = Pace(attach=Delay(seconds=4, describes=1), detach=Delay(seconds=3), delete=Delay(seconds=2))
        plan = example_site().model_copy(update={"instance_types": (kind,), "pace": pace} | site)
        worlds.append(World(plan).__enter__())
        return EmulatorRig(worlds[-1], instance, policy)

    yield make
    for world in worlds:
        world.__exit__(None, None, None)


@pytest.mark.parametrize(("enis", "pods"), [(6, 75), (8, 100)])
def test_pods_at_once_on_a_cold_node_cost_hardly_more_calls_than_they_must(
    new_rig: Callable[..., EmulatorRig], enis: int, pods: int
) -> None:
    rig = new_rig(Policy(max_pool_size=0), enis=enis)
    rig.want(*names(pods))
    rig.run(40)
    assert rig.served == pods
    fewest = fewest_calls(pods, per_eni=15, batch=10, enis=enis - 1)
    assert sum(rig.calls().values()) <= 1.3 * fewest
    rig.check()


def test_a_warm_pod_makes_no_call(new_rig: Callable[..., EmulatorRig]) -> None:
    rig = new_rig(Policy(min_pool_size=10, max_pool_size=10))
    rig.run(30)
    rig.world.emulator.log.clear()
    rig.want(*names(10))
    assert rig.served == 10
    assert rig.calls() == {}


@pytest.mark.parametrize("families", [(4,), (4, 6)])
@pytest.mark.parametrize("prefixes", [False, True])
def test_a_whole_life(new_rig: Callable[..., EmulatorRig], families: tuple[int, ...], prefixes: bool) -> None:
    rig = new_rig(Policy(families=families, use_prefixes=prefixes, max_pool_size=0, trim_after=0))
    rig.want(*names(40))
    rig.run(40)
    assert rig.served == 40
    rig.check()
    rig.release(*names(40)[::2])
    rig.run(COOLDOWN + 30)
    rig.check()
    rig.release(*names(40))
    rig.run(COOLDOWN + 120)
    assert rig.enis() == []
    rig.check()


def test_ens_from_bound_enis(new_rig: Callable[..., EmulatorRig]) -> None:
    rig = new_rig(Policy(max_pool_size=2, trim_after=0), "i-e1")
    rig.want(*names(60))
    rig.run(120)
    assert (rig.served, sorted(rig.enis())) == (50, [25, 25])
    assert "BindMoreEnis" in rig.reasons()
    for name in names(60):
        rig.give_up(name)
    rig.release(*names(60))
    rig.run(COOLDOWN + 60)
    assert sum(rig.enis()) <= 3
    assert set(rig.calls()) <= {
        *("DescribeNetworkInterfaces", "DescribeVSwitches", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses")
    }
    rig.check()


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "t31_lost_answers": {"kind": "drop", "when": "after", "probability": 0.3},
    "t31_lost_calls": {"kind": "drop", "when": "before", "probability": 0.3},
    "t32_throttled": {"kind": "throttle", "until": 120},
    "t32_one_in_ten": {"kind": "throttle", "probability": 0.1},
    "t33_partial": {"kind": "partial", "portion": 1, "action": "*Assign*", "probability": 0.5},
    "t33_unknown_code": {"kind": "error", "code": "Odd.Thing", "probability": 0.2},
    "t33_empty_body": {"kind": "empty", "probability": 0.2},
    "t33_error_in_ok": {"kind": "error_in_ok", "probability": 0.2},
    "t33_wrong_clock": {"kind": "error", "code": "InvalidTimeStamp.Expired", "until": 60},
    "t33_server_error": {"kind": "server_error", "probability": 0.3},
    "t33_other_order": {"kind": "reversed"},
    "t36_late": {"kind": "stuck", "seconds": 40, "action": "AttachNetworkInterface"},
    "t36_falls_back": {"kind": "fails", "action": "AttachNetworkInterface", "calls": [1]},
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults(new_rig: Callable[..., EmulatorRig], case: str) -> None:
    rig = new_rig(Policy(max_pool_size=0, trim_after=0))
    rig.world.faults(FAULTS[case])
    rig.want(*names(20))
    rig.run(900)
    assert rig.served == 20
    rig.world.faults()
    rig.run(200)
    rig.check()
    rig.release(*names(20))
    rig.run(1500)
    assert rig.enis() == []
    rig.check()


@pytest.mark.parametrize("change", ["unassign_address", "detach_eni", "delete_eni"])
def test_t34_changes_of_others(new_rig: Callable[..., EmulatorRig], change: str) -> None:
    rig = new_rig(Policy(min_pool_size=4, max_pool_size=4))
    rig.want(*names(4))
    rig.run(120)
    (eni,) = [each for each in rig.world.emulator.enis("i-1") if each.type is EniType.SECONDARY]
    used = {address for lease in rig.ipam.leases() for address in lease.addresses}
    taken = next(address for address in eni.secondary if address not in used)
    with rig.world.emulator.outside() as others:
        if change == "unassign_address":
            others.unassign_address(str(taken))
        else:
            getattr(others, change)(eni.id)
    rig.run(60)
    rig.want(*names(10, "new"))
    given = {rig.address(name) for name in names(10, "new") if rig.lease(name)}
    assert taken not in given or any(taken in each.ipv4 for each in rig.world.emulator.enis("i-1"))
    assert {rig.address(name) for name in names(4)} == used
    rig.run(200)
    assert rig.served == 14


def test_t35_old_lists(new_rig: Callable[..., EmulatorRig]) -> None:
    rig = new_rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(12))
    rig.run(60)
    before = {lease.key: lease for lease in rig.ipam.leases()}
    rig.world.faults({"kind": "stale", "seconds": 300, "action": "Describe*"})
    rig.run(280)
    assert {lease.key: lease for lease in rig.ipam.leases()} == before
    assert not any(action.startswith(("Unassign", "Detach", "Delete")) for action in rig.calls())
    rig.check()


def test_an_adopted_eni_of_the_site_is_used(new_rig: Callable[..., EmulatorRig]) -> None:
    site = example_site()
    first = site.instances[0].model_copy(update={"enis": (EniSpec(id="eni-old"),)})
    rig = new_rig(Policy(max_pool_size=0), instances=(first, *site.instances[1:]))
    rig.want("pod")
    rig.run(1)
    lease = rig.lease("pod")
    assert lease is not None
    assert lease.pools == ("eni-old/4",)
    assert rig.changes() == 0


def test_without_any_answer_nothing_is_lost(new_rig: Callable[..., EmulatorRig]) -> None:
    """F20: ten minutes of lost answers; then everything is in order."""
    rig = new_rig(Policy(min_pool_size=6, max_pool_size=6, trim_after=0))
    rig.run(60)
    rig.world.faults({"kind": "drop", "when": "after"})
    rig.want(*names(40))
    assert rig.served >= 6
    rig.run(600)
    rig.world.faults()
    rig.run(300)
    assert rig.served == 40
    rig.check()


def test_the_port_is_met(new_rig: Callable[..., EmulatorRig]) -> None:
    rig = new_rig(Policy())
    with pytest.raises(CloudError):
        rig.cloud.instance("i-none", rig.world.deadline)
