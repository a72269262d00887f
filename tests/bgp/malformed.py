"""UPDATEs written out by hand: good ones in pieces, and a table of malformed ones with what must come of each."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from terway_edge.backends.bgp.messages import Attribute, Path, Segment
from terway_edge.backends.bgp.updates import join
from terway_edge.core.addresses import Address, Prefix

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


def body(attributes: str = "", nlri: str = "", withdrawn: str = "") -> bytes:
    """The body of an UPDATE of three fields in hexadecimal."""
    return join(bytes.fromhex(withdrawn), bytes.fromhex(attributes), bytes.fromhex(nlri))


class Case(NamedTuple):
    """`outcome`: "withdraw", "discard" (`path` is left), or the subcode of the error that ends the session."""

    attributes: str
    outcome: str | int
    nlri: str = NLRI
    withdrawn: str = ""
    four_octet: bool = True
    path: Path = PATH4

    @property
    def wire(self) -> bytes:
        return body(self.attributes, self.nlri, self.withdrawn)

    @property
    def announced(self) -> tuple[Prefix, ...]:
        """What a reader that goes on must have found."""
        has_v6 = bytes.fromhex("20fd000001") in bytes.fromhex(self.attributes)
        return (V4,) * bool(self.nlri) + (V6,) * has_v6


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
