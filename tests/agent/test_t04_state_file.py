"""T04: whatever becomes of the journal, the next process gives no address of a live pod to another.

Damage is found in the file, or, where a file has simply ended earlier or is gone, in the kernel: pods are plugged in
and routed to that have no lease. Either way their leases are rebuilt, and free addresses rest for a cool-down.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from terway_edge.agent.records import FORMAT, Header, encode
from terway_edge.agent.recovery import doubts, rebuild
from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.core.ports import Stored
from tests.agent.rig import Rig, make_kernel

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
FLIPS = 10_000 if FULL else 150
BOOT = "7e6f4078-550d-4b52-a642-bfd6995daae6"


class Node:
    """Six live pods, two that are gone, and the journal of it all."""

    def __init__(self, root: Path) -> None:
        self.path, self.marker = root / "state" / "leases.journal", root / "run" / "leases.marker"
        journal, stored = Journal.open(self.path, BOOT, marker=self.marker)
        self.rig = Rig(store=journal, stored=stored)
        for number in range(8):
            self.rig.add(f"c{number}")
        for name in ("c0", "c5"):
            self.rig.delete(name)
        journal.close()
        self.held = {lease.key: set(lease.addresses) for lease in self.rig.ipam.leases()}
        self.sound = self.path.read_bytes()

    def write(self, data: bytes | None) -> None:
        """The file and nothing else, as somebody or something left it; None is no file."""
        for path in self.path.parent.iterdir():
            path.unlink()
        if data is not None:
            self.path.write_bytes(data)

    def start(self, boot: str = BOOT) -> tuple[Ipam, str]:
        """The next process, after its recovery: the order is that of `process.run` and `Agent`."""
        journal, stored = Journal.open(self.path, boot, marker=self.marker)
        try:
            if doubt := doubts(self.rig.kernel, stored):
                journal.distrust(doubt)
                stored = stored._replace(damage=doubt)
            ipam = Ipam(journal, self.rig.clock, cooldown=30.0, lock=threading.Lock())
            ipam.load(stored)
            for name in self.rig.ipam.pools():
                ipam.add_pool(name, Prefix.parse(name))
            if stored.damage:
                rebuilt = rebuild(self.rig.kernel, ipam.leases(), "flannel_route", self.rig.clock)
                for lease in rebuilt.disproved:
                    ipam.release(lease)
                for lease in rebuilt.found:
                    ipam.adopt(lease)
            return ipam, stored.damage
        finally:
            journal.close()

    def assert_no_second_owner(self) -> None:
        """After a start with the file as it is."""
        ipam, damage = self.start()
        believed = {lease.key: set(lease.addresses) for lease in ipam.leases()}
        assert believed.items() >= self.held.items()
        assert believed.keys() - self.held.keys() <= {("c0", "eth0"), ("c5", "eth0")}, "but an end may be forgotten"
        owned = [address for addresses in believed.values() for address in addresses]
        assert len(owned) == len(set(owned))
        assert damage or not self.aside(), "nothing is set aside without a word"
        if damage:
            with pytest.raises(Retry, match="all free addresses rest"):
                ipam.allocate(Sandbox("new", "eth0", "/run/netns/new"), "flannel_route", ipam.pools())

    def aside(self) -> list[Path]:
        return list(self.path.parent.glob("*.damaged-*"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return Node(tmp_path_factory.mktemp("node"))


def test_t04_no_prefix_of_the_file_is_taken_for_all_of_it(node: Node) -> None:
    ends = [number + 1 for number, byte in enumerate(node.sound) if byte == ord("\n")]
    near = {end + by for end in ends for by in (-1, 0, 1)}
    for length in range(len(node.sound)):
        if FULL or length in near or length % 97 == 0:
            node.write(node.sound[:length])
            node.assert_no_second_owner()
            assert bool(node.aside()) == (length not in ends), length


def test_t04_flipped_bits_are_no_second_owner(node: Node) -> None:
    dice = random.Random(4)
    for _ in range(FLIPS):
        data = bytearray(node.sound)
        for _ in range(dice.choice((1, 1, 2, 8))):
            where = dice.randrange(8 * len(data))
            data[where // 8] ^= 1 << where % 8
        node.write(bytes(data))
        node.assert_no_second_owner()
        if data != node.sound:
            assert [path.read_bytes() for path in node.aside()] == [data]


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 4096, b"garbage\n", encode(Header("another boot")), None])
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
def test_t04_what_is_no_journal_of_this_boot_is_not_taken_for_an_empty_one(
    node: Node, data: bytes | None, marked: bool
) -> None:
    node.write(data)
    if not marked:
        node.marker.unlink()
    node.assert_no_second_owner()


def test_t04_a_journal_of_a_later_version_is_refused_and_left_as_it_is(node: Node) -> None:
    data = encode(Header(BOOT, "", FORMAT + 1)) + node.sound.partition(b"\n")[2]
    node.write(data)
    with pytest.raises(Refused, match=f"has format {FORMAT + 1}"):
        node.start()
    assert node.path.read_bytes() == data


def test_t04_damage_that_only_the_kernel_tells_stays_on_record_until_it_is_mended(node: Node) -> None:
    node.write(node.sound.splitlines(keepends=True)[0])
    for _ in range(2):
        _, damage = node.start()
        assert damage.startswith("lease store: 6 pods are plugged in whose leases are not on record, as container c")
    journal, stored = Journal.open(node.path, BOOT, marker=node.marker)
    assert {lease.key: set(lease.addresses) for lease in stored.leases} == node.held
    journal.mended()
    journal.close()
    assert node.start()[1] == ""


def test_t04_the_link_of_a_del_that_was_cut_short_is_no_damage(tmp_path: Path) -> None:
    """Its routes are gone and its lease is released; the link is only unplugged."""
    node = Node(tmp_path)
    rig = Rig(make_kernel(unplug_at_once=False), node.rig.clock)
    rig.add("c9")
    rig.delete("c9")
    assert rig.link("c9") is not None
    assert doubts(rig.kernel, Stored()) == ""
