"""Pools: what is reserved, the order in which addresses go out, and what an exhausted pool says."""

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import TRY_AGAIN, Refused, Retry
from terway_edge.core.pools import REMEMBERED, CidrPool, Known, Pool, Release, SetPool, Usage

NOTHING = Known()


def cidr(text: str, *reserved: str, cooldown: float = 30.0, known: Known = NOTHING) -> CidrPool:
    return CidrPool(text, Prefix.parse(text), map(Address.parse, reserved), cooldown, known)


def value(text: str) -> int:
    return Address.parse(text).value


def drain(pool: Pool, now: float = 0.0, limit: int = 1000) -> list[str]:
    """Take until the pool refuses, or `limit` addresses."""
    taken: list[str] = []
    while len(taken) < limit:
        try:
            picked = pool.pick("", now)
        except Retry:
            break
        pool.take(picked)
        taken.append(str(Address(pool.family, picked)))
    return taken


@pytest.mark.parametrize(
    ("prefix", "reserved", "usable"),
    [
        ("10.0.0.0/29", (), [f"10.0.0.{n}" for n in range(1, 7)]),
        ("10.0.0.0/30", (), ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/31", (), ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.7/32", (), ["10.0.0.7"]),
        ("10.0.0.0/29", ("10.0.0.1", "10.0.0.4"), ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"]),
        ("2001:db8::/126", (), ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        ("2001:db8::/127", (), ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::/126", ("2001:db8::2",), ["2001:db8::1", "2001:db8::3"]),
    ],
)
def test_reserved_addresses_never_leave(prefix: str, reserved: tuple[str, ...], usable: list[str]) -> None:
    pool = cidr(prefix, *reserved)
    assert drain(pool) == usable
    size = Prefix.parse(prefix).size
    assert pool.usage(0.0) == Usage(size, 0, len(usable), 0, size - len(usable), 0, 0)


def test_reserved_address_outside_the_prefix_is_refused() -> None:
    with pytest.raises(
        Refused, match=r"pool 10\.0\.0\.0/24: reserved address 10\.0\.1\.1 is outside 10\.0\.0\.0/24; remove it"
    ):
        cidr("10.0.0.0/24", "10.0.1.1")


def test_order_goes_on_after_the_address_granted_last_and_wraps() -> None:
    known = Known(
        used={value("10.0.0.2"), value("10.0.0.4")},
        released={value("10.0.0.5"): Release(-100.0, "")},
        last_granted=value("10.0.0.4"),
    )
    assert drain(cidr("10.0.0.0/29", known=known)) == ["10.0.0.6", "10.0.0.1", "10.0.0.3", "10.0.0.5"]


def test_set_pool_goes_on_after_the_address_granted_last() -> None:
    pool = SetPool("eni", 30.0)
    granted = value("10.0.0.2")
    pool.add([Address(4, value("10.0.0.0") + n) for n in range(1, 5)], Known({granted}, {}, granted))
    assert drain(pool) == ["10.0.0.3", "10.0.0.4", "10.0.0.1"]


def test_released_addresses_come_back_in_the_order_of_release() -> None:
    pool = cidr("10.0.0.0/29")
    drain(pool)
    for at, last in enumerate((4, 1, 6)):
        pool.release(value(f"10.0.0.{last}"), Release(float(at), "uid"))
    assert drain(pool, now=40.0) == ["10.0.0.4", "10.0.0.1", "10.0.0.6"]


def test_ipv6_64_holds_its_size_and_costs_nothing() -> None:
    pool = cidr("2001:db8::/64")
    assert drain(pool, limit=3) == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert pool.usage(0.0) == Usage(2**64, 2**64 - 4, 3, 0, 1, 0, 0)


def test_a_pool_of_any_size_remembers_few_of_those_that_had_its_addresses() -> None:
    pool = cidr("fd00:64::/64", cooldown=30)
    taken = []
    for now in range(1000):
        pool.take(picked := pool.pick(f"pod-{now}", now))
        pool.release(picked, Release(now, f"pod-{now}"))
        taken.append(picked)
    assert len(set(taken)) == REMEMBERED
    assert taken[REMEMBERED : 2 * REMEMBERED] == taken[:REMEMBERED]


def test_addresses_that_all_rest_give_way_to_fresh_ones() -> None:
    pool = cidr("fd00:64::/64", cooldown=600)
    taken = []
    for now in range(2 * REMEMBERED):
        pool.take(picked := pool.pick("", now))
        pool.release(picked, Release(now, ""))
        taken.append(picked)
    assert len(set(taken)) == 2 * REMEMBERED
    assert pool.pick("", 2 * REMEMBERED + 600) == taken[0]


def test_wait_is_the_rest_of_the_oldest_cool_down() -> None:
    pool = cidr("10.0.0.1/32")
    drain(pool)
    pool.release(value("10.0.0.1"), Release(100.0, "a"))
    with pytest.raises(Retry, match=r"pool 10\.0\.0\.1/32: .*cool down.* 17\.5 s") as caught:
        pool.pick("b", 112.5)
    assert (caught.value.after, caught.value.details) == (17.5, "addresses cooling down")
    assert pool.pick("a", 112.5) == value("10.0.0.1"), "the same pod may have its own address back"
    assert pool.pick("b", 130.0) == value("10.0.0.1")


def test_pods_without_uid_share_nothing() -> None:
    pool = cidr("10.0.0.1/32")
    drain(pool)
    pool.release(value("10.0.0.1"), Release(100.0, ""))
    with pytest.raises(Retry):
        pool.pick("", 101.0)


def test_t14_an_exhausted_pool_says_how_many_and_what_to_do() -> None:
    pool = cidr("10.0.1.0/24")
    assert len(drain(pool)) == 254
    with pytest.raises(Retry) as caught:
        pool.pick("", 0.0)
    assert str(caught.value) == (
        "pool 10.0.1.0/24: all 254 addresses are in use by 254 pods; "
        "remove pods from this node or give it a larger pod CIDR"
    )
    assert (caught.value.code, caught.value.details, caught.value.after) == (TRY_AGAIN, "pool exhausted", 30.0)


def test_barred_address_is_passed_over_until_it_comes_back() -> None:
    pool = cidr("10.0.0.0/30")
    pool.bar(value("10.0.0.1"))
    pool.bar(value("10.0.0.0"))  # reserved: stays so
    assert drain(pool) == ["10.0.0.2"]
    assert pool.usage(0.0) == Usage(4, 0, 1, 0, 2, 1, 0)
    pool.unbar(value("10.0.0.1"))
    assert drain(pool) == ["10.0.0.1"]


def test_cool_down_goes_on_while_an_address_is_barred() -> None:
    pool = cidr("10.0.0.0/30")
    drain(pool)
    pool.release(value("10.0.0.2"), Release(0.0, "a"))
    pool.release(value("10.0.0.1"), Release(10.0, "b"))
    pool.bar(value("10.0.0.2"))
    assert pool.resting(20.0).keys() == {value("10.0.0.1"), value("10.0.0.2")}
    pool.unbar(value("10.0.0.2"))
    assert drain(pool, now=29.9) == []
    assert drain(pool, now=30.0) == ["10.0.0.2"]


def test_barred_address_in_use_stays_out_after_its_release() -> None:
    pool = cidr("10.0.0.1/32")
    drain(pool)
    pool.bar(value("10.0.0.1"))
    assert pool.release(value("10.0.0.1"), Release(0.0, "a"))
    with pytest.raises(Retry, match=r"all 0 addresses are in use by 0 pods \(1 more are marked unavailable\)"):
        pool.pick("a", 100.0)


def test_address_removed_in_use_drains() -> None:
    pool = SetPool("eni", 30.0)
    pool.add([Address(4, 1), Address(4, 2)], NOTHING)
    pool.take(pool.pick("", 0.0))
    assert pool.remove(1) is None
    assert pool.usage(0.0) == Usage(2, 1, 1, 0, 0, 0, 1)
    assert not pool.release(1, Release(0.0, ""))
    assert pool.usage(0.0) == Usage(1, 1, 0, 0, 0, 0, 0)
    assert drain(pool, now=100.0) == ["0.0.0.2"]


def test_adding_a_draining_address_again_keeps_it() -> None:
    pool = SetPool("eni", 30.0)
    pool.add([Address(4, 1)], NOTHING)
    pool.take(1)
    pool.remove(1)
    pool.add([Address(4, 1)], NOTHING)
    assert pool.release(1, Release(0.0, ""))
    assert drain(pool, now=30.0) == ["0.0.0.1"]


def test_set_pool_is_of_one_family() -> None:
    pool = SetPool("eni", 30.0)
    with pytest.raises(Refused, match="pool eni: its addresses are of IPv4 and of IPv6; make one pool for each"):
        pool.add([Address(4, 1), Address(6, 1)], NOTHING)
    assert pool.size == 0
    pool.add([Address(6, 1)], NOTHING)
    with pytest.raises(Refused):
        pool.add([Address(4, 1)], NOTHING)


def test_a_released_address_that_is_reserved_now_stays_reserved() -> None:
    known = Known(released={value("10.0.0.1"): Release(0.0, "a"), value("10.0.0.2"): Release(0.0, "b")})
    pool = cidr("10.0.0.0/29", "10.0.0.1", known=known)
    assert pool.resting(1.0).keys() == {value("10.0.0.2")}
    assert pool.usage(1.0) == Usage(8, 4, 0, 1, 3, 0, 0)
    assert drain(pool, now=30.0) == ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]


def test_a_barred_address_that_was_given_back_meanwhile_rests_from_then() -> None:
    pool = cidr("10.0.0.1/32")
    drain(pool)
    pool.bar(value("10.0.0.1"))
    pool.release(value("10.0.0.1"), Release(10.0, "a"))
    pool.unbar(value("10.0.0.1"))
    assert pool.resting(39.0) == {value("10.0.0.1"): Release(10.0, "a")}
    assert drain(pool, now=40.0) == ["10.0.0.1"]


def test_a_pod_whose_former_address_is_somebody_elses_now_gets_another() -> None:
    pool = cidr("10.0.0.0/30")
    drain(pool)
    pool.release(value("10.0.0.1"), Release(0.0, "a"))
    assert drain(pool, now=30.0) == ["10.0.0.1"]
    pool.release(value("10.0.0.2"), Release(40.0, "b"))
    assert pool.pick("a", 70.0) == value("10.0.0.2")


def test_new_addresses_of_a_set_go_out_by_number() -> None:
    pool = SetPool("eni", 30.0)
    pool.add([Address(4, 3), Address(4, 1), Address(4, 2)], NOTHING)
    assert drain(pool) == ["0.0.0.1", "0.0.0.2", "0.0.0.3"]


def test_a_pool_without_cool_down_still_asks_for_a_pause() -> None:
    pool = cidr("10.0.0.1/32", cooldown=0.0)
    drain(pool)
    with pytest.raises(Retry) as caught:
        pool.pick("", 0.0)
    assert caught.value.after == 1.0


def test_both_ends_of_a_prefix_are_in_it() -> None:
    pool = cidr("10.0.0.2/31")
    inside = [text for text in ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4") if pool.contains(Address.parse(text))]
    assert inside == ["10.0.0.2", "10.0.0.3"]
    assert not pool.contains(Address(6, value("10.0.0.2")))


def test_the_same_reserved_addresses_make_the_same_pool_and_a_strange_one_is_refused_by_name() -> None:
    pool = CidrPool("v4", Prefix.parse("10.0.0.0/29"), [Address.parse("10.0.0.1")], 30.0, NOTHING)
    assert pool.is_same(pool.prefix, [Address.parse("10.0.0.1"), Address.parse("10.0.0.7")])
    assert not pool.is_same(pool.prefix, [])
    assert not pool.is_same(Prefix.parse("10.0.0.0/28"), [Address.parse("10.0.0.1")])
    with pytest.raises(Refused, match=r"^pool v4: reserved address"):
        pool.is_same(pool.prefix, [Address.parse("10.9.0.1")])


def test_an_address_that_leaves_while_it_is_barred_takes_its_rest_along() -> None:
    pool = SetPool("eni", 30.0)
    pool.add([Address(4, 1), Address(4, 2)], Known(released={1: Release(5.0, "a")}))
    pool.bar(1)
    pool.bar(2)
    assert (pool.remove(1), pool.remove(2)) == (Release(5.0, "a"), None)
    pool.add([Address(4, 1)], Known(released={1: Release(5.0, "a")}))
    assert pool.usage(6.0) == Usage(1, 0, 0, 1, 0, 0, 0), "it is not barred any more"
    assert drain(pool, now=35.0) == ["0.0.0.1"]
