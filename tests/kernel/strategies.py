"""Hypothesis strategies for plan items as a real kernel could have them."""

from __future__ import annotations

from hypothesis import strategies as st

from terway_edge.core.addresses import BITS, Address, Prefix
from terway_edge.core.plans import (
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    RouteKind,
    Rule,
    Shaping,
    Verb,
    Veth,
)

families = st.sampled_from((4, 6))
links = st.integers(1, (1 << 31) - 1)
numbers = st.integers(0, (1 << 32) - 1)
tables = st.integers(1, (1 << 32) - 1)
protos = st.integers(1, 255)
macs = st.binary(min_size=6, max_size=6)
mtus = st.integers(1280, 65535)
names = st.text("abcdefghijklmnop0123456789", min_size=1, max_size=15)
some_verbs = st.sampled_from(list(Verb))


def addresses(family: int) -> st.SearchStrategy[Address]:
    return st.builds(Address, st.just(family), st.integers(0, (1 << BITS[family]) - 1))


@st.composite
def prefixes(draw, family: int, min_length: int = 0) -> Prefix:
    length = draw(st.integers(min_length, BITS[family]))
    shift = BITS[family] - length
    return Prefix(family, draw(st.integers(0, (1 << BITS[family]) - 1)) >> shift << shift, length)


@st.composite
def routes(draw) -> FibRoute:
    """In the form in which a dump shows them, so that they can be compared."""
    family = draw(families)
    kind = draw(st.sampled_from(list(RouteKind)))
    unicast = kind is RouteKind.UNICAST
    metric = draw(numbers.filter(lambda metric: (family, metric) != (6, 1024)))  # 1024 is how IPv6 says 0
    return FibRoute(
        draw(prefixes(family)),
        draw(st.none() | addresses(family)) if unicast else None,
        draw(links) if unicast else 0,
        draw(st.booleans()),
        kind,
        metric,
        draw(tables),
        draw(protos),
        draw(st.none() | addresses(family)),
    )


@st.composite
def rules(draw) -> Rule:
    family = draw(families)
    prefix = st.none() | prefixes(family, min_length=1)
    return Rule(draw(numbers), draw(tables), draw(prefix), draw(prefix), family, draw(protos))


any_address = families.flatmap(addresses)
link_addresses = any_address.flatmap(
    lambda address: st.builds(LinkAddress, links, st.just(address), st.integers(0, address.bits))
)
neighbours = st.builds(Neighbour, links, any_address, macs)
veths = st.builds(Veth, names, links, macs, names, mtus, st.integers(0, 1 << 20), names, links, macs)
link_settings = st.builds(
    LinkSetting,
    links,
    st.none() | st.booleans(),
    st.none() | mtus,
    st.lists(st.tuples(st.integers(1, 33), numbers), unique_by=lambda pair: pair[0], max_size=4).map(tuple),
    st.booleans(),
    st.none() | macs,
)
shapings = st.builds(
    Shaping, links, st.integers(1000, 1 << 40), st.integers(2000, 1 << 24), st.integers(2000, (1 << 32) - 1)
)
kernel_links = st.builds(Link, links, names, macs, mtus, st.booleans(), st.booleans(), names, names, numbers)


def changes() -> st.SearchStrategy[tuple[Verb, object]]:
    """Every pair of verb and item that has a meaning."""
    return (
        st.tuples(some_verbs, routes() | rules() | link_addresses | neighbours)
        | st.tuples(st.just(Verb.ADD), veths)
        | st.tuples(st.just(Verb.REPLACE), link_settings)
    )
