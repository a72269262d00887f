"""UPDATEs: what is read from well-formed ones, and what becomes of each kind of malformed ones (RFC 7606)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given

from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Attribute, Family, Origin, Path, Segment, Update
from terway_edge.backends.bgp.updates import MAX_FAULTS, decode_update, encode_update, join
from terway_edge.core.addresses import Address, Prefix
from tests.bgp import strategies

V4, OTHER4, V6 = Prefix.parse("10.1.0.0/16"), Prefix.parse("10.2.0.0/16"), Prefix.parse("fd00:1::/32")
HOST4, HOST6 = Address.parse("192.0.2.1"), Address.parse("fd00::11")
NLRI = "10 0a01"

ORIGIN = "40 01 01 00"
AS_PATH = "40 02 06 02 01 0000fde9"
NEXT_HOP = "40 03 04 c0000201"
REACH6 = "80 0e 1a 0002 01 10 fd000000000000000000000000000011 00 20 fd000001"
UNREACH6 = "80 0f 08 0002 01 20 fd000001"
FOREIGN = "80 0e 09 0001 80 04 c0000201 00"
GOOD = ORIGIN + AS_PATH + NEXT_HOP
PATH4 = Path(as_path=(Segment((65001,)),), next_hop=HOST4)
PATH6 = Path(as_path=(Segment((65001,)),), mp_next_hop=HOST6)


def body(attributes="", nlri="", withdrawn=""):
    return join(bytes.fromhex(withdrawn), bytes.fromhex(attributes), bytes.fromhex(nlri))


class Case(NamedTuple):
    """`outcome`: "withdraw", "discard" (`path` is left), or the subcode of the error that ends the session."""

    attributes: str
    outcome: str | int
    nlri: str = NLRI
    withdrawn: str = ""
    four_octet: bool = True
    path: Path = PATH4


def with_extra(attribute: str, outcome: str | int, *, four_octet: bool = True) -> Case:
    """An otherwise good UPDATE with one more attribute."""
    as_path = AS_PATH if four_octet else "40 02 04 02 01 fde9"
    return Case(ORIGIN + as_path + NEXT_HOP + attribute, outcome, four_octet=four_octet)


def with_reach(head: str, outcome: str | int, nlri: str = "") -> Case:
    """Whose MP_REACH_NLRI begins with `head`: AFI to the reserved octet; `nlri` follows."""
    value = bytes.fromhex(head + nlri)
    return Case(ORIGIN + AS_PATH + f"80 0e {len(value):02x} {value.hex()}", outcome, nlri="")


HOST6_TEXT = "fd000000000000000000000000000011"

CASES = {
    # The fields of the message (RFC 4271, section 6.3; RFC 7606, section 5.3)
    "NLRI: prefix length 33": Case(GOOD, 10, nlri="21 0a01000000"),
    "NLRI: prefix length 255": Case(GOOD, 10, nlri="ff 0a010000"),
    "NLRI: prefix runs past the end": Case(GOOD, 10, nlri=NLRI + "18 0a02"),
    "NLRI: length without a prefix": Case(GOOD, 10, nlri=NLRI + "08"),
    "withdrawn: prefix length 33": Case("", 10, nlri="", withdrawn="21 0a01000000"),
    "withdrawn: prefix runs past the end": Case("", 10, nlri="", withdrawn="18 0a02"),
    # The list of attributes (RFC 7606, section 4)
    "list: attribute runs past the end": Case(GOOD + "80 04 05 00000000", "withdraw"),
    "list: attribute of extended length runs past the end": Case(GOOD + "90 04 ffff 00000000", "withdraw"),
    "list: 1 octet is left": Case(GOOD + "80", "withdraw"),
    "list: 2 octets are left": Case(GOOD + "8004", "withdraw"),
    "list: 3 octets are left of an extended length": Case(GOOD + "900400", "withdraw"),
    "list: overrun, and nothing is announced": Case(GOOD + "80 04 05 00000000", 1, nlri=""),
    "list: overrun hides MP_REACH_NLRI": Case("40 01 ff 00" + AS_PATH + REACH6, 1, nlri=""),
    "list: MP_REACH_NLRI runs past the end": Case(GOOD + "80 0e ff 0002 01 00 00", 1),
    "list: MP_UNREACH_NLRI runs past the end": Case(GOOD + "80 0f 08 0002 01", 1),
    "list: MP_REACH_NLRI without a length": Case(GOOD + "800e", 1),
    # Repeated attributes (RFC 7606, section 3 (g))
    "twice: ORIGIN": Case(GOOD + "40 01 01 01", "discard"),
    "twice: unknown": with_extra("c0 63 01 01" + "c0 63 01 02", "discard")._replace(
        path=replace(PATH4, others=(Attribute(0xC0, 99, b"\1"),))
    ),
    "twice: the second malformed": Case(GOOD + "40 03 03 c00002", "discard"),
    "twice: the first malformed": Case("40 01 01 09" + GOOD, "withdraw"),
    "twice: MP_REACH_NLRI": Case(ORIGIN + AS_PATH + REACH6 + REACH6, 1, nlri=""),
    "twice: MP_UNREACH_NLRI": Case(UNREACH6 + UNREACH6, 1, nlri=""),
    # Mandatory attributes (RFC 7606, section 3 (d))
    "missing: ORIGIN": Case(AS_PATH + NEXT_HOP, "withdraw"),
    "missing: AS_PATH": Case(ORIGIN + NEXT_HOP, "withdraw"),
    "missing: NEXT_HOP": Case(ORIGIN + AS_PATH, "withdraw"),
    "missing: all": Case("", "withdraw"),
    "missing: ORIGIN, for IPv6": Case(REACH6 + AS_PATH, "withdraw", nlri=""),
    "missing: NEXT_HOP, beside MP_REACH_NLRI": Case(REACH6 + ORIGIN + AS_PATH, "withdraw"),
    # Flags (RFC 7606, sections 3 (c) and 5.3)
    "flags: ORIGIN optional": Case("c0 01 01 00" + AS_PATH + NEXT_HOP, "withdraw"),
    "flags: ORIGIN not transitive": Case("00 01 01 00" + AS_PATH + NEXT_HOP, "withdraw"),
    "flags: AS_PATH optional": Case(ORIGIN + "c0" + AS_PATH[2:] + NEXT_HOP, "withdraw"),
    "flags: NEXT_HOP optional": Case(ORIGIN + AS_PATH + "80" + NEXT_HOP[2:], "withdraw"),
    "flags: MED transitive": with_extra("c0 04 04 00000000", "withdraw"),
    "flags: MED well-known": with_extra("40 04 04 00000000", "withdraw"),
    "flags: LOCAL_PREF optional": with_extra("c0 05 04 00000000", "withdraw"),
    "flags: COMMUNITIES not transitive": with_extra("80 08 04 00000001", "withdraw"),
    "flags: LARGE_COMMUNITIES not transitive": with_extra("80 20 0c" + "00" * 12, "withdraw"),
    "flags: ATOMIC_AGGREGATE optional": with_extra("c0 06 00", "discard"),
    "flags: AGGREGATOR not transitive": with_extra("80 07 08 00000001 0a000001", "discard"),
    "flags: AS4_PATH not transitive": with_extra("80 11 06 02 01 00011170", "discard", four_octet=False),
    "flags: MP_REACH_NLRI well-known": Case(ORIGIN + AS_PATH + "00" + REACH6[2:], 4, nlri=""),
    "flags: MP_UNREACH_NLRI transitive": Case("c0" + UNREACH6[2:], 4, nlri=""),
    "unknown and well-known": with_extra("40 63 01 00", 2),
    "unknown and well-known, beside a withdrawal": with_extra("80 04 00" + "00 63 01 00", 2),
    # Values (RFC 7606, section 7)
    "ORIGIN: length 0": Case("40 01 00" + AS_PATH + NEXT_HOP, "withdraw"),
    "ORIGIN: length 2": Case("40 01 02 0000" + AS_PATH + NEXT_HOP, "withdraw"),
    "ORIGIN: value 3": Case("40 01 01 03" + AS_PATH + NEXT_HOP, "withdraw"),
    "ORIGIN: value 3, and nothing is announced": Case("40 01 01 03" + UNREACH6, 6, nlri=""),
    "AS_PATH: unknown type of segment": Case(ORIGIN + "40 02 06 05 01 00000001" + NEXT_HOP, "withdraw"),
    "AS_PATH: type 0": Case(ORIGIN + "40 02 06 00 01 00000001" + NEXT_HOP, "withdraw"),
    "AS_PATH: confederation sequence": Case(ORIGIN + "40 02 06 03 01 00000001" + NEXT_HOP, "withdraw"),
    "AS_PATH: confederation set": Case(ORIGIN + "40 02 06 04 01 00000001" + NEXT_HOP, "withdraw"),
    "AS_PATH: overrun": Case(ORIGIN + "40 02 06 02 02 00000001" + NEXT_HOP, "withdraw"),
    "AS_PATH: underrun": Case(ORIGIN + "40 02 07 02 01 00000001 02" + NEXT_HOP, "withdraw"),
    "AS_PATH: empty segment": Case(ORIGIN + "40 02 02 02 00" + NEXT_HOP, "withdraw"),
    "AS_PATH: AS number 0": Case(ORIGIN + "40 02 0a 02 02 00000001 00000000" + NEXT_HOP, "withdraw"),
    "AS_PATH: two octets from a four-octet peer": Case(ORIGIN + "40 02 04 02 01 fde9" + NEXT_HOP, "withdraw"),
    "NEXT_HOP: length 3": Case(ORIGIN + AS_PATH + "40 03 03 c00002", "withdraw"),
    "NEXT_HOP: length 16": Case(ORIGIN + AS_PATH + "40 03 10" + HOST6_TEXT, "withdraw"),
    "NEXT_HOP: unspecified": Case(ORIGIN + AS_PATH + "40 03 04 00000000", "withdraw"),
    "NEXT_HOP: loopback": Case(ORIGIN + AS_PATH + "40 03 04 7f000001", "withdraw"),
    "NEXT_HOP: multicast": Case(ORIGIN + AS_PATH + "40 03 04 e0000001", "withdraw"),
    "NEXT_HOP: broadcast": Case(ORIGIN + AS_PATH + "40 03 04 ffffffff", "withdraw"),
    "NEXT_HOP: no host, and nothing is announced": Case(ORIGIN + AS_PATH + "40 03 04 00000000", 8, nlri=""),
    "MED: length 0": with_extra("80 04 00", "withdraw"),
    "MED: length 5": with_extra("80 04 05 0000000000", "withdraw"),
    "LOCAL_PREF: length 3": with_extra("40 05 03 000000", "withdraw"),
    "ATOMIC_AGGREGATE: length 1": with_extra("40 06 01 00", "discard"),
    "AGGREGATOR: length 6 from a four-octet peer": with_extra("c0 07 06 0001 0a000001", "discard"),
    "AGGREGATOR: length 8 from a two-octet peer": with_extra("c0 07 08 00010001 0a000001", "discard", four_octet=False),
    "AGGREGATOR: AS number 0": with_extra("c0 07 08 00000000 0a000001", "discard"),
    "COMMUNITIES: length 0": with_extra("c0 08 00", "withdraw"),
    "COMMUNITIES: length 6": with_extra("c0 08 06 000000010002", "withdraw"),
    "ORIGINATOR_ID: length 3": with_extra("80 09 03 000000", "withdraw"),
    "CLUSTER_LIST: length 0": with_extra("80 0a 00", "withdraw"),
    "CLUSTER_LIST: length 5": with_extra("80 0a 05 0000000000", "withdraw"),
    "EXTENDED_COMMUNITIES: length 0": with_extra("c0 10 00", "withdraw"),
    "EXTENDED_COMMUNITIES: length 7": with_extra("c0 10 07 00000000000000", "withdraw"),
    "IPV6_EXTENDED_COMMUNITIES: length 8": with_extra("c0 19 08 0000000000000000", "withdraw"),
    "LARGE_COMMUNITIES: length 0": with_extra("c0 20 00", "withdraw"),
    "LARGE_COMMUNITIES: length 16": with_extra("c0 20 10" + "00" * 16, "withdraw"),
    # Four-octet AS numbers (RFC 6793, section 6; RFC 7607)
    "AS4_PATH: from a four-octet peer": with_extra("c0 11 06 02 01 00011170", "discard"),
    "AS4_PATH: length 0": with_extra("c0 11 00", "discard", four_octet=False),
    "AS4_PATH: overrun": with_extra("c0 11 06 02 02 00011170", "discard", four_octet=False),
    "AS4_PATH: unknown type of segment": with_extra("c0 11 06 07 01 00011170", "discard", four_octet=False),
    "AS4_PATH: AS number 0": with_extra("c0 11 06 02 01 00000000", "discard", four_octet=False),
    "AS4_PATH: only a confederation": with_extra("c0 11 06 03 01 00011170", "discard", four_octet=False),
    "AS4_AGGREGATOR: from a four-octet peer": with_extra("c0 12 08 00011170 0a000001", "discard"),
    "AS4_AGGREGATOR: length 6": with_extra("c0 12 06 0001 0a000001", "discard", four_octet=False),
    "AS4_AGGREGATOR: AS number 0": with_extra("c0 12 08 00000000 0a000001", "discard", four_octet=False),
    # Multiprotocol attributes (RFC 4760, section 7; RFC 7606, sections 5.3 and 7.11)
    "MP_REACH_NLRI: length 4": with_reach("0002 01 00", 9),
    "MP_REACH_NLRI: next hop runs past the end": with_reach("0002 01 20" + HOST6_TEXT + "00", 9),
    "MP_REACH_NLRI: no reserved octet": with_reach("0002 01 10" + HOST6_TEXT, 9),
    "MP_REACH_NLRI: IPv6 next hop of 4 octets": with_reach("0002 01 04 c0000201 00", 9),
    "MP_REACH_NLRI: IPv6 next hop of 0 octets": with_reach("0002 01 00 00", 9),
    "MP_REACH_NLRI: IPv4 next hop of 16 octets": with_reach("0001 01 10" + HOST6_TEXT + "00", 9),
    "MP_REACH_NLRI: prefix length 129": with_reach("0002 01 10" + HOST6_TEXT + "00", 10, "81" + "00" * 17),
    "MP_REACH_NLRI: prefix runs past the end": with_reach("0002 01 10" + HOST6_TEXT + "00", 10, "40 fd00"),
    "MP_REACH_NLRI: IPv4 prefix length 33": with_reach("0001 01 04 c0000201 00", 10, "21 0000000000"),
    "MP_REACH_NLRI: next hop unspecified": with_reach("0002 01 10" + "00" * 16 + "00", "withdraw", "20 fd000001"),
    "MP_REACH_NLRI: next hop multicast": with_reach("0002 01 10 ff" + "00" * 15 + "00", "withdraw", "20 fd000001"),
    "MP_REACH_NLRI: foreign family, next hop runs past the end": with_reach("0019 41 ff 00", 9),
    "MP_REACH_NLRI: next hop no host, and nothing is announced": with_reach("0002 01 10" + "00" * 16 + "00", 8),
    "MP_UNREACH_NLRI: length 2": Case("80 0f 02 0002", 9, nlri=""),
    "MP_UNREACH_NLRI: prefix length 129": Case("80 0f 15 0002 01 81" + "00" * 17, 10, nlri=""),
    "MP_UNREACH_NLRI: prefix runs past the end": Case("80 0f 06 0002 01 20 fd00", 10, nlri=""),
    # The strongest action counts (RFC 7606, section 3 (h))
    "several: discard and withdraw": with_extra("40 06 01 00" + "80 04 00", "withdraw"),
    "several: withdraw and session": with_extra("80 04 00" + "80 0f 02 0002", 9),
    "several: session and withdraw": with_extra("80 0f 02 0002" + "80 04 00", 9),
    "IPv6 beside a malformed MED": Case(REACH6 + ORIGIN + AS_PATH + "80 04 00", "withdraw", nlri=""),
    "both families beside a malformed MED": Case(REACH6 + GOOD + "80 04 00", "withdraw"),
    "foreign family beside a malformed MED": Case(FOREIGN + ORIGIN + AS_PATH + "80 04 00", "withdraw", nlri=""),
}


def announced_in(case: Case) -> tuple[Prefix, ...]:
    """What a reader that goes on must have found in a case of the table."""
    has_v6 = bytes.fromhex("20fd000001") in bytes.fromhex(case.attributes)
    return (V4,) * bool(case.nlri) + (V6,) * has_v6


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_update(name):
    case = CASES[name]
    wire = body(case.attributes, case.nlri, case.withdrawn)
    if isinstance(case.outcome, int):
        with pytest.raises(ProtocolError) as error:
            decode_update(wire, four_octet=case.four_octet)
        assert (error.value.code, error.value.subcode) == (3, case.outcome)
        return
    update = decode_update(wire, four_octet=case.four_octet)
    assert update.faults
    if case.outcome == "withdraw":
        assert update == Update(withdrawn=announced_in(case), faults=update.faults)
    else:
        assert update == Update((V4,), path=case.path, faults=update.faults)


def test_the_table_is_long_and_holds_all_outcomes():
    outcomes = [case.outcome for case in CASES.values()]
    assert len(outcomes) >= 64
    assert set(outcomes) == {"withdraw", "discard", 1, 2, 4, 6, 8, 9, 10}


@pytest.mark.parametrize(
    "wire",
    [
        "0001",
        "0001 0000",
        "ffff 0000",
        "0000 0001",
        "0000 ffff 00",
        "0002 0800",
        "0003 080a08 0001",
    ],
)
def test_lengths_that_exceed_the_message_end_the_session(wire):
    with pytest.raises(ProtocolError) as error:
        decode_update(bytes.fromhex(wire))
    assert (error.value.code, error.value.subcode) == (3, 1)


@pytest.mark.parametrize(
    ("attributes", "subcode", "data"),
    [
        ("40 63 01 07", 2, "40630107"),
        ("00 0f 03 000201", 4, "000f03000201"),
        ("40 01 01 07", 6, "40010107"),
        ("40 03 04 00000000", 8, "40030400000000"),
        ("80 04 01 00", 5, "80040100"),
        ("80 0f 02 0002", 9, "800f020002"),
        ("40 02 02 0201", 11, ""),
        ("80 0f 04 000201 81", 10, ""),
        ("40 01 05 00", 1, ""),
    ],
)
def test_the_notification_quotes_the_attribute_where_the_rfc_says_so(attributes, subcode, data):
    with pytest.raises(ProtocolError) as error:
        decode_update(body(attributes))
    assert (error.value.subcode, error.value.data) == (subcode, bytes.fromhex(data))


def read(attributes="", nlri="", withdrawn="", *, four_octet=True):
    return decode_update(body(attributes, nlri, withdrawn), four_octet=four_octet)


def test_a_good_update_has_no_faults():
    assert read(GOOD, NLRI) == Update((V4,), path=PATH4)
    assert read(REACH6 + ORIGIN + AS_PATH) == Update((V6,), path=PATH6)
    assert read(UNREACH6, "", "10 0a02") == Update(withdrawn=(OTHER4, V6))
    assert read("40 01 01 02" + AS_PATH + NEXT_HOP, NLRI).path == Path(Origin.INCOMPLETE, PATH4.as_path, HOST4)


def test_host_bits_are_cleared():
    assert read(GOOD, "09 0aff", "0f 0b01").announced == (Prefix.parse("10.128.0.0/9"),)
    assert read(GOOD, "09 0aff", "0f 0b01").withdrawn == (Prefix.parse("11.0.0.0/15"),)
    assert read("80 0f 07 0002 01 13 fd00ff").withdrawn == (Prefix.parse("fd00:e000::/19"),)


def test_of_a_next_hop_of_32_octets_the_global_one_counts():
    local = "fe80000000000000000000000000000f"
    reach = "80 0e 2a 0002 01 20" + HOST6_TEXT + local + "00 20 fd000001"
    assert read(reach + ORIGIN + AS_PATH) == Update((V6,), path=PATH6)


def test_ipv4_prefixes_in_multiprotocol_attributes_are_read_too():
    reach, unreach = "80 0e 0c 0001 01 04 c0000201 00 10 0a01", "80 0f 06 0001 01 10 0a02"
    path = Path(as_path=PATH4.as_path, mp_next_hop=HOST4)
    assert read(reach + unreach + ORIGIN + AS_PATH) == Update((V4,), (OTHER4,), path)


@pytest.mark.parametrize(
    ("attributes", "family"),
    [
        ("", Family.IPV4),
        ("80 0f 03 0002 01", Family.IPV6),
        ("90 0f 0003 0002 01", Family.IPV6),
        ("80 0f 03 0001 01", Family.IPV4),
    ],
)
def test_end_of_rib_is_told_from_a_bare_update(attributes, family):
    assert read(attributes) == Update(end_of_rib=family)


def test_an_empty_list_of_withdrawals_beside_something_else_is_no_end_of_rib():
    assert read("80 0f 03 0002 01", "", "10 0a02") == Update(withdrawn=(OTHER4,))
    assert read("80 0f 03 0002 01" + GOOD, NLRI) == Update((V4,), path=PATH4)


def test_families_that_are_not_spoken_are_ignored_and_told():
    told = read(FOREIGN + ORIGIN + AS_PATH)
    assert told == Update(faults=("MP_REACH_NLRI: ignored, AFI 1 SAFI 128 is not spoken",))
    assert read("80 0f 05 0019 46 0001").faults == ("MP_UNREACH_NLRI: ignored, AFI 25 SAFI 70 is not spoken",)
    assert read(FOREIGN + GOOD, NLRI).announced == (V4,)


def test_attributes_without_prefixes_are_told():
    assert read(GOOD) == Update(faults=("attributes of a path without prefixes",))
    assert read(GOOD + UNREACH6).withdrawn == (V6,)
    empty_reach = "80 0e 15 0002 01 10" + HOST6_TEXT + "00"
    assert read(empty_reach + GOOD, NLRI) == Update((V4,), path=PATH4)


def test_next_hop_does_not_count_where_mp_reach_holds_all_prefixes():
    for next_hop in (NEXT_HOP, "40 03 04 00000000", "40 03 01 00", "c0" + NEXT_HOP[2:]):
        assert read(ORIGIN + next_hop + REACH6 + AS_PATH) == Update((V6,), path=PATH6)


def test_a_prefix_withdrawn_and_announced_at_once_is_announced():
    assert read(GOOD, NLRI, "10 0a02" + NLRI) == Update((V4,), (OTHER4,), PATH4)
    assert read(GOOD + "80 04 00", NLRI, "10 0a02" + NLRI).withdrawn == (OTHER4, V4)


def test_unknown_optional_attributes_are_kept_as_they_came_but_for_meaningless_flags():
    extra = "ef 63 01 07" + "90 c8 0001 08" + "80 15 00"
    others = (Attribute(0x80, 21, b""), Attribute(0xE0, 99, b"\7"), Attribute(0x80, 200, b"\x08"))
    assert read(GOOD + extra, NLRI) == Update((V4,), path=replace(PATH4, others=others))


def test_the_partial_bit_of_a_known_attribute_is_no_error():
    assert read(GOOD + "e0 08 04 00000001", NLRI).path.communities == (1,)


def test_a_large_community_that_stands_twice_counts_once():
    large = "00000001 00000002 00000003"
    update = read(GOOD + "c0 20 24" + large + "00000000 00000000 00000000" + large, NLRI)
    assert update.path.large_communities == ((1, 2, 3), (0, 0, 0))
    assert not update.faults


TWO_OCTETS = ORIGIN + "40 02 08 02 03 0009 5ba0 0002" + NEXT_HOP
AS4_PATH = "c0 11 0a 02 02 00011170 00000002"


@pytest.mark.parametrize(
    ("extra", "asns"),
    [
        pytest.param("", [(9, 23456, 2)], id="without AS4_PATH"),
        pytest.param(AS4_PATH, [(9,), (70000, 2)], id="with AS4_PATH"),
        pytest.param("c0 11 12 02 04" + "00011170" * 4, [(9, 23456, 2)], id="AS4_PATH longer than AS_PATH"),
        pytest.param(
            AS4_PATH + "c0 07 06 0007 0a000001 c0 12 08 00011170 0a000001", [(9, 23456, 2)], id="AGGREGATOR 7"
        ),
        pytest.param(AS4_PATH + "c0 07 06 5ba0 0a000001 c0 12 08 00011170 0a000001", [(9,), (70000, 2)], id="AS_TRANS"),
        pytest.param(AS4_PATH + "c0 07 06 0007 0a000001", [(9,), (70000, 2)], id="AGGREGATOR alone"),
        pytest.param("c0 11 10 03 01 00000005 02 02 00011170 00000002", [(9,), (70000, 2)], id="a confederation in it"),
    ],
)
def test_the_true_path_of_a_two_octet_peer(extra, asns):
    update = read(TWO_OCTETS + extra, NLRI, four_octet=False)
    assert [segment.asns for segment in update.path.as_path] == asns
    assert update.faults == ()


def test_the_aggregator_of_a_two_octet_peer_is_kept_with_what_completes_it():
    pair = "c0 07 06 5ba0 0a000001 c0 12 08 00011170 0a000001"
    codes = [other.code for other in read(TWO_OCTETS + pair, NLRI, four_octet=False).path.others]
    assert codes == [7, 18]
    void = pair.replace("5ba0", "0007")
    assert [other.code for other in read(TWO_OCTETS + void, NLRI, four_octet=False).path.others] == [7]


def test_a_flood_of_faults_is_told_in_few_words():
    update = read(GOOD + "c0 63 00" * 5000, NLRI)
    assert update.announced == (V4,)
    assert len(update.faults) == MAX_FAULTS + 1
    assert update.faults[-1] == f"and {4999 - MAX_FAULTS} more"


@given(strategies.updates().filter(lambda update: any(p.family == 6 for p in update.announced + update.withdrawn)))
def test_multiprotocol_prefixes_come_first_among_the_attributes(update):
    wire = encode_update(update)
    attributes = wire[4 + int.from_bytes(wire[:2], "big") :]
    assert attributes[1] in (14, 15)


@pytest.mark.parametrize(
    "update",
    [
        Update(),
        Update((V4,)),
        Update(withdrawn=(V4,), path=PATH4),
        Update(withdrawn=(V4,), path=Path()),
        Update((V4,), path=PATH6),
        Update((V6,), path=PATH4),
        Update((V6,), path=Path(next_hop=HOST4, mp_next_hop=HOST6)),
        Update((V4, V6), path=PATH4),
        Update((V6,), path=Path(mp_next_hop=HOST4)),
        Update((V4,), (V4,), PATH4),
        Update((V4,), path=PATH4, faults=("x",)),
        Update((V4,), path=PATH4, end_of_rib=Family.IPV4),
        Update(withdrawn=tuple(Prefix(4, n << 8, 24) for n in range(20000))),
    ],
)
def test_an_update_that_cannot_be_said_is_refused(update):
    with pytest.raises(LocalError):
        encode_update(update)
