"""UPDATEs: what is read from well-formed ones, and what becomes of each kind of malformed ones (RFC 7606)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Attribute, Family, Origin, Path, Update
from terway_edge.backends.bgp.updates import MAX_FAULTS, decode_update, encode_update
from terway_edge.core.addresses import Prefix
from tests.bgp import strategies
from tests.bgp.malformed import (
    AS_PATH,
    CASES,
    FOREIGN,
    GOOD,
    HOST4,
    HOST6,
    HOST6_TEXT,
    NEXT_HOP,
    NLRI,
    ORIGIN,
    OTHER4,
    PATH4,
    PATH6,
    REACH6,
    UNREACH6,
    V4,
    V6,
    body,
)


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_update(name):
    case = CASES[name]
    if isinstance(case.outcome, int):
        with pytest.raises(ProtocolError) as error:
            decode_update(case.wire, four_octet=case.four_octet)
        assert (error.value.code, error.value.subcode) == (3, case.outcome)
        return
    update = decode_update(case.wire, four_octet=case.four_octet)
    assert update.faults
    if case.outcome == "withdraw":
        assert update == Update(withdrawn=case.announced, faults=update.faults)
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
