"""Prefixes and path attributes as bytes: laws, golden bytes of both AS number widths, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp.as_path import decode_as_path, encode_segments, merge
from terway_edge.backends.bgp.attribute_reader import read_attributes
from terway_edge.backends.bgp.attribute_types import Malformed
from terway_edge.backends.bgp.attributes import (
    attribute,
    decode_nlri,
    encode_nlri,
    encode_path,
    mp_reach,
    mp_unreach,
)
from terway_edge.backends.bgp.errors import LocalError
from terway_edge.backends.bgp.messages import Attribute, Family, Path, Segment
from terway_edge.core.addresses import BITS, Address, Prefix
from tests.bgp import strategies

HOST4, HOST6 = Address.parse("192.0.2.1"), Address.parse("fd00::1")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("0.0.0.0/0", "00"),
        ("128.0.0.0/1", "01 80"),
        ("10.0.0.0/8", "08 0a"),
        ("10.128.0.0/9", "09 0a80"),
        ("192.0.2.0/24", "18 c00002"),
        ("192.0.2.1/32", "20 c0000201"),
        ("::/0", "00"),
        ("fd00::/8", "08 fd"),
        ("2001:db8::/33", "21 20010db800"),
        ("2001:db8:1:2::/64", "40 20010db800010002"),
        ("fd00::1/128", "80 fd000000000000000000000000000001"),
    ],
)
def test_golden_bytes_of_prefixes(text, wire):
    prefix = Prefix.parse(text)
    assert encode_nlri(prefix) == bytes.fromhex(wire)
    assert decode_nlri(bytes.fromhex(wire), Family.IPV4 if prefix.family == 4 else Family.IPV6) == (prefix,)


@given(st.sampled_from(Family), st.data())
def test_prefixes_survive_the_wire(family, data):
    prefixes = tuple(data.draw(st.lists(strategies.prefixes(family.version))))
    assert decode_nlri(b"".join(map(encode_nlri, prefixes)), family) == prefixes


@given(st.sampled_from(Family), st.binary(max_size=40))
def test_any_bytes_are_prefixes_without_host_bits_or_malformed(family, data):
    try:
        prefixes = decode_nlri(data, family)
    except Malformed:
        return
    assert sum(len(encode_nlri(prefix)) for prefix in prefixes) == len(data)
    for prefix in prefixes:
        assert prefix.family == family.version
        assert prefix.value % (1 << (BITS[prefix.family] - prefix.length)) == 0


PATH = Path(
    as_path=(Segment((65010, 70000)), Segment((1, 2), is_set=True)),
    next_hop=HOST4,
    mp_next_hop=HOST6,
    med=0,
    local_pref=100,
    communities=(0xFFFFFF01,),
    large_communities=((1, 2, 3),),
    others=(Attribute(0x40, 6, b""), Attribute(0xE0, 20, b"x")),
)


def test_golden_bytes_of_a_path_for_a_four_octet_peer():
    assert encode_path(PATH) == bytes.fromhex(
        "40 01 01 00"
        "40 02 14 02 02 0000fdf2 00011170 01 02 00000001 00000002"
        "40 03 04 c0000201"
        "80 04 04 00000000"
        "40 05 04 00000064"
        "40 06 00"
        "c0 08 04 ffffff01"
        "e0 14 01 78"
        "c0 20 0c 00000001 00000002 00000003"
    )


def test_golden_bytes_of_a_path_for_a_two_octet_peer():
    assert encode_path(PATH, four_octet=False) == bytes.fromhex(
        "40 01 01 00"
        "40 02 0c 02 02 fdf2 5ba0 01 02 0001 0002"
        "40 03 04 c0000201"
        "80 04 04 00000000"
        "40 05 04 00000064"
        "40 06 00"
        "c0 08 04 ffffff01"
        "c0 11 14 02 02 0000fdf2 00011170 01 02 00000001 00000002"
        "e0 14 01 78"
        "c0 20 0c 00000001 00000002 00000003"
    )


def test_a_two_octet_peer_gets_no_as4_path_that_it_does_not_need():
    assert (
        encode_path(Path(as_path=(Segment((65535,)),)), four_octet=False).hex(" ") == "40 01 01 00 40 02 04 02 01 ff ff"
    )


def test_an_empty_as_path_is_written():
    assert encode_path(Path()).hex(" ") == "40 01 01 00 40 02 00"


@given(st.booleans(), st.data())
def test_a_path_survives_the_wire_but_for_its_mp_next_hop(four_octet, data):
    path = data.draw(strategies.paths(four_octet=four_octet, ipv6=False))
    reading = read_attributes(encode_path(path, four_octet=four_octet), four_octet=four_octet)
    assert reading.faults == []
    assert reading.path() == path


@given(strategies.paths(), st.booleans())
def test_types_ascend(path, four_octet):
    rest, codes = encode_path(Path(path.origin, path.as_path, communities=path.communities), four_octet=four_octet), []
    while rest:
        codes.append(rest[1])
        rest = rest[4 + int.from_bytes(rest[2:4], "big") :] if rest[0] & 0x10 else rest[3 + rest[2] :]
    assert codes == sorted(set(codes))


def test_only_values_over_255_octets_have_an_extended_length():
    assert attribute(0x80, 99, bytes(255))[:3].hex() == "8063ff"
    assert attribute(0x80, 99, bytes(256))[:4].hex() == "90630100"
    assert len(attribute(0x80, 99, bytes(65535))) == 65539
    with pytest.raises(LocalError):
        attribute(0x80, 99, bytes(65536))


def test_golden_bytes_of_multiprotocol_attributes():
    nlri = encode_nlri(Prefix.parse("fd00::/16"))
    assert mp_reach(Family.IPV6, HOST6, nlri).hex(" ", 1) == (
        "80 0e 18 00 02 01 10 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 10 fd 00"
    )
    assert mp_reach(Family.IPV4, HOST4, b"").hex() == "800e09" + "00010104c000020100"
    assert mp_unreach(Family.IPV6, nlri).hex() == "800f06" + "00020110fd00"
    assert mp_unreach(Family.IPV4, b"").hex() == "800f03" + "000101"
    assert mp_unreach(Family.IPV6, nlri * 100)[:7].hex() == "900f012f" + "000201"
    assert mp_reach(Family.IPV6, HOST6, nlri * 100)[:4].hex() == "900e0141"


@pytest.mark.parametrize(
    ("family", "next_hop"),
    [
        (Family.IPV6, HOST4),
        (Family.IPV4, HOST6),
        *((Family.IPV4, Address.parse(text)) for text in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.1.2.3")),
        *((Family.IPV6, Address.parse(text)) for text in ("::", "::1", "ff02::1")),
    ],
)
def test_a_next_hop_is_a_host_of_the_family(family, next_hop):
    with pytest.raises(LocalError):
        mp_reach(family, next_hop, b"")
    if family is Family.IPV4:
        with pytest.raises(LocalError):
            encode_path(Path(next_hop=next_hop))


@pytest.mark.parametrize(
    "path",
    [
        Path(as_path=(Segment(()),)),
        Path(as_path=(Segment((1,) * 256),)),
        Path(as_path=(Segment((0,)),)),
        Path(as_path=(Segment((1, 1 << 32)),)),
        Path(med=1 << 32),
        Path(med=-1),
        Path(local_pref=1 << 32),
        Path(communities=(1 << 32,)),
        Path(large_communities=((1, 2, 1 << 32),)),
        Path(large_communities=((1, 2, 3), (1, 2, 3))),
        Path(others=(Attribute(0x80, 99, b""), Attribute(0x80, 99, b"x"))),
        Path(others=(Attribute(0x90, 99, b""),)),
        Path(others=(Attribute(0x40, 99, b""),)),
        Path(others=(Attribute(0x80, 256, b""),)),
        Path(others=(Attribute(0x40, 1, b"\0"),)),
        Path(others=(Attribute(0x80, 14, bytes(5)),)),
        Path(others=(Attribute(0xC0, 17, bytes(6)),)),
        Path(others=(Attribute(0xC0, 18, bytes(8)),)),
        Path(others=(Attribute(0x40, 6, b"x"),)),
        Path(others=(Attribute(0x80, 6, b""),)),
        Path(others=(Attribute(0xC0, 7, b"\0\1" + bytes(4)),)),
    ],
)
def test_a_path_that_no_peer_would_accept_is_refused(path):
    with pytest.raises(LocalError):
        encode_path(path)


@given(st.lists(strategies.segments).map(tuple), st.sampled_from([2, 4]))
def test_an_as_path_survives_the_wire_but_for_numbers_that_are_too_wide(segments, width):
    narrow = tuple(
        Segment(tuple(asn if asn < 1 << 8 * width else 23456 for asn in segment.asns), segment.is_set)
        for segment in segments
    )
    assert decode_as_path(encode_segments(segments, width), width) == narrow


def sequence(*asns):
    return Segment(asns)


def a_set(*asns):
    return Segment(asns, is_set=True)


@pytest.mark.parametrize(
    ("as_path", "as4_path", "merged"),
    [
        pytest.param((sequence(23456, 2),), (sequence(70000, 2),), (sequence(70000, 2),), id="equally long"),
        pytest.param(
            (sequence(9, 8, 23456, 2),), (sequence(70000, 2),), (sequence(9, 8), sequence(70000, 2)), id="prepended"
        ),
        pytest.param(
            (sequence(9), a_set(5, 6), sequence(23456)),
            (sequence(70000),),
            (sequence(9), a_set(5, 6), sequence(70000)),
            id="a set counts one, when prepended",
        ),
        pytest.param(
            (sequence(9, 23456), a_set(5, 23456)),
            (sequence(70000), a_set(5, 80000)),
            (sequence(9), sequence(70000), a_set(5, 80000)),
            id="a set counts one, in the tail",
        ),
        pytest.param((sequence(9),), (sequence(70000, 2),), (sequence(9),), id="too long: ignored"),
    ],
)
def test_as4_path_is_the_tail_of_as_path(as_path, as4_path, merged):
    assert merge(as_path, as4_path) == merged


@given(st.lists(strategies.segments, max_size=4).map(tuple), st.lists(strategies.segments, max_size=4).map(tuple))
def test_the_merged_path_counts_as_much_as_as_path(as_path, as4_path):
    def count(path):
        return sum(1 if segment.is_set else len(segment.asns) for segment in path)

    assert count(merge(as_path, as4_path)) == count(as_path)
