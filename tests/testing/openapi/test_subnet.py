"""Which addresses are free, against counting them one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.records import Product, VSwitch
from terway_edge.testing.openapi.subnet import Exhausted, Subnet, gateway

SMALL = Prefix.parse("10.0.0.0/25")
SIX = Prefix.parse("2001:db8::/64")


def vswitch(product=Product.ECS, cidr=SMALL, cidr6=SIX):
    return VSwitch("vsw", product, "r", "z", "n", cidr, cidr6, "vsw")


@st.composite
def owned(draw):
    """Addresses and /28 of the vSwitch that do not overlap."""
    blocks = draw(st.sets(st.integers(0, 7), max_size=6))
    singles = draw(st.sets(st.integers(0, 127), max_size=60))
    prefixes = [Prefix(4, SMALL.value + 16 * block, 28) for block in blocks]
    return prefixes + [Prefix(4, SMALL.value + offset, 32) for offset in singles if offset // 16 not in blocks]


@given(owned(), st.integers(0, 8) | st.integers(0, 130), st.sampled_from([28, 32]))
def test_the_lowest_free_ones_are_taken_all_or_none(before, count, length):
    subnet = Subnet.of(vswitch(), 4, before)
    first, last = subnet.bounds
    taken = {value for each in before for value in range(each.first, each.last + 1)}
    size = 1 << (32 - length)
    free = [
        value
        for value in range(SMALL.first, SMALL.last + 1, size)
        if first <= value and value + size - 1 <= last and not taken & set(range(value, value + size))
    ]
    if count > len(free):
        with pytest.raises(Exhausted):
            subnet.take(count, length)
        assert subnet.owned == before
    else:
        found = subnet.take(count, length)
        assert [each.value for each in found] == free[:count]
        assert subnet.owned == [*before, *found]


@given(owned())
def test_the_free_count_is_what_can_be_taken(before):
    inside = [each for each in before if Subnet.of(vswitch(), 4, ()).is_usable(each)]
    subnet = Subnet.of(vswitch(), 4, inside)
    count = subnet.free_count
    subnet.take(count)
    assert subnet.free_count == 0
    with pytest.raises(Exhausted, match="vSwitch vsw has 0 free, 1 were asked"):
        subnet.take(1)


@pytest.mark.parametrize(
    ("product", "first", "last", "way"),
    [(Product.ECS, "10.0.0.1", "10.0.0.124", "10.0.0.125"), (Product.ENS, "10.0.0.2", "10.0.0.126", "10.0.0.1")],
)
def test_bounds_and_gateway(product, first, last, way):
    assert Subnet.of(vswitch(product), 4, ()).bounds == (Address.parse(first).value, Address.parse(last).value)
    assert gateway(vswitch(product)) == Address.parse(way)


def test_large_ipv6_subnets_are_not_walked_through():
    subnet = Subnet.of(vswitch(), 6, [Prefix.parse("2001:db8::/80"), Prefix.parse("10.0.0.1/32")])
    assert subnet.take(1, 80) == (Prefix.parse("2001:db8:0:0:1::/80"),)
    assert subnet.take(1) == (Prefix.parse("2001:db8:0:0:2::/128"),)
    assert gateway(vswitch(), 6) == Address.parse("2001:db8::ffff:ffff:ffff:fffd")


def test_a_vswitch_without_ipv6_has_none():
    with pytest.raises(ValueError, match="vSwitch vsw has no IPv6 CIDR"):
        Subnet.of(vswitch(cidr6=None), 6, ())
