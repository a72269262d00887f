"""Leases: the promises of Ipam one by one; test_t01_leases.py tries them in every order."""

import threading
from collections.abc import Callable

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import TRY_AGAIN, Bug, Conflict, Refused, Retry
from terway_edge.core.ipam import Ipam, cooling_of
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.ports import Cooling, Stored
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.memory_store import MemoryStore

V4, V6 = Prefix.parse("10.0.0.0/29"), Prefix.parse("2001:db8::/125")


def sandbox(name: str, uid: str = "", **more: int) -> Sandbox:
    return Sandbox(name, "eth0", f"/run/netns/{name}", "default", name, uid or f"uid-{name}", **more)


def lease(name: str, *addresses: str, at: float = 1.0) -> Lease:
    return Lease(sandbox(name), tuple(map(Address.parse, addresses)), "test", (), at)


class World:
    """An Ipam with its clock and its store; `restart` makes a new one of the same store."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.ipam = Ipam(self.store, self.clock)
        self.add_pools()

    def add_pools(self) -> None:
        self.ipam.add_pool("v4", V4)
        self.ipam.add_pool("v6", V6)

    def restart(self, damage: str = "") -> None:
        self.ipam = Ipam(self.store, self.clock)
        self.ipam.load(self.store.stored._replace(damage=damage))
        self.add_pools()

    def allocate(self, name: str, *pools: str, uid: str = "") -> Lease:
        return self.ipam.allocate(sandbox(name, uid), "test", pools or ("v4",))


@pytest.fixture
def world() -> World:
    return World()


def test_dual_stack_lease_has_an_address_of_each_pool(world: World) -> None:
    granted = world.allocate("a", "v4", "v6")
    assert [str(address) for address in granted.addresses] == ["10.0.0.1", "2001:db8::1"]
    assert (granted.backend, granted.pools, granted.granted_at) == ("test", ("v4", "v6"), 1000.0)
    assert world.store.stored.leases == (granted,)
    assert world.ipam.leases() == (granted,)
    assert world.ipam.get(("a", "eth0")) == granted
    assert world.ipam.owner(Address.parse("2001:db8::1")) == granted
    assert world.ipam.owner(Address.parse("10.0.0.2")) is None


def test_allocate_is_idempotent(world: World) -> None:
    assert world.allocate("a") is world.allocate("a", "v4", "v6", uid="other")
    assert world.ipam.usage("v6").used == 0


def test_lease_does_not_keep_the_descriptor_of_the_call(world: World) -> None:
    granted = world.ipam.allocate(sandbox("a", netns_fd=7), "test", ["v4"])
    assert granted.sandbox.netns_fd == -1


def test_dual_stack_is_all_or_nothing(world: World) -> None:
    for number in range(7):
        world.allocate(f"six-{number}", "v6")
    before = world.ipam.usage("v4")
    with pytest.raises(Retry, match="pool 2001:db8::/125: all 7 addresses"):
        world.allocate("a", "v4", "v6")
    assert world.ipam.usage("v4") == before
    assert str(world.allocate("b", "v4").addresses[0]) == "10.0.0.1"


def test_failed_write_changes_nothing(world: World) -> None:
    first = world.allocate("a")
    before = world.ipam.usage("v4"), world.ipam.leases()
    world.store.fail_next(2)
    with pytest.raises(Retry):
        world.allocate("b")
    with pytest.raises(Retry):
        world.ipam.release(first)
    assert (world.ipam.usage("v4"), world.ipam.leases()) == before
    assert str(world.allocate("b").addresses[0]) == "10.0.0.2"


def test_release_is_idempotent_and_takes_a_key(world: World) -> None:
    granted = world.allocate("a")
    world.ipam.release(granted.key)
    world.ipam.release(granted.key)
    world.ipam.release(granted)
    world.ipam.release(("never", "seen"))
    assert len(world.store.stored.cooling) == 1


def test_releasing_an_old_lease_spares_the_new_one_of_the_same_sandbox(world: World) -> None:
    old = world.allocate("a")
    world.ipam.release(old)
    world.clock.advance(1)
    new = world.allocate("a")
    world.ipam.release(old)
    assert world.ipam.get(new.key) == new


def test_cool_down_survives_a_restart(world: World) -> None:
    for number in range(6):
        world.allocate(f"pod-{number}")
    world.ipam.release(("pod-3", "eth0"))
    world.clock.advance(20)
    world.restart()
    with pytest.raises(Retry) as caught:
        world.allocate("new")
    assert caught.value.after == 10.0
    world.clock.advance(10)
    assert str(world.allocate("new").addresses[0]) == "10.0.0.4"


def test_same_pod_has_its_address_back_at_once_in_a_new_sandbox(world: World) -> None:
    old = world.allocate("a", "v4", "v6", uid="pod")
    world.ipam.release(old)
    assert world.allocate("b", "v4", "v6", uid="other").addresses != old.addresses
    assert world.allocate("c", "v4", "v6", uid="pod").addresses == old.addresses


def test_same_pod_has_its_address_back_after_a_restart(world: World) -> None:
    old = world.allocate("a", uid="pod")
    world.ipam.release(old)
    world.restart()
    assert world.allocate("b", uid="pod").addresses == old.addresses


def test_round_robin_goes_on_after_a_restart(world: World) -> None:
    for name in "abc":
        world.allocate(name)
    world.ipam.release(("a", "eth0"))
    world.restart()
    assert str(world.allocate("d").addresses[0]) == "10.0.0.4"


def test_pods_per_node_are_limited() -> None:
    ipam = Ipam(MemoryStore(), FakeClock(), max_pods=2)
    ipam.add_pool("v4", V4)
    for name in "ab":
        ipam.allocate(sandbox(name), "test", ["v4"])
    with pytest.raises(Retry, match="this node has 2 pods of at most 2") as caught:
        ipam.allocate(sandbox("c"), "test", ["v4"])
    assert caught.value.code == TRY_AGAIN
    assert ipam.allocate(sandbox("a"), "test", ["v4"]).sandbox == sandbox("a")
    ipam.release(("a", "eth0"))
    assert ipam.allocate(sandbox("c"), "test", ["v4"])


def test_damaged_store_means_quarantine(world: World) -> None:
    world.allocate("a")
    ipam = Ipam(world.store, world.clock)
    ipam.load(world.store.stored._replace(damage="torn"))
    ipam.add_pool("v4", V4)
    assert ipam.allocate(sandbox("a"), "test", ["v4"]).sandbox.container_id == "a"
    usage = ipam.usage("v4")
    assert (usage.free, usage.cooling, usage.used) == (0, 5, 1)
    world.clock.advance(29)
    with pytest.raises(Retry, match="damaged") as caught:
        ipam.allocate(sandbox("b"), "test", ["v4"])
    assert caught.value.after == 1.0
    world.clock.advance(1)
    assert ipam.usage("v4").free == 5
    assert ipam.allocate(sandbox("b"), "test", ["v4"])


def test_quarantine_stops_even_the_same_pod(world: World) -> None:
    world.ipam.release(world.allocate("a", uid="pod"))
    world.restart(damage="torn")
    with pytest.raises(Retry, match="rest for 30"):
        world.allocate("b", uid="pod")


def test_release_times_ahead_of_the_clock_do_not_rest_for_ever(world: World) -> None:
    address = Address.parse("10.0.0.1")
    ipam = Ipam(world.store, world.clock)
    ipam.load(Stored(cooling=(Cooling(address, "v4", "", 99999.0),)))
    ipam.add_pool("v4", V4)
    assert ipam.usage("v4").cooling == 1
    world.clock.advance(30)
    assert ipam.usage("v4").cooling == 0


def test_new_cidr_is_a_new_pool_and_old_leases_stay(world: World) -> None:
    old = world.allocate("a")
    world.ipam.remove_pool("v4")
    world.ipam.remove_pool("v4")
    wider = Prefix.parse("10.0.0.0/28")
    world.ipam.add_pool("wider", wider)
    assert world.ipam.get(old.key) == old
    assert world.ipam.usage("wider").used == 1
    assert str(world.allocate("b", "wider").addresses[0]) == "10.0.0.2"
    world.ipam.release(old)
    assert world.ipam.usage("wider").cooling == 1


def test_cool_down_outlives_the_pool(world: World) -> None:
    resting, held = world.allocate("a"), world.allocate("b")
    world.ipam.release(resting)
    world.ipam.remove_pool("v4")
    world.ipam.release(held)
    world.clock.advance(10)
    world.ipam.add_pool("again", V4)
    assert world.ipam.usage("again").cooling == 2
    world.clock.advance(20)
    assert world.ipam.usage("again").cooling == 0


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda ipam: ipam.add_pool("wide", Prefix.parse("10.0.0.0/8")), "10.0.0.0/8 overlaps pool 'v4'"),
        (lambda ipam: ipam.add_pool("v4", Prefix.parse("10.9.0.0/24")), "'v4' exists already and is different"),
        (lambda ipam: ipam.add_pool("v4", V4, reserved=[Address.parse("10.0.0.3")]), "exists already and is different"),
        (lambda ipam: ipam.add_pool("v4", addresses=[Address.parse("10.9.0.1")]), "exists already and is the CIDR"),
        (lambda ipam: ipam.add_pool("eni", addresses=[Address.parse("10.0.0.1")]), "is in pool 'v4' already"),
        (lambda ipam: ipam.add_addresses("v4", [Address.parse("10.9.0.1")]), "is the CIDR 10.0.0.0/29"),
        (lambda ipam: ipam.add_addresses("eni", []), "there is no address pool 'eni'; pools of this node: v4, v6"),
        (lambda ipam: ipam.set_unavailable([Address.parse("10.9.0.1")], True), "10.9.0.1 is in no pool"),
        (lambda ipam: ipam.usage("eni"), "there is no address pool 'eni'"),
        (lambda ipam: ipam.allocate(sandbox("a"), "test", ["eni"]), "there is no address pool 'eni'"),
        (lambda ipam: ipam.allocate(sandbox("a"), "test", ["v4", "v4"]), "one per family"),
        (lambda ipam: ipam.allocate(sandbox("a"), "test", []), "one per family"),
    ],
)  # fmt: skip
def test_wrong_calls_are_refused_and_change_nothing(world: World, add: Callable[[Ipam], object], message: str) -> None:
    before = [world.ipam.usage(name) for name in world.ipam.pools()]
    with pytest.raises(Refused) as caught:
        add(world.ipam)
    assert message in str(caught.value)
    assert world.ipam.pools() == ("v4", "v6")
    assert [world.ipam.usage(name) for name in world.ipam.pools()] == before


def test_same_pool_again_is_success(world: World) -> None:
    world.allocate("a")
    world.add_pools()
    assert world.ipam.usage("v4").used == 1


def test_prefix_may_not_overlap_a_set_pool(world: World) -> None:
    world.ipam.add_pool("eni", addresses=[Address.parse("172.16.0.9")])
    with pytest.raises(Refused, match=r"overlaps pool 'eni' \(eni\)"):
        world.ipam.add_pool("vpc", Prefix.parse("172.16.0.0/24"))


def test_set_pool_grows_and_shrinks(world: World) -> None:
    one, two, three = (Address.parse(f"172.16.0.{n}") for n in (1, 2, 3))
    world.ipam.add_pool("eni")
    with pytest.raises(Retry, match="pool eni: all 0 addresses"):
        world.allocate("a", "eni")
    world.ipam.add_addresses("eni", [one, two])
    held = world.allocate("a", "eni")
    resting = world.allocate("b", "eni")
    world.ipam.release(resting)
    world.ipam.remove_addresses("eni", [one, two, three])
    assert world.ipam.usage("eni") == (1, 0, 1, 0, 0, 0, 1)
    world.ipam.release(held)
    assert world.ipam.usage("eni").size == 0
    world.ipam.add_addresses("eni", [one, two, three])
    assert world.ipam.usage("eni").cooling == 2, "an address that comes back still rests"
    assert world.allocate("c", "eni").addresses == (three,)


def test_address_added_while_a_lease_has_it_is_used(world: World) -> None:
    world.ipam.adopt(lease("a", "172.16.0.1"))
    world.ipam.add_pool("eni", addresses=[Address.parse("172.16.0.1"), Address.parse("172.16.0.2")])
    assert world.ipam.usage("eni")[:3] == (2, 1, 1)


def test_unavailable_address_is_kept_back(world: World) -> None:
    first = Address.parse("10.0.0.1")
    world.ipam.set_unavailable([first], True)
    assert str(world.allocate("a").addresses[0]) == "10.0.0.2"
    world.ipam.set_unavailable([first], False)
    assert [str(world.allocate(f"pod-{n}").addresses[0])[-1] for n in range(5)] == ["3", "4", "5", "6", "1"]


def test_adopted_lease_is_stored_and_owned(world: World) -> None:
    found = lease("a", "10.0.0.3", "2001:db8::3")
    world.ipam.adopt(found)
    world.ipam.adopt(found)
    assert world.store.stored.leases == (found,)
    assert world.ipam.usage("v4").used == 1
    granted = [str(world.allocate(f"pod-{n}").addresses[0]) for n in range(5)]
    assert "10.0.0.3" not in granted
    with pytest.raises(Retry, match="all 6 addresses"):
        world.allocate("one more")


def test_adopting_a_cooling_address_ends_its_rest(world: World) -> None:
    world.ipam.release(world.allocate("a"))
    world.ipam.adopt(lease("b", "10.0.0.1"))
    assert world.ipam.usage("v4") == (8, 5, 1, 0, 2, 0, 0)


def test_adopting_against_the_books_is_a_conflict(world: World) -> None:
    world.allocate("a")
    with pytest.raises(Conflict, match=r"10\.0\.0\.1 of sandbox .*'b'.* already belongs to sandbox .*'a'"):
        world.ipam.adopt(lease("b", "10.0.0.1"))
    with pytest.raises(Conflict, match=r"has 10\.0\.0\.1 on record, not 10\.0\.0\.5"):
        world.ipam.adopt(lease("a", "10.0.0.5"))
    assert len(world.ipam.leases()) == 1


def test_two_owners_in_a_store_are_refused(world: World) -> None:
    with pytest.raises(Conflict):
        Ipam(world.store, world.clock).load(Stored((lease("a", "10.0.0.1"), lease("b", "10.0.0.1"))))


def test_load_comes_first(world: World) -> None:
    with pytest.raises(Bug, match="load before adding pools"):
        world.ipam.load(Stored())


def test_reserved_address_in_use_goes_back_to_the_reserved_ones(world: World) -> None:
    held = world.allocate("a")
    world.ipam.remove_pool("v4")
    world.ipam.add_pool("v4", V4, reserved=held.addresses)
    assert world.ipam.usage("v4") == (8, 5, 1, 0, 2, 0, 0)
    world.ipam.release(held)
    assert world.ipam.usage("v4") == (8, 5, 0, 0, 3, 0, 0)


def test_threads_never_share_an_address() -> None:
    ipam = Ipam(MemoryStore(), FakeClock(), cooldown=0.0, lock=threading.Lock())
    ipam.add_pool("v4", Prefix.parse("10.0.0.0/28"))
    holding: set[Address] = set()
    shared: list[Address] = []

    def churn(worker: int) -> None:
        for number in range(300):
            granted = ipam.allocate(sandbox(f"{worker}-{number}"), "test", ["v4"])
            address = granted.addresses[0]
            if address in holding:
                shared.append(address)
            holding.add(address)
            holding.discard(address)
            ipam.release(granted)

    threads = [threading.Thread(target=churn, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared == []
    assert ipam.usage("v4") == (16, 14, 0, 0, 2, 0, 0)


def test_an_address_that_a_lease_has_does_not_rest_as_well(world: World) -> None:
    """What a store says that lost the record of a release, or an ADD that came after it."""
    held = lease("a", "10.0.0.1")
    ipam = Ipam(world.store, world.clock)
    ipam.load(Stored((held,), (Cooling(held.addresses[0], "v4", "", 1000.0),)))
    ipam.add_pool("v4", V4)
    assert ipam.usage("v4") == (8, 5, 1, 0, 2, 0, 0)


def test_the_address_granted_last_is_the_newest_leases_not_the_highest(world: World) -> None:
    ipam = Ipam(world.store, world.clock)
    ipam.load(Stored((lease("a", "10.0.0.5", at=1.0), lease("b", "10.0.0.2", at=2.0))))
    ipam.add_pool("v4", V4)
    assert str(ipam.allocate(sandbox("c"), "test", ["v4"]).addresses[0]) == "10.0.0.3"


def test_an_address_found_in_use_does_not_rest_in_a_pool_that_comes_later(world: World) -> None:
    world.ipam.release(world.allocate("a"))
    world.ipam.remove_pool("v4")
    world.ipam.adopt(lease("b", "10.0.0.1"))
    world.ipam.add_pool("v4", V4)
    assert world.ipam.usage("v4") == (8, 5, 1, 0, 2, 0, 0)


def test_what_a_pool_knows_again_is_not_remembered_beside_it(world: World) -> None:
    world.ipam.release(world.allocate("a", uid="pod"))
    for _ in range(2):
        world.ipam.remove_pool("v4")
        world.ipam.add_pool("v4", V4)
    assert str(world.allocate("b", uid="pod").addresses[0]) == "10.0.0.1"
    world.ipam.remove_pool("v4")
    world.ipam.add_pool("v4", V4)
    assert world.ipam.usage("v4") == (8, 5, 1, 0, 2, 0, 0)


def test_the_other_familys_address_of_the_same_number_is_another(world: World) -> None:
    address = Address.parse("172.16.0.1")
    world.ipam.add_pool("eni", addresses=[address])
    world.ipam.remove_addresses("eni", [Address(6, address.value)])
    assert world.ipam.usage("eni").size == 1


def test_descriptor_zero_is_not_kept_either(world: World) -> None:
    assert world.ipam.allocate(sandbox("a", netns_fd=0), "test", ["v4"]).sandbox.netns_fd == -1


def test_a_node_that_has_just_booted_has_no_quarantine() -> None:
    ipam = Ipam(MemoryStore(), FakeClock(0.0))
    ipam.add_pool("v4", V4)
    assert ipam.usage("v4").free == 6
    assert ipam.allocate(sandbox("a"), "test", ["v4"])


def test_every_refusal_has_its_details_and_says_when_to_come_again() -> None:
    clock = FakeClock()
    ipam = Ipam(MemoryStore(), clock, max_pods=1, cooldown=30.0)
    ipam.load(Stored(damage="torn"))
    ipam.add_pool("v4", V4)
    clock.advance(18.0)
    with pytest.raises(Retry) as damaged:
        ipam.allocate(sandbox("a"), "test", ["v4"])
    assert (damaged.value.details, damaged.value.after) == ("quarantine", 12.0)
    clock.advance(12.0)
    ipam.allocate(sandbox("a"), "test", ["v4"])
    with pytest.raises(Retry) as full:
        ipam.allocate(sandbox("b"), "test", ["v4"])
    assert full.value.details == "pods per node"


def test_words_for_operators() -> None:
    ipam = Ipam(MemoryStore(), FakeClock())
    with pytest.raises(Refused, match=r"there is no address pool 'v4'; pools of this node: none$"):
        ipam.usage("v4")
    ipam.adopt(lease("a", "10.0.0.1", "2001:db8::1"))
    with pytest.raises(Conflict, match=r"has 10\.0\.0\.1 and 2001:db8::1 on record, not 10\.0\.0\.5; release it first"):
        ipam.adopt(lease("a", "10.0.0.5"))
    with pytest.raises(Bug, match=r"^IPAM: load\(\) was called after first use; load before adding pools$"):
        ipam.load(Stored())


def test_a_lease_found_in_the_kernel_rests_without_a_pool() -> None:
    assert cooling_of(lease("a", "10.0.0.1", "2001:db8::1"), 5.0) == (
        Cooling(Address.parse("10.0.0.1"), "", "uid-a", 5.0),
        Cooling(Address.parse("2001:db8::1"), "", "uid-a", 5.0),
    )
    named = Lease(sandbox("a"), (Address.parse("10.0.0.1"),), "test", ("v4",), 1.0)
    assert cooling_of(named, 5.0) == (Cooling(Address.parse("10.0.0.1"), "v4", "uid-a", 5.0),)


def test_the_lock_is_held_while_the_store_writes() -> None:
    lock = threading.Lock()

    class Guarded(MemoryStore):
        def put(self, lease: Lease) -> None:
            assert lock.locked()
            super().put(lease)

        def release(self, lease: Lease, released_at: float) -> None:
            assert lock.locked()
            super().release(lease, released_at)

    ipam = Ipam(Guarded(), FakeClock(), lock=lock)
    ipam.add_pool("v4", V4)
    ipam.release(ipam.allocate(sandbox("a"), "test", ["v4"]))
    ipam.adopt(lease("b", "10.0.0.5"))
    assert len(ipam.leases()) == 1
    assert not lock.locked()
