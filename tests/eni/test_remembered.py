"""What pods can be served from before the cloud has answered: written with the intents, believed as a whole."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Limits, VSwitch
from terway_edge.eni.intents import FILE, IntentsFile, Memory
from terway_edge.eni.policy import Site
from terway_edge.eni.remembered import KnownEni, Remembered
from terway_edge.testing.fake_cloud import ECS, INSTANCE

WAY = VSwitch(
    "vsw-a",
    "zone-a",
    Prefix.parse("10.0.0.0/16"),
    Address.parse("10.0.255.253"),
    Prefix.parse("2001:db8::/64"),
    Address.parse("fe80::1"),
)
OTHER = replace(WAY, id="vsw-b", ipv6_cidr=None, ipv6_gateway=None)
ITEMS = (Address.parse("10.0.0.9"), Prefix.parse("10.0.1.16/28"), Address.parse("2001:db8::9"))
ENI = KnownEni("eni-1", bytes.fromhex("00163e000001"), "vsw-a", Address.parse("10.0.0.9"), ITEMS, {"team": "a"})
FULL = Remembered(Site(INSTANCE, Limits(6, 15, 15), ECS), (WAY, OTHER), (ENI, ENI._replace(id="eni-2", vswitch="")))
GONE = Memory(gone=(("eni-7", 3.0),), is_warm=True)


def test_a_new_process_finds_what_was_remembered(tmp_path: Path) -> None:
    IntentsFile(tmp_path).save(GONE._replace(remembered=FULL))
    assert IntentsFile(tmp_path).load(100.0) == GONE._replace(remembered=FULL)


def rewrite(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """What another version might have written, its checksum right."""
    IntentsFile(directory).save(GONE._replace(remembered=FULL))
    document = json.loads((directory / FILE).read_bytes().partition(b" ")[2])
    change(document)
    text = json.dumps(document).encode()
    (directory / FILE).write_bytes(b"%08x %b\n" % (zlib.crc32(text), text))


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    rewrite(tmp_path, lambda document: document.pop("remembered"))
    assert IntentsFile(tmp_path).load(100.0) == GONE


DAMAGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("another shape", lambda r: r.update(enis={"eni-1": {}})),
    ("no ENIs", lambda r: r.pop("enis")),
    ("a way without a gateway", lambda r: r["ways"][0].pop("gateway")),
    ("a gateway elsewhere", lambda r: r["ways"][0].update(gateway="10.1.0.1")),
    ("a gateway of IPv6", lambda r: r["ways"][0].update(gateway="2001:db8::1")),
    ("a CIDR that is none", lambda r: r["ways"][0].update(cidr="10.0.0.0/33")),
    ("an IPv6 CIDR of IPv4", lambda r: r["ways"][0].update(ipv6_cidr="10.0.0.0/16")),
    ("an IPv6 gateway of IPv4", lambda r: r["ways"][0].update(ipv6_gateway="10.0.0.1")),
    ("a number for an id", lambda r: r["ways"][0].update(id=7)),
    ("a MAC of seven bytes", lambda r: r["enis"][0].update(mac="00163e00000102")),
    ("an address elsewhere", lambda r: r["enis"][0]["items"].append("10.1.0.9")),
    ("a prefix elsewhere", lambda r: r["enis"][0]["items"].append("10.1.0.16/28")),
    ("an IPv6 address elsewhere", lambda r: r["enis"][0]["items"].append("2001:db8:1::9")),
    ("an address that is none", lambda r: r["enis"][0]["items"].append("10.0.0.256")),
    ("a tag without a text", lambda r: r["enis"][0].update(tags={"team": None})),
    ("tags as a list", lambda r: r["enis"][0].update(tags=["team"])),
    ("limits below nothing", lambda r: r["site"]["limits"].update(enis=-1)),
    ("limits as a text", lambda r: r["site"]["limits"].update(enis="6")),
    ("a feature that is unknown", lambda r: r["site"]["features"].update(flies=True)),
    ("a feature that is no flag", lambda r: r["site"]["features"].update(has_tags="no")),
    ("a batch of none", lambda r: r["site"]["features"].update(batch=0)),
    ("an instance without a zone", lambda r: r["site"]["instance"].pop("zone")),
    ("an instance with a number", lambda r: r["site"]["instance"].update(zone=7)),
]


@pytest.mark.parametrize("damage", [each for _, each in DAMAGES], ids=[name for name, _ in DAMAGES])
def test_what_cannot_be_is_passed_over_and_what_is_under_way_counts(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(tmp_path, lambda document: damage(document["remembered"]))
    assert IntentsFile(tmp_path).load(100.0) == GONE
    assert "passed over" in caplog.text
