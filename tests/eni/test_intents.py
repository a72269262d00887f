"""The file of what is under way: nothing is lost, and nothing damaged is trusted."""

import json
import stat
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import AddressWish, EniWish
from terway_edge.core.errors import IO_FAILURE, Retry
from terway_edge.eni.intents import FILE, IntentsFile, Left, Made, Memory, Parted, read, write

ADDRESS = Address.parse("10.0.0.9")
SIX = Address.parse("2001:db8::9")
BLOCK = Prefix.parse("10.0.1.16/28")
FULL = Memory(
    making=(
        Made(EniWish("intent-1", "vsw-a", ("sg-a", "sg-b"), 10, 2, tags={"team": "a"}, resource_group="rg")),
        Made(EniWish("intent-2", "vsw-b", ("sg-a",), ipv4_prefixes=3, ipv6_prefixes=1, checks_source=True), "eni-2"),
    ),
    assigning=(AddressWish("intent-3", "eni-3", (ADDRESS, SIX, BLOCK), ipv4=4, ipv6=5),),
    leaving=(Left("eni-4", (ADDRESS, SIX), is_bound=False), Left("eni-5", is_orphan=True)),
    parted=(Parted("eni-6", (ADDRESS, BLOCK), 17.5), Parted("eni-6", (SIX,), 18.0, is_done=True)),
    gone=(("eni-7", 3.0),),
    is_warm=True,
)


@pytest.mark.parametrize("memory", [Memory(), FULL])
def test_a_new_process_finds_what_was_saved(tmp_path: Path, memory: Memory) -> None:
    IntentsFile(tmp_path).save(Memory(is_warm=True))
    IntentsFile(tmp_path).save(memory)
    assert IntentsFile(tmp_path).load(100.0) == memory
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_another_instance_was_about_is_passed_over(tmp_path: Path) -> None:
    """A disk may be copied with all that is on it; the ENIs of the one must not be given up by the other."""
    IntentsFile(tmp_path, "i-one").save(FULL)
    assert IntentsFile(tmp_path, "i-one").load(100.0) == FULL
    assert IntentsFile(tmp_path, "i-two").load(100.0) == Memory()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    IntentsFile(tmp_path).save(FULL)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_another_process_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.tmp").write_bytes(b"half")
    IntentsFile(tmp_path).save(FULL)
    assert IntentsFile(tmp_path).load(100.0) == FULL


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert IntentsFile(tmp_path).load(0.0) == Memory()


def test_times_are_never_ahead_of_the_clock() -> None:
    """A reboot sets the clock back; what is remembered for a while would be remembered for ever."""
    found = read(write(FULL), 10.0)
    assert [parted.at for parted in found.parted] == [10.0, 10.0]
    assert found.gone == (("eni-7", 3.0),)


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = write(FULL).rstrip(b"\n")
    for length in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:length])
        assert IntentsFile(tmp_path).load(100.0) == Memory()


@given(st.integers(0, len(write(FULL)) - 2), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(position: int, bit: int) -> None:
    data = bytearray(write(FULL))
    data[position] ^= 1 << bit
    with pytest.raises(ValueError, match=r"checksum|invalid"):
        read(bytes(data), 100.0)


def test_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    document = json.loads(write(FULL).partition(b" ")[2]) | {"format": 2}
    text = json.dumps(document).encode()
    (tmp_path / FILE).write_bytes(b"%08x %b\n" % (zlib.crc32(text), text))
    assert IntentsFile(tmp_path).load(100.0) == Memory()


def test_it_is_on_disk_before_it_takes_the_old_ones_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut leaves the old file or the new one, whole."""
    file, seen = IntentsFile(tmp_path), []
    file.save(Memory())
    old = (tmp_path / FILE).read_bytes()

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        seen.append((path.name, (tmp_path / FILE).read_bytes() == old))
        if path.is_file():
            assert path.read_bytes() == write(FULL)

    monkeypatch.setattr("os.fsync", note)
    file.save(FULL)
    assert seen == [(f"{FILE}.tmp", True), (tmp_path.name, False)]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    IntentsFile(tmp_path).save(FULL)
    (tmp_path / f"{FILE}.tmp").mkdir()
    with pytest.raises(Retry, match=r"cannot write .*eni\.json: Is a directory; ENIs stay as they are") as caught:
        IntentsFile(tmp_path).save(Memory())
    assert caught.value.code == IO_FAILURE
    assert IntentsFile(tmp_path).load(100.0) == FULL


def test_a_directory_that_is_gone_is_no_success_by_the_words_of_go_cni(tmp_path: Path) -> None:
    with pytest.raises(Retry) as caught:
        IntentsFile(tmp_path / "none").save(FULL)
    assert "not found" not in str(caught.value).lower()
