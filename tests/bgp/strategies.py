"""Hypothesis strategies for every BGP message, in the one form that decoding gives back."""

from __future__ import annotations

from hypothesis import strategies as st

from terway_edge.backends.bgp.attribute_types import FLAGS, Type
from terway_edge.backends.bgp.messages import (
    Attribute,
    Capabilities,
    Family,
    GracefulRestart,
    Keepalive,
    Message,
    Notification,
    Open,
    Origin,
    Path,
    RouteRefresh,
    Segment,
    Update,
)
from terway_edge.core.addresses import BITS, Address, Prefix

octets2 = st.integers(0, 0xFFFF)
octets4 = st.integers(0, 0xFFFFFFFF)
asns = st.one_of(st.integers(1, 0xFFFF), st.integers(1, 0xFFFFFFFF), st.sampled_from([23456, 65535, 65536]))
families = st.sampled_from(Family)
family_sets = st.lists(families, unique=True).map(tuple)


@st.composite
def prefixes(draw: st.DrawFn, version: int) -> Prefix:
    length = draw(st.integers(0, BITS[version]))
    spare = BITS[version] - length
    return Prefix(version, draw(st.integers(0, (1 << length) - 1)) << spare, length)


hosts4 = st.integers(1 << 24, (224 << 24) - 1).filter(lambda value: value >> 24 != 127).map(lambda v: Address(4, v))
hosts6 = st.integers(2, (0xFF << 120) - 1).map(lambda value: Address(6, value))


@st.composite
def graceful_restarts(draw: st.DrawFn) -> GracefulRestart:
    chosen = draw(family_sets)
    return GracefulRestart(
        time=draw(st.integers(0, 4095)),
        families=chosen,
        forwarding=tuple(family for family in chosen if draw(st.booleans())),
        restarting=draw(st.booleans()),
        notification=draw(st.booleans()),
    )


_foreign_families = st.tuples(octets2, st.integers(0, 255)).filter(lambda key: key not in {f.value for f in Family})
_unknown_capabilities = st.one_of(
    st.tuples(st.integers(0, 255).filter(lambda code: code not in (1, 2, 6, 64, 65)), st.binary(max_size=12)),
    _foreign_families.map(lambda key: (1, key[0].to_bytes(2, "big") + bytes((0, key[1])))),
)
capabilities = st.builds(
    Capabilities,
    families=family_sets,
    four_octet_asn=st.none() | asns,
    route_refresh=st.booleans(),
    extended_message=st.booleans(),
    graceful_restart=st.none() | graceful_restarts(),
    others=st.lists(_unknown_capabilities, unique=True, max_size=10).map(tuple),
)
opens = st.builds(
    Open,
    asn=st.integers(1, 0xFFFF),
    hold_time=octets2.filter(lambda seconds: seconds not in (1, 2)),
    router_id=st.integers(1, 0xFFFFFFFF),
    capabilities=capabilities,
)
notifications = st.builds(
    Notification, code=st.integers(0, 255), subcode=st.integers(0, 255), data=st.binary(max_size=200)
)
refreshes = st.builds(RouteRefresh, family=families)
keepalives = st.just(Keepalive())

segments = st.builds(Segment, asns=st.lists(asns, min_size=1, max_size=6).map(tuple), is_set=st.booleans())
_large = st.tuples(octets4, octets4, octets4)


def _words(octets: int, most: int = 4) -> st.SearchStrategy[bytes]:
    return st.integers(1, most).flatmap(lambda n: st.binary(min_size=n * octets, max_size=n * octets))


def _carried(code: Type, values: st.SearchStrategy[bytes]) -> st.SearchStrategy[Attribute]:
    partial = st.sampled_from([0, 0x20])
    return st.builds(lambda flag, value: Attribute(FLAGS[code] | flag, code, value), partial, values)


def others(*, four_octet: bool) -> st.SearchStrategy[tuple[Attribute, ...]]:
    """Attributes that are carried: unknown ones of any length, and known ones that are well-formed."""
    width = 4 if four_octet else 2
    unknown = st.builds(
        Attribute,
        flags=st.sampled_from([0x80, 0xA0, 0xC0, 0xE0]),
        code=st.integers(0, 255).filter(lambda code: code not in FLAGS),
        value=st.binary(max_size=12) | st.integers(250, 300).map(bytes),
    )
    aggregators = st.builds(lambda asn, ip: asn.to_bytes(width, "big") + ip, st.integers(1, 65535), _words(4, 1))
    known = st.one_of(
        _carried(Type.ATOMIC_AGGREGATE, st.just(b"")),
        _carried(Type.AGGREGATOR, aggregators),
        _carried(Type.ORIGINATOR_ID, _words(4, 1)),
        _carried(Type.CLUSTER_LIST, _words(4)),
        _carried(Type.EXTENDED_COMMUNITIES, _words(8)),
        _carried(Type.IPV6_EXTENDED_COMMUNITIES, _words(20)),
    )
    chosen = st.lists(unknown | known, max_size=4, unique_by=lambda other: other.code)
    return chosen.map(lambda found: tuple(sorted(found, key=lambda other: other.code)))


def paths(*, four_octet: bool = True, ipv4: bool = True, ipv6: bool = True) -> st.SearchStrategy[Path]:
    """:param ipv4: with a next hop for IPv4 prefixes; `ipv6` likewise."""
    return st.builds(
        Path,
        origin=st.sampled_from(Origin),
        as_path=st.lists(segments, max_size=3).map(tuple),
        next_hop=hosts4 if ipv4 else st.none(),
        mp_next_hop=hosts6 if ipv6 else st.none(),
        med=st.none() | octets4,
        local_pref=st.none() | octets4,
        communities=st.lists(octets4, max_size=4).map(tuple),
        large_communities=st.lists(_large, unique=True, max_size=3).map(tuple),
        others=others(four_octet=four_octet),
    )


@st.composite
def _full_updates(draw: st.DrawFn, four_octet: bool) -> Update:
    found = [
        *draw(st.lists(prefixes(4), max_size=8, unique=True)),
        *draw(st.lists(prefixes(6), max_size=8, unique=True)),
    ]
    is_announced = [draw(st.booleans()) for _ in found]
    announced = tuple(prefix for prefix, here in zip(found, is_announced, strict=True) if here)
    withdrawn = tuple(prefix for prefix, here in zip(found, is_announced, strict=True) if not here)
    versions = {prefix.family for prefix in announced}
    path = draw(paths(four_octet=four_octet, ipv4=4 in versions, ipv6=6 in versions)) if announced else None
    return Update(announced, withdrawn, path)


def updates(*, four_octet: bool = True) -> st.SearchStrategy[Update]:
    full = _full_updates(four_octet).filter(lambda update: bool(update.announced or update.withdrawn))
    return full | st.builds(Update, end_of_rib=families)


def messages(*, four_octet: bool = True) -> st.SearchStrategy[Message]:
    """Any message; `four_octet` as the session has it."""
    return st.one_of(updates(four_octet=four_octet), opens, notifications, refreshes, keepalives)
