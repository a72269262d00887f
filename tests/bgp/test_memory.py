"""What the next process knows: all of it, or nothing at all, and the password shows nowhere else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terway_edge.backends.bgp import memory
from terway_edge.backends.bgp.announcements import Announcement
from terway_edge.backends.bgp.memory import FILE, Remembered, Remembrance, load, save
from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.wish import Attributes
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.secret import Secret
from tests.bgp.strategies import asns, hosts4, hosts6, octets4, prefixes

CANARY = Secret(b"canary-password")
SPEC = PeerSpec("lan-a", Address.parse("192.0.2.1"), Address.parse("192.0.2.10"), 65100, 65001, 7, password=CANARY)
ROUTES = (
    Announcement(Prefix.parse("10.1.0.0/24"), Address.parse("192.0.2.20"), "node-b"),
    Announcement(Prefix.parse("fd00:1::/64"), Address.parse("2001:db8::20"), "node-b"),
)
KNOWN = Remembrance("boot-1", {SPEC.address: Remembered(SPEC, ROUTES, Attributes(communities=(7,)))})

SPECS = st.builds(
    PeerSpec,
    name=st.text(min_size=1, max_size=20),
    address=hosts4 | hosts6,
    local_address=hosts4 | hosts6,
    local_asn=asns,
    peer_asn=asns,
    router_id=octets4,
    port=st.integers(1, 65535),
    password=st.none() | st.binary(min_size=1, max_size=80).map(Secret),
    hold_time=st.integers(3, 65535),
    keepalive=st.none() | st.integers(1, 100),
    connect_retry=st.floats(0, 65535),
    restart_time=st.integers(0, 4095),
    notification=st.booleans(),
    ttl_security=st.integers(0, 254),
    multihop=st.integers(0, 255),
    families=st.lists(st.sampled_from(Family), unique=True).map(tuple),
)
ANNOUNCEMENTS = st.builds(
    Announcement, prefixes(4) | prefixes(6), hosts4 | hosts6, st.text(alphabet="abc-.1", min_size=1, max_size=20)
)
ATTRIBUTES = st.builds(
    Attributes,
    communities=st.lists(octets4, max_size=3).map(tuple),
    large_communities=st.lists(st.tuples(octets4, octets4, octets4), max_size=3).map(tuple),
)
REMEMBERED = st.builds(Remembered, SPECS, st.lists(ANNOUNCEMENTS, max_size=5).map(tuple), ATTRIBUTES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boot=st.text(max_size=40), peers=st.lists(REMEMBERED, min_size=1, max_size=3))
def test_what_is_saved_is_loaded(tmp_path: Path, boot: str, peers: list[Remembered]) -> None:
    said = Remembrance(boot, {remembered.spec.address: remembered for remembered in peers})
    save(tmp_path, said)
    assert load(tmp_path) == said


def test_without_peers_there_is_no_file(tmp_path: Path) -> None:
    save(tmp_path, KNOWN)
    (tmp_path / f"{FILE}.tmp").write_text("of a crash, with a password in it")
    save(tmp_path, Remembrance("boot-1"))
    assert list(tmp_path.iterdir()) == []
    save(tmp_path, Remembrance())
    assert load(tmp_path) == Remembrance()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_root_may_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save(tmp_path, KNOWN)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_crash_before_the_end_leaves_the_last_whole_file(tmp_path: Path) -> None:
    save(tmp_path, KNOWN)
    temporary = tmp_path / f"{FILE}.tmp"
    temporary.write_bytes((tmp_path / FILE).read_bytes()[:40])
    assert load(tmp_path) == KNOWN
    later = Remembrance("boot-2", KNOWN.peers)
    save(tmp_path, later)
    assert load(tmp_path) == later
    assert not temporary.exists()


def test_what_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / f"{FILE}.tmp").symlink_to(victim)
    save(tmp_path, KNOWN)
    assert victim.read_text() == "untouched"
    assert load(tmp_path) == KNOWN


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save(tmp_path / "missing", KNOWN)


def whole(tmp_path: Path) -> bytes:
    save(tmp_path, KNOWN)
    return (tmp_path / FILE).read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b'{"format": 1}',
        b'{"format": 2, "checksum": 0, "body": ["b", []]}',
        b'{"format": 1, "checksum": 3735928559, "body": ["b", []]}',
        b'{"format": 1, "checksum": "x", "body": null}',
        b"[" * 100_000,
        b'{"format": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe\x00",
    ],
    ids=range(14),
)
def test_a_file_of_another_kind_is_passed_over_and_told(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert load(tmp_path) == Remembrance()
    (record,) = caplog.records
    assert f"{tmp_path}/{FILE} is unusable" in record.message
    assert len(record.message) < 500


def test_a_directory_instead_of_the_file_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()
    assert load(tmp_path) == Remembrance()
    assert "IsADirectoryError" in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_told_and_nothing_of_it_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    """A changed octet, a lost tail, a piece of another file: never other routes than those that were saved."""
    content = bytearray(whole(tmp_path))
    caplog.clear()
    where = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["change", "cut", "insert"])):
        case "change":
            content[where] ^= data.draw(st.integers(1, 255))
        case "cut":
            del content[where:]
        case "insert":
            content[where:where] = data.draw(st.binary(min_size=1, max_size=5))
    (tmp_path / FILE).write_bytes(content)
    assert load(tmp_path) in (Remembrance(), KNOWN)
    for record in caplog.records:
        assert "canary" not in record.getMessage()
        assert record.exc_info is None


@pytest.mark.parametrize(
    "change",
    [
        lambda peer: peer.pop("password"),
        lambda peer: peer.update(password=7),
        lambda peer: peer.update(password="canary-\u0444"),
        lambda peer: peer.update(password=["canary"]),
        lambda peer: peer.update(unknown="canary"),
        lambda peer: peer.update(address="canary"),
        lambda peer: peer.update(address=None),
        lambda peer: peer.update(families=["IPV5"]),
        lambda peer: peer.update(routes=[["10.0.0.0/24"]]),
        lambda peer: peer.update(routes=[["10.0.0.1/24", "192.0.2.1", "n"]]),
        lambda peer: peer.update(large_communities=[[1, 2]]),
        lambda peer: peer.pop("local_asn"),
    ],
    ids=range(12),
)
def test_a_whole_file_of_another_release_is_passed_over(
    tmp_path: Path, change: object, caplog: pytest.LogCaptureFixture
) -> None:
    boot, (peer,) = json.loads(whole(tmp_path))["body"]
    change(peer)  # type: ignore[operator]
    body = [boot, [peer]]
    checksum = crc32(json.dumps(body, separators=(",", ":")).encode())
    document = {"format": memory.FORMAT, "checksum": checksum, "body": body}
    (tmp_path / FILE).write_text(json.dumps(document))
    assert load(tmp_path) == Remembrance()
    assert "unusable" in caplog.text
    assert CANARY.value.decode() not in caplog.text


def test_the_boot_has_a_name() -> None:
    assert memory.boot_id() == memory.boot_id()
    assert len(memory.boot_id()) == 36
