"""The lease journal: what is acknowledged is there again, and what is not as it was written is called damage."""

import os
import signal
import subprocess
import sys
import textwrap
from bisect import bisect_right
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.agent.records import Header, Released, encode, replay
from terway_edge.agent.store import KEPT_ASIDE, Journal
from terway_edge.core.addresses import Address
from terway_edge.core.errors import IO_FAILURE, Refused, Retry
from terway_edge.core.models import Bandwidth, Lease, PortMapping, Sandbox
from terway_edge.core.ports import Cooling, Stored

BOOT = "7e6f4078-550d-4b52-a642-bfd6995daae6"


def lease(number: int, at: float = 1.5) -> Lease:
    sandbox = Sandbox(
        f"{number:064x}", "eth0", f"/run/netns/cni-{number}", "default", f"pod-{number}", f"uid-{number}",
        Bandwidth(1, 2, 3, number) if number % 2 else None,
        (PortMapping(number + 1, 80), PortMapping(number + 1, 53, "udp", Address(4, number))) if number % 3 else (),
    )  # fmt: skip
    addresses = (Address(4, 0x0A000000 + number), Address(6, (0x20010DB8 << 96) + number))
    return Lease(sandbox, addresses, "flannel_route", ("v4", "v6"), at + number)


def cooling(of: Lease, at: float) -> set[Cooling]:
    return {Cooling(a, p, of.sandbox.pod_uid, at) for a, p in zip(of.addresses, of.pools, strict=True)}


class Home:
    """Where a journal lives; `open` is what a new process does."""

    def __init__(self, root: Path) -> None:
        self.path, self.marker = root / "state" / "leases.journal", root / "run" / "leases.boot"
        self.journal: Journal | None = None

    def open(self, boot: str = BOOT) -> Stored:
        self.close()
        self.journal, stored = Journal.open(self.path, boot, marker=self.marker)
        return stored

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    def write(self, data: bytes) -> None:
        """The file as something else left it."""
        self.close()
        self.path.write_bytes(data)

    def aside(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.glob("*.damaged-*"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def thirty_records(home: Home) -> list[Lease]:
    """20 leases, 10 of them released again; returns all 20."""
    home.open()
    leases = [lease(number) for number in range(20)]
    for one in leases:
        home.journal.put(one)
    for one in leases[:10]:
        home.journal.release(one, 40.0)
    home.close()
    return leases


def test_first_open_is_empty_and_sound(home: Home) -> None:
    assert home.open() == Stored()
    assert home.path.read_bytes() == encode(Header(BOOT))
    assert home.marker.read_text() == BOOT + "\n"


def test_everything_comes_back(home: Home) -> None:
    leases = thirty_records(home)
    stored = home.open()
    assert stored.damage == ""
    assert set(stored.leases) == set(leases[10:])
    beside = {one.key: (one.sandbox.bandwidth, one.sandbox.ports) for one in leases}
    for one in stored.leases:
        assert (one.sandbox.bandwidth, one.sandbox.ports) == beside[one.key], "they do not count for equality"
    assert set(stored.cooling) == set().union(*(cooling(one, 40.0) for one in leases[:10]))
    assert [record.released_at for record in stored.cooling] == sorted(r.released_at for r in stored.cooling)


def test_a_lease_written_by_a_version_that_knew_no_ports_is_read(home: Home) -> None:
    home.open()
    home.journal.put(lease(3))
    assert b'"ports"' not in home.path.read_bytes(), "nor does a pod without ports cost a byte"
    assert [one.sandbox.ports for one in home.open().leases] == [()]


def test_granting_a_cooling_address_ends_its_rest(home: Home) -> None:
    home.open()
    home.journal.put(lease(1))
    home.journal.release(lease(1), 10.0)
    again = replace(lease(2), addresses=lease(1).addresses)
    home.journal.put(again)
    assert home.open() == Stored((again,))


def test_over_cool_downs_are_forgotten_at_open(home: Home) -> None:
    home.open()
    home.journal.put(lease(1))
    home.journal.release(lease(1), 10.0)
    home.journal.put(lease(2, at=100.0))
    assert home.open() == Stored((lease(2, at=100.0),))


def test_another_boot_empties_the_store(home: Home) -> None:
    thirty_records(home)
    home.marker.unlink()
    assert home.open("another-boot") == Stored()
    assert home.aside() == []


@pytest.mark.parametrize("marker_of", ["another-boot", BOOT])
def test_marker_tells_a_missing_journal_from_a_first_start(home: Home, marker_of: str) -> None:
    thirty_records(home)
    home.path.unlink()
    home.marker.write_text(marker_of)
    stored = home.open()
    assert (stored.leases, stored.cooling) == ((), ())
    assert ("is gone, but it was there since the last boot" in stored.damage) == (marker_of == BOOT)


def test_journal_of_another_boot_in_the_place_of_ours_is_damage(home: Home) -> None:
    thirty_records(home)
    home.write(encode(Header("another-boot")) + encode(lease(1)))
    stored = home.open()
    assert stored.leases == ()
    assert "is of another boot, but there was one of this boot" in stored.damage
    assert home.aside() == ["leases.journal.damaged-1"]


def test_lost_marker_alone_is_no_damage(home: Home) -> None:
    leases = thirty_records(home)
    home.marker.unlink()
    stored = home.open()
    assert stored.damage == ""
    assert set(stored.leases) == set(leases[10:])


@pytest.mark.slow
def test_t04_every_prefix_of_the_file_is_whole_records_or_damage(home: Home) -> None:
    leases = thirty_records(home)
    data = home.path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(data) if byte == 0x0A]
    assert len(ends) == 31
    for length in range(len(data) + 1):
        contents, damage, *_ = replay(data[:length], BOOT)
        assert (damage == "") == (length in ends), length
        lines = bisect_right(ends, length)
        granted, released = min(max(lines - 1, 0), 20), min(max(lines - 21, 0), 10)
        assert list(contents.leases.values()) == leases[released:granted]
        assert len(contents.cooling) == 2 * released
        if length in (0, 1, ends[0] - 1, ends[0] + 1, ends[12] - 1, ends[12] + 7, len(data) - 1):
            home.write(data[:length])
            stored = home.open()
            assert f"{home.path}: {damage}; it is kept as" in stored.damage
            assert stored.leases == tuple(leases[released:granted])


LEASES = [lease(number) for number in range(20)]
SOUND = b"".join(map(encode, [Header(BOOT), *LEASES, *(Released(one.key, 40.0) for one in LEASES[:10])]))


@settings(deadline=None, max_examples=300)
@given(flips=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 7)), min_size=1, max_size=4))
def test_t04_flipped_bits_are_never_taken_for_truth(flips: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for where, bit in flips:
        data[where] ^= 1 << bit
    contents, damage, *_ = replay(bytes(data), BOOT)
    assert (damage == "") == (data == SOUND)
    survivors = contents.leases.values()
    assert set(survivors) <= set(LEASES), "every survivor is as it was written"
    bandwidths = {one.key: one.sandbox.bandwidth for one in LEASES}
    assert all(one.sandbox.bandwidth == bandwidths[one.key] for one in survivors)
    assert set(contents.cooling.values()) <= set().union(*(cooling(one, 40.0) for one in LEASES[:10]))
    addresses = [address for one in survivors for address in one.addresses]
    assert len(addresses) == len(set(addresses))


def test_lost_release_does_not_make_two_owners(home: Home) -> None:
    old, new = lease(1), replace(lease(2), addresses=lease(1).addresses[:1], pools=("v4",))
    home.open()
    home.journal.put(old)
    home.journal.release(old, 10.0)
    home.journal.put(new)
    data = home.path.read_bytes().splitlines(keepends=True)
    home.write(b"".join([data[0], data[1], data[3]]))
    stored = home.open()
    assert stored.leases == (new,)
    assert "was granted to" in stored.damage


def test_damage_stays_on_record_until_mended(home: Home) -> None:
    thirty_records(home)
    home.write(home.path.read_bytes()[:-5])
    first = home.open()
    assert "line 31: cut off after" in first.damage
    assert home.open().damage == first.damage
    home.journal.put(lease(25))
    again = home.open()
    assert again.damage == first.damage
    assert set(again.leases) == {*first.leases, lease(25)}
    home.journal.mended()
    stored = home.open()
    assert stored.damage == ""
    assert set(stored.leases) == set(again.leases)


def test_damaged_files_are_kept_aside_but_not_for_ever(home: Home) -> None:
    home.open()
    for number in range(KEPT_ASIDE + 2):
        home.write(b"garbage %d" % number)
        assert f"damaged-{number + 1}" in home.open().damage
    assert home.aside() == [f"leases.journal.damaged-{number}" for number in (3, 4, 5)]
    assert home.path.with_name("leases.journal.damaged-5").read_bytes() == b"garbage 4"


@pytest.mark.parametrize("name", ["1.gz", "2 (copy)", "3~", "\u0664", "0x5"])
def test_what_people_make_of_damaged_files_is_theirs(home: Home, name: str) -> None:
    home.open()
    theirs = home.path.with_name(f"leases.journal.damaged-{name}")
    theirs.write_bytes(b"theirs")
    for number in range(KEPT_ASIDE + 2):
        home.write(b"garbage %d" % number)
        assert home.open().damage
    assert theirs.read_bytes() == b"theirs"
    assert len(home.aside()) == KEPT_ASIDE + 1


def test_a_marker_that_is_no_text_is_none_of_this_boot(home: Home) -> None:
    home.open()
    home.journal.put(lease(1))
    home.marker.write_bytes(b"\xff\0")
    stored = home.open()
    assert (stored.leases, stored.damage) == ((lease(1),), "")
    assert home.marker.read_text() == f"{BOOT}\n"


@pytest.mark.parametrize("data", [b"", b"\0" * 4096, b"garbage\n", encode(lease(1))])
def test_file_without_a_header_is_damage(home: Home, data: bytes) -> None:
    home.path.parent.mkdir(mode=0o700)
    home.write(data)
    assert home.open().damage


def test_releasing_an_unknown_lease_keeps_its_rest_and_is_no_damage(home: Home) -> None:
    home.open()
    home.journal.release(lease(1), 10.0)
    stored = home.open()
    assert stored == Stored((), tuple(sorted(cooling(lease(1), 10.0))))


def test_files_are_for_root_only(home: Home) -> None:
    thirty_records(home)
    home.write(b"garbage")
    home.open()
    for path in (home.path, home.marker):
        assert path.stat().st_mode & 0o777 == 0o600
    for folder in (home.path.parent, home.marker.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    descriptors = [fd for fd in os.listdir("/proc/self/fd") if points_to(fd, home.path)]
    assert len(descriptors) == 1
    assert not os.get_inheritable(int(descriptors[0]))


def points_to(descriptor: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except FileNotFoundError:
        return False


def test_directory_that_others_may_write_to_is_refused(home: Home) -> None:
    home.path.parent.mkdir()
    home.path.parent.chmod(0o777)
    with pytest.raises(Refused, match=r"state has mode 0777, expected 0700.*: chmod 0700 "):
        home.open()


def test_unusable_path_is_refused_with_its_name(home: Home) -> None:
    home.path.parent.parent.joinpath("state").write_text("a file, not a directory")
    with pytest.raises(Refused, match=r"lease store: cannot use .*state.*: File exists") as caught:
        home.open()
    assert caught.value.code == IO_FAILURE


def test_leftover_of_an_interrupted_rewrite_is_no_obstacle(home: Home) -> None:
    leases = thirty_records(home)
    home.path.with_name("leases.journal.new").write_bytes(b"half a fi")
    assert set(home.open().leases) == set(leases[10:])
    assert not home.path.with_name("leases.journal.new").exists()


def test_journal_is_compacted_and_keeps_what_rests(home: Home) -> None:
    home.open()
    home.journal.put(lease(0))
    at = 10.0
    for _ in range(3000):
        home.journal.put(lease(1, at))
        at += 0.1
        home.journal.release(lease(1, at), at)
    resting = lease(2)
    home.journal.put(resting)
    home.journal.release(resting, at)
    lines = home.path.read_bytes().count(b"\n")
    assert lines < 1100 + 4 * 5
    stored = home.open()
    assert stored.leases == (lease(0),)
    assert set(stored.cooling) == cooling(lease(1), at) | cooling(resting, at)


def test_many_cooling_entries_do_not_make_every_write_a_rewrite(home: Home) -> None:
    home.open()
    rewrites, inode = 0, 0
    for number in range(2000):
        home.journal.put(lease(number, -number))
        home.journal.release(lease(number), 5.0)
        rewrites += inode not in (0, inode := home.path.stat().st_ino)
    assert rewrites <= 2
    assert len(home.open().cooling) == 4000


def break_descriptor(home: Home) -> None:
    """From now on write(2) gives EBADF and ftruncate(2) EINVAL."""
    read_only = os.open(home.path, os.O_RDONLY)
    os.dup2(read_only, home.journal._file, inheritable=False)
    os.close(read_only)


def test_unfinished_record_that_cannot_be_taken_back_is_written_around(home: Home) -> None:
    home.open()
    home.journal.put(lease(1))
    with home.path.open("ab") as file:
        file.write(encode(lease(2))[:40])
    break_descriptor(home)
    with pytest.raises(Retry, match="Bad file descriptor; the lease is not changed"):
        home.journal.put(lease(2))
    home.path.parent.joinpath("leases.journal.new").mkdir()  # the rewrite fails too
    with pytest.raises(Retry, match="cannot write"):
        home.journal.put(lease(2))
    home.path.parent.joinpath("leases.journal.new").rmdir()
    home.journal.put(lease(3))
    stored = home.open()
    assert stored == Stored((lease(1), lease(3)))


def test_error_of_a_vanished_directory_does_not_sound_like_success_to_go_cni(home: Home) -> None:
    home.open()
    break_descriptor(home)
    with pytest.raises(Retry):
        home.journal.put(lease(1))
    home.path.unlink()
    home.path.parent.rmdir()
    with pytest.raises(Retry) as caught:
        home.journal.put(lease(1))
    assert "its directory is gone" in str(caught.value)
    assert "no such file" not in str(caught.value).lower()


def run_python(body: str, *args: str) -> subprocess.Popen[bytes]:
    """A process of its own that has `lease` and `Journal`; its limits and its death are its own."""
    prelude = textwrap.dedent(
        f"""
        import importlib.util, resource, sys
        from pathlib import Path
        spec = importlib.util.spec_from_file_location("store_tests", {str(Path(__file__))!r})
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        lease, Journal, Retry, BOOT = module.lease, module.Journal, module.Retry, module.BOOT
        journal, _ = Journal.open(Path(sys.argv[1]), BOOT, marker=Path(sys.argv[2]))
        """
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(body), *args],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def test_full_disk_is_a_retry_and_leaves_whole_records(home: Home) -> None:
    """RLIMIT_FSIZE stands in for a full disk: the last write(2) is partial, then EFBIG, also for a rewrite."""
    body = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    done = []
    for number in range(200):
        try:
            journal.put(lease(number))
            done.append(number)
        except Retry as error:
            assert error.after > 0 and "the lease is not changed" in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.put(lease(500))
    print(*done, 500)
    """
    with run_python(body, str(home.path), str(home.marker)) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    done = [int(word) for word in out.split()]
    assert 30 < len(done) < 100
    stored = home.open()
    assert stored.damage == ""
    assert set(stored.leases) == {lease(number) for number in done}


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", [1, 7, 50, 300, 1100, 2500])
def test_t05_killed_writer_loses_nothing_it_acknowledged(home: Home, acknowledged: int) -> None:
    """Puts and releases, each acknowledged on a pipe; the kill comes while the next ones are being written."""
    body = """
    number = 0
    while True:
        journal.put(lease(number, -number))
        sys.stdout.buffer.write(b"+%d\\n" % number)
        sys.stdout.buffer.flush()
        if number % 2:
            journal.release(lease(number), 5.0)
            sys.stdout.buffer.write(b"-%d\\n" % number)
            sys.stdout.buffer.flush()
        number += 1
    """
    with run_python(body, str(home.path), str(home.marker)) as process:
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    lines = [line for line in lines if line.endswith(b"\n")]
    granted = {int(line[1:]) for line in lines if line.startswith(b"+")}
    released = {int(line[1:]) for line in lines if line.startswith(b"-")}
    stored = home.open()
    # At most one record, the one being written, may be there without its acknowledgement.
    held = {int(one.sandbox.container_id, 16) for one in stored.leases}
    missing, extra = (granted - released) - held, held - (granted - released)
    assert missing <= {max(granted)}, "unless its release was being written"
    assert extra <= {max(granted) + 1}
    assert len(missing) + len(extra) <= 1
    resting = {address.value & 0xFFFF for address, *_ in stored.cooling}
    assert released <= resting
    assert not missing - resting


def test_a_closed_journal_writes_nothing_more(home: Home) -> None:
    """Another agent may have the file by then."""
    home.open()
    journal = home.journal
    journal.put(lease(1))
    home.close()
    before = home.path.read_bytes()
    for write in (lambda: journal.put(lease(2)), lambda: journal.distrust("x"), lambda: journal.release(lease(1), 9.0)):
        with pytest.raises(Retry, match="this agent has ended"):
            write()
    assert home.path.read_bytes() == before
