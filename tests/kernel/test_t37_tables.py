"""T37: what others do to our nftables tables is told at once, what we and others do to their own is not."""

import os
import shutil
import threading
import time
from contextlib import closing

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.ports import Forward, Masquerade, Source
from terway_edge.testing import MemoryFirewall
from tests.kernel.test_sources import FOUR, NftWorld

ALL = Masquerade((Prefix.parse("10.0.0.0/24"),))
PORT = Forward("tcp", 80, None, Address.parse("10.0.0.5"), 80)
OTHERS = "add table inet a; add chain inet a c; add rule inet a c drop; add set inet a s { type ipv4_addr; }"
"""It comes before ours in lists of tables, and in what is told of a transaction."""


@pytest.fixture
def nft_world(real_world):
    with closing(NftWorld(real_world)) as made:
        yield made


@pytest.fixture(params=["memory", pytest.param("nft", marks=pytest.mark.root)])
def struck(request):
    """A firewall, and what flushes all tables as a stranger."""
    if request.param == "memory":
        firewall = MemoryFirewall()
        return firewall, firewall.flush
    world = request.getfixturevalue("nft_world")
    return world.firewall, lambda: world.nft("flush", "ruleset")


class Heard:
    """Counts calls."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1


def watched(firewall):
    heard = Heard()
    return heard, closing(firewall.watch(heard))


def fill(firewall):
    firewall.set_sources([FOUR])
    firewall.set_forwards([PORT])
    firewall.set_masquerade(ALL)


def wakeups():
    """How often the kernel has woken the thread that watches tables."""
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "terway-tables"]
    with open(f"/proc/self/task/{thread.native_id}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary"))


def test_t37_masquerading_that_others_removed_is_put_back(struck):
    firewall, flush = struck
    assert not firewall.mend_masquerade()
    fill(firewall)
    assert not firewall.mend_masquerade()
    flush()
    assert firewall.mend_masquerade()
    assert not firewall.mend_masquerade()
    firewall.set_masquerade(None)
    assert not firewall.mend_masquerade()


@pytest.mark.root
@pytest.mark.parametrize(
    "damage",
    [
        "flush set inet terway_edge direct4",
        "add element inet terway_edge direct4 { 198.18.7.0/24 }",
        "delete element inet terway_edge pods4 { 10.0.0.0/24 }; add element inet terway_edge pods4 { 10.0.0.0/25 }",
        "delete element inet terway_edge pods4 { 10.0.0.0/24 }; add element inet terway_edge pods4 { 10.0.1.0/24 }",
    ],
)
def test_t37_masquerading_that_others_changed_is_put_right(nft_world, damage):
    fill(nft_world.firewall)
    before = nft_world.nft("list", "table", "inet", "terway_edge")
    nft_world.nft(damage)
    assert nft_world.firewall.mend_masquerade()
    assert nft_world.nft("list", "table", "inet", "terway_edge") == before
    assert not nft_world.firewall.mend_masquerade()


def test_t37_a_flush_is_told_to_all_who_watch_until_they_close(struck, eventually):
    firewall, flush = struck
    fill(firewall)
    (one, first), (other, second) = watched(firewall), watched(firewall)
    with first, second:
        flush()
        eventually(lambda: one.times == other.times == 1)
        first.thing.close()
        fill(firewall)
        flush()
        eventually(lambda: other.times == 2)
    flush()
    assert (one.times, other.times) == (1, 2)


@pytest.mark.root
@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "delete table inet terway_edge",
        "flush chain inet terway_edge pod_in",
        "flush chain inet terway_edge postrouting",
        "flush set arp terway_edge senders",
        "flush map inet terway_edge ports4",
        "delete element inet terway_edge sources4 { tw00000000000a1 . 06:00:00:00:00:01 . 10.0.0.5 }",
        "insert rule inet terway_edge pod accept",
        f"{OTHERS}; flush chain inet terway_edge pod_in",
    ],
)
def test_t37_what_others_do_to_our_tables_is_told_at_once(nft_world, eventually, damage):
    nft_world.nft(OTHERS)
    firewall = nft_world.firewall
    fill(firewall)
    heard, watch = watched(firewall)
    with watch:
        began = time.monotonic()
        nft_world.nft(damage)
        eventually(lambda: heard.times > 0)
        assert time.monotonic() - began < 1.0


def picture(world):
    listed = [world.nft("-s", "list", "table", family, "terway_edge") for family in ("inet", "arp")]
    return [sorted(each.splitlines()) for each in listed]


CHANGED = {
    "a policy that drops": "chain inet terway_edge pod_in { policy drop; }",
    "a policy that drops ARP": "chain arp terway_edge pod_in { policy drop; }",
    "a table that sleeps": "table inet terway_edge { flags dormant; }",
    "a table that sleeps, of ARP": "table arp terway_edge { flags dormant; }",
    "another priority": "delete chain inet terway_edge pod_in; add chain inet terway_edge pod_in"
    " { type filter hook prerouting priority 77; }",
    "another hook": "delete chain arp terway_edge pod_in; add chain arp terway_edge pod_in"
    " { type filter hook output priority 0; }",
    "a set of another type": "flush chain inet terway_edge pod; delete set inet terway_edge sources4;"
    " add set inet terway_edge sources4 { type ipv4_addr; }",
    "a map of another type": "flush chain inet terway_edge port; delete map inet terway_edge ports4;"
    " add map inet terway_edge ports4 { type inet_service : ipv4_addr; }",
    "a set of masquerading of another type": "flush chain inet terway_edge postrouting;"
    " delete set inet terway_edge pods4; add set inet terway_edge pods4 { type inet_service; }",
    "another priority of ports": "delete chain inet terway_edge port_in; add chain inet terway_edge port_in"
    " { type nat hook prerouting priority 77; }",
}


@pytest.mark.root
@pytest.mark.parametrize("change", CHANGED)
def test_t37_tables_that_others_changed_become_as_they_were(nft_world, change):
    """Neither is a change taken for what was wanted, nor does it keep ours out for ever."""
    firewall = nft_world.firewall
    fill(firewall)
    good = picture(nft_world)
    nft_world.nft(CHANGED[change])
    changed = picture(nft_world)
    assert changed != good
    is_mended = firewall.mend_masquerade()
    assert is_mended or (firewall.sources(), firewall.forwards()) != ({FOUR}, {PORT})
    fill(firewall)
    assert picture(nft_world) == good
    assert (firewall.sources(), firewall.forwards(), firewall.mend_masquerade()) == ({FOUR}, {PORT}, False)


@pytest.mark.root
def test_t37_a_chain_of_others_that_leads_to_ours_keeps_nothing_from_being_mended(nft_world):
    fill(nft_world.firewall)
    nft_world.nft("add chain inet terway_edge theirs; add rule inet terway_edge theirs jump pod")
    nft_world.nft("flush chain inet terway_edge pod")
    fill(nft_world.firewall)
    assert nft_world.firewall.sources() == {FOUR}


@pytest.mark.root
@pytest.mark.parametrize("part", ["masquerading", "ports"])
def test_t37_each_part_wakes_a_table_that_sleeps(nft_world, part):
    firewall = nft_world.firewall
    mend = firewall.mend_masquerade if part == "masquerading" else lambda: firewall.set_forwards([PORT])
    firewall.set_masquerade(ALL if part == "masquerading" else None)
    firewall.set_forwards([PORT] if part == "ports" else [])
    good = nft_world.nft("-s", "list", "ruleset")
    nft_world.nft(CHANGED["a table that sleeps"])
    assert firewall.forwards() == frozenset()
    mend()
    assert sorted(nft_world.nft("-s", "list", "ruleset").splitlines()) == sorted(good.splitlines())


@pytest.mark.root
@pytest.mark.parametrize("change", CHANGED)
def test_t37_anti_spoofing_can_be_switched_off_whatever_others_made_of_it(nft_world, change):
    firewall = nft_world.firewall
    fill(firewall)
    nft_world.nft(CHANGED[change])
    firewall.set_sources(None)
    listed = nft_world.nft("list", "table", "inet", "terway_edge")
    assert "sources4" not in listed
    assert "pod_in" not in listed


@pytest.mark.root
def test_t37_what_others_change_between_our_write_and_our_look_is_not_taken_for_ours(nft_world, tmp_path, monkeypatch):
    nft = shutil.which("nft")
    flushes = "; ".join(f"{nft} flush chain inet terway_edge {name}" for name in ("pod", "port", "postrouting"))
    hasty = tmp_path / "nft"
    hasty.write_text(f'#!/bin/sh\n{nft} "$@" || exit\n[ "$1" != -f ] || {{ {flushes}; }} 2>/dev/null\nexit 0\n')
    hasty.chmod(0o700)
    firewall = nft_world.firewall
    with monkeypatch.context() as hurried:
        hurried.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        fill(firewall)
    assert (firewall.sources(), firewall.forwards()) == (None, frozenset())
    assert firewall.mend_masquerade()
    fill(firewall)
    assert (firewall.sources(), firewall.forwards(), firewall.mend_masquerade()) == ({FOUR}, {PORT}, False)


@pytest.mark.root
def test_t37_our_own_changes_do_not_even_wake_the_thread(nft_world, eventually):
    firewall = nft_world.firewall
    fill(firewall)
    heard, watch = watched(firewall)
    with watch:
        nft_world.nft("flush set inet terway_edge sources4")
        eventually(lambda: heard.times == 1)
        before = wakeups()
        for number in range(50):
            source = Source(f"tw{number:013x}", FOUR.mac, FOUR.address)
            firewall.admit([source])
            firewall.set_forwards([PORT, PORT._replace(port=1000 + number)])
            firewall.dismiss([source])
        assert wakeups() == before
        firewall.set_masquerade(Masquerade((Prefix.parse("10.0.0.0/25"),)))
        firewall.set_sources(None)
        nft_world.nft("add table inet theirs")
        nft_world.nft("delete table inet theirs")
        nft_world.nft("flush map inet terway_edge ports4")
        eventually(lambda: heard.times == 2)


@pytest.mark.root
def test_t37_a_flood_of_others_changes_costs_few_looks_and_none_is_missed(nft_world, eventually):
    firewall = nft_world.firewall
    fill(firewall)
    many = ", ".join(f"10.{high}.{low}.1" for high in range(100) for low in range(200))
    heard, watch = watched(firewall)
    with watch:
        nft_world.nft("add table inet theirs; add set inet theirs s { type ipv4_addr; }")
        nft_world._real.run("nft", "-f", "-", text=f"add element inet theirs s {{ {many} }}")
        nft_world.nft("flush", "ruleset")
        eventually(lambda: heard.times > 0)
        assert heard.times < 20
