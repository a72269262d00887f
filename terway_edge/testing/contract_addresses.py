"""Laws of allocate and release: who holds which address, and since when another may have it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from terway_edge.core.errors import EdgeError, Retry
from terway_edge.core.models import Lease
from terway_edge.testing.expectations import expect_unchanged, raising
from terway_edge.testing.harness import Harness

MANY = 20
THREADS = 8  # as many workers as the agent has by default
MOST_LEASES = 5000


def allocate_is_idempotent(harness: Harness) -> None:
    sandbox = harness.sandbox(netns="")
    first, second = harness.allocate(sandbox), harness.allocate(sandbox)
    assert first == second, f"allocate twice for one sandbox gave {first}, then {second}"


def allocate_never_shares_an_address(harness: Harness) -> None:
    _expect_no_sharing([harness.allocate() for _ in range(MANY)])


def allocate_may_be_called_from_many_threads(harness: Harness) -> None:
    sandboxes = [harness.sandbox(netns="") for _ in range(MANY)]
    with ThreadPoolExecutor(THREADS) as threads:
        leases = list(threads.map(harness.allocate, sandboxes * 2))
    assert leases[:MANY] == leases[MANY:], "called from many threads, allocate gave a sandbox two leases"
    _expect_no_sharing(leases[:MANY])


def allocate_gives_one_address_of_each_family(harness: Harness) -> None:
    families = [address.family for address in harness.allocate().addresses]
    wanted = [prefix.family for prefix in harness.view.node.pod_cidrs]
    assert sorted(families) == sorted(wanted), f"the node has pod CIDRs of families {wanted}, the lease {families}"


def allocate_names_sandbox_and_backend(harness: Harness) -> None:
    sandbox = harness.sandbox(netns="")
    lease = harness.allocate(sandbox)
    assert lease.sandbox == sandbox, f"the lease of {sandbox} says {lease.sandbox}"
    assert lease.backend == harness.name, f"the lease says backend {lease.backend!r}, the plugin is {harness.name!r}"


def allocate_records_the_lease(harness: Harness) -> None:
    lease = harness.allocate()
    assert lease in harness.store.stored.leases, f"{lease} is not in the store when allocate returns"


def allocate_holds_nothing_without_a_record(harness: Harness) -> None:
    sandbox = harness.sandbox(netns="")
    harness.store.fail_next()
    with raising(Retry, "allocate with a store that fails"):
        harness.allocate(sandbox)
    assert harness.context.ipam.leases() == (), "allocate failed, but a lease is held"
    harness.allocate(sandbox)


def allocate_changes_nothing_in_the_kernel(harness: Harness) -> None:
    expect_unchanged(harness.world, "allocate must leave the kernel to attach", harness.allocate)


def exhaustion_is_a_retry(harness: Harness) -> None:
    held = _drain(harness)
    with raising(Retry, f"allocate when all {len(held)} leases are taken"):
        harness.allocate()
    assert harness.allocate(held[0].sandbox) == held[0], "a sandbox with a lease must get it though the pool is empty"


def release_lets_addresses_cool_down(harness: Harness) -> None:
    lease = _drain(harness)[0]
    harness.hooks.release(lease)
    with raising(Retry, f"allocate for another pod right after {_addresses(lease)} were released"):
        harness.allocate()
    harness.clock.advance(harness.settings.ipam.cooldown_seconds + 1)
    reused = harness.allocate()
    # One family may have had an address to spare, so not all need be the same.
    assert set(reused.addresses) & set(lease.addresses), (
        f"after the cool-down {_addresses(lease)} must go out again, not {_addresses(reused)}"
    )


def release_is_recorded(harness: Harness) -> None:
    lease = harness.allocate()
    harness.hooks.release(lease)
    assert lease not in harness.store.stored.leases, f"{lease} was released but is still in the store"


def release_keeps_the_lease_without_a_record(harness: Harness) -> None:
    lease = harness.allocate()
    harness.store.fail_next()
    with raising(Retry, "release with a store that fails"):
        harness.hooks.release(lease)
    assert harness.allocate(lease.sandbox) == lease, "the release was not recorded: the lease must still be held"


def release_twice_is_harmless(harness: Harness) -> None:
    lease = harness.allocate()
    harness.hooks.release(lease)
    harness.hooks.release(lease)


def release_of_an_old_lease_spares_the_new_one(harness: Harness) -> None:
    old = harness.allocate()
    harness.hooks.release(old)
    harness.clock.advance(harness.settings.ipam.cooldown_seconds + 1)
    new = harness.allocate(old.sandbox)
    harness.hooks.release(old)
    assert new in harness.store.stored.leases, "releasing a lease for the second time took the sandbox's next one"


def restart_remembers_leases(harness: Harness) -> None:
    first, second = harness.allocate(), harness.allocate()
    harness.clock.advance(1)
    harness.restart()
    # The second first: a plugin without memory would give it what the first one has.
    for lease in (second, first):
        again = harness.allocate(lease.sandbox)
        assert again == lease, f"after a restart the sandbox has {again}, before it had {lease}"
    _expect_no_sharing([first, second, harness.allocate()])


def start_again_brings_dropped_pools_back(harness: Harness) -> None:
    """What the agent does when a node comes back to a backend after another one has served it."""
    first, ipam = harness.allocate(), harness.context.ipam
    for name in ipam.pools():
        ipam.remove_pool(name)
    harness.hooks.start(harness.name, harness.view)
    try:
        second = harness.allocate()
    except EdgeError as error:
        raise AssertionError(
            f"start was called again after all pools were dropped, but allocate says: {error}"
        ) from error
    assert harness.allocate(first.sandbox) == first, "a lease was lost with the pools"
    _expect_no_sharing([first, second])


ADDRESS_LAWS = (
    allocate_is_idempotent,
    allocate_never_shares_an_address,
    allocate_may_be_called_from_many_threads,
    allocate_gives_one_address_of_each_family,
    allocate_names_sandbox_and_backend,
    allocate_records_the_lease,
    allocate_holds_nothing_without_a_record,
    allocate_changes_nothing_in_the_kernel,
    exhaustion_is_a_retry,
    release_lets_addresses_cool_down,
    release_is_recorded,
    release_keeps_the_lease_without_a_record,
    release_twice_is_harmless,
    release_of_an_old_lease_spares_the_new_one,
    restart_remembers_leases,
    start_again_brings_dropped_pools_back,
)


def _expect_no_sharing(leases: list[Lease]) -> None:
    addresses = [address for lease in leases for address in lease.addresses]
    shared = {str(address) for address in addresses if addresses.count(address) > 1}
    assert not shared, f"two sandboxes have {', '.join(sorted(shared))}"


def _drain(harness: Harness) -> list[Lease]:
    """Take every lease there is."""
    held: list[Lease] = []
    for _ in range(MOST_LEASES):
        try:
            held.append(harness.allocate())
        except Retry:
            assert held, "a fresh node has no address to give"
            return held
    raise AssertionError(f"{MOST_LEASES} leases and no end: test with smaller pools, such as those of `make_node`")


def _addresses(lease: Lease) -> str:
    return " and ".join(map(str, lease.addresses))
