"""T26: what becomes of a lease journal that another version wrote. Format 0 never was: it is made up here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from terway_edge.agent import records
from terway_edge.agent.records import FORMAT, Header, Record, Released, encode
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Stored
from tests.agent.test_store import BOOT, Home, cooling, lease


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.path.parent.mkdir(mode=0o700)
    return found


def line(document: dict[str, Any]) -> bytes:
    body = json.dumps(document, separators=(",", ":")).encode()
    return b"%08x %s\n" % (crc32(body), body)


def document(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(record)[9:])
    return found


def older(record: Record) -> bytes:
    """As format 0 had it: addresses in one text."""
    found = document(record)
    if "lease" in found:
        found["lease"]["ips"] = " ".join(found["lease"].pop("addresses"))
    return line(found)


def newer(found: dict[str, Any]) -> dict[str, Any]:
    if "lease" in found:
        found["lease"]["addresses"] = found["lease"].pop("ips").split()
    return found


OLD = encode(Header(BOOT, "", 0)) + b"".join(map(older, [lease(1), lease(2), Released(lease(2).key, 40.0)]))


def test_t26_an_older_journal_is_read_and_written_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "UPGRADES", {0: newer})
    home.write(OLD)
    stored = home.open()
    assert stored == Stored((lease(1),), tuple(sorted(cooling(lease(2), 40.0))))
    assert stored.leases[0].sandbox.ports == lease(1).sandbox.ports
    home.journal.put(lease(3))
    head, *lines = home.path.read_bytes().splitlines(keepends=True)
    assert head == encode(Header(BOOT))
    assert lines[-2:] == [encode(lease(1)), encode(lease(3))]
    assert home.aside() == []


def test_t26_damage_in_an_older_journal_is_damage(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "UPGRADES", {0: newer})
    home.write(OLD + encode(lease(4)))  # a line that no version of format 0 wrote
    stored = home.open()
    assert stored.leases == (lease(1),)
    assert "line 5: record is complete but of another shape" in stored.damage


@pytest.mark.parametrize("format", [FORMAT + 1, FORMAT - 1, "two"])
@pytest.mark.parametrize("marked", [True, False])
def test_t26_a_format_that_is_not_known_is_refused_and_left_as_it_is(home: Home, format: Any, marked: bool) -> None:
    home.open()
    home.close()
    if not marked:
        home.marker.unlink()
    data = encode(Header(BOOT, "", format)) + b"whatever it is\n"
    home.write(data)
    before = sorted(home.path.parent.iterdir())
    for _ in range(2):
        with pytest.raises(Refused, match=rf"{home.path} has format {format}, and this version reads 1 only"):
            home.open()
    assert home.path.read_bytes() == data
    assert sorted(home.path.parent.iterdir()) == before
    assert home.marker.exists() == marked


def test_t26_the_refusal_says_what_to_do_and_that_is_what_helps(home: Home) -> None:
    home.open()
    home.write(encode(Header(BOOT, "", FORMAT + 1)))
    with pytest.raises(Refused) as caught:
        home.open()
    for word in ("start the version that wrote it", "reboot", "move the file away"):
        assert word in str(caught.value)
    home.path.rename(home.path.with_name("away"))
    assert "is gone" in home.open().damage, "so leases are rebuilt from the kernel and free addresses rest"


def test_t26_after_a_reboot_its_format_does_not_matter(home: Home) -> None:
    home.write(encode(Header("another-boot", "", FORMAT + 1)) + b"whatever it is\n")
    assert home.open() == Stored()


def test_t26_keys_that_a_later_version_adds_are_passed_over(home: Home) -> None:
    """Such a version keeps the format, so that one can go back."""
    granted = document(lease(1))
    granted["lease"]["zone"] = "z"
    home.write(encode(Header(BOOT)) + line(granted) + line({**document(Released(lease(1).key, 9.0)), "why": "DEL"}))
    assert home.open() == Stored((), tuple(sorted(cooling(lease(1), 9.0))))


def test_t26_every_format_before_has_a_way_up() -> None:
    assert list(records.UPGRADES) == list(range(min(records.UPGRADES, default=FORMAT), FORMAT))
