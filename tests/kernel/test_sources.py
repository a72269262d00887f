"""What every firewall port does about sources: the twin, and nftables in a namespace of its own; and what only the
latter can show."""

import os
import threading
from contextlib import closing

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.errors import KernelError
from terway_edge.core.ports import Forward, Masquerade, Source
from terway_edge.kernel.netns import open_netns
from terway_edge.kernel.nft import NftFirewall
from terway_edge.testing import MemoryFirewall
from tests.kernel.port_world import InNamespace
from tests.kernel.test_host_ports import ALL
from tests.kernel.test_t43_spoofing import COUNT, OTHER, OUTSIDE, OWN, SpoofWorld, datagram

MAC = b"\x06\0\0\0\0\x01"
FOUR, SIX = (Source("tw00000000000a1", MAC, Address.parse(text)) for text in ("10.0.0.5", "fd00::5"))
OTHERS = frozenset(
    Source(f"tw{number:013x}", MAC, Address(family, number)) for family in (4, 6) for number in range(1, 600)
)


class NftWorld:
    """NftFirewall in an empty namespace."""

    def __init__(self, real_world):
        self._real = real_world
        self._host = open_netns(f"/run/netns/{real_world._host}")
        self._made = []
        self.firewall = self.another()

    def another(self):
        """That of a new process."""
        self._made.append(NftFirewall())
        return InNamespace(self._made[-1], self._host)

    def nft(self, *words):
        return self._real.run("nft", *words)

    def close(self):
        for made in self._made:
            made.close()
        os.close(self._host)


@pytest.fixture
def nft_world(real_world):
    with closing(NftWorld(real_world)) as made:
        yield made


@pytest.fixture(params=["memory", pytest.param("nft", marks=pytest.mark.root)])
def firewall(request):
    return MemoryFirewall() if request.param == "memory" else request.getfixturevalue("nft_world").firewall


# --- what every firewall port does -----------------------------------------------------------------------------------


def test_sources_come_and_go_one_by_one_and_as_a_whole(firewall):
    assert firewall.sources() is None
    firewall.set_sources([FOUR])
    assert firewall.sources() == {FOUR}
    firewall.admit([SIX, FOUR])
    assert firewall.sources() == {FOUR, SIX}
    firewall.dismiss([FOUR])
    assert firewall.sources() == {SIX}
    firewall.set_sources(OTHERS)
    assert firewall.sources() == OTHERS
    firewall.set_sources(())
    assert firewall.sources() == frozenset()
    firewall.set_sources(None)
    assert firewall.sources() is None


def test_dismissing_what_is_not_there_takes_the_rest_away(firewall):
    firewall.set_sources([SIX])
    firewall.dismiss([FOUR, SIX])
    assert firewall.sources() == frozenset()


def test_nothing_is_let_in_before_there_are_rules(firewall):
    with pytest.raises(KernelError):
        firewall.admit([FOUR])
    firewall.dismiss([FOUR])
    assert firewall.sources() is None


def test_the_parts_of_the_table_come_and_go_without_each_other(firewall):
    forward = Forward("tcp", 80, None, FOUR.address, 80)
    firewall.set_sources([FOUR])
    firewall.set_masquerade(ALL)
    firewall.set_masquerade(None)
    assert firewall.sources() == {FOUR}
    firewall.set_forwards([forward])
    firewall.set_sources(None)
    assert firewall.forwards() == {forward}
    firewall.set_sources([SIX])
    firewall.set_masquerade(Masquerade())
    firewall.remove()
    assert (firewall.sources(), firewall.forwards()) == (None, frozenset())
    firewall.set_sources([FOUR])
    assert firewall.sources() == {FOUR}


# --- nftables alone ------------------------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "flush chain inet terway_edge pod_in",
        "delete table arp terway_edge",
        "flush chain arp terway_edge pod",
        "insert rule inet terway_edge pod accept",
        "flush set inet terway_edge sources4",
        "flush set inet terway_edge targets6",
        "flush set arp terway_edge senders",
        'add element inet terway_edge sources4 { "tw00000000000a2" . 06:00:00:00:00:01 . 10.0.0.9 }',
        "add element inet terway_edge sources4 { * }",
        "add element inet terway_edge sources4 { * }; add element arp terway_edge senders { * }",
    ],
)
def test_what_somebody_breaks_is_seen_and_mended(nft_world, damage):
    firewall = nft_world.firewall
    firewall.set_sources([FOUR, SIX])
    nft_world.nft(damage)
    assert firewall.sources() != {FOUR, SIX}
    firewall.set_sources([FOUR, SIX])
    assert firewall.sources() == {FOUR, SIX}


@pytest.mark.root
def test_nothing_of_others_is_touched_and_nothing_of_ours_stays(nft_world):
    nft_world.nft("add table inet others; add table arp terway_edges")
    before = nft_world.nft("list", "ruleset")
    nft_world.firewall.set_sources([FOUR, SIX])
    nft_world.firewall.set_sources(None)
    assert nft_world.nft("list", "ruleset") == before
    nft_world.firewall.set_sources([FOUR])
    nft_world.another().set_sources(None)
    assert nft_world.nft("list", "ruleset") == before
    nft_world.firewall.set_sources([FOUR])
    nft_world.another().remove()
    assert nft_world.nft("list", "ruleset") == before


@pytest.mark.root
def test_without_nft_it_says_what_to_do(nft_world, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(KernelError, match=r"install nftables; or set cni\.anti_spoofing to false"):
        SourceGuard(nft_world.firewall).restore([])
    SourceGuard(nft_world.firewall, on=False).restore([])


@pytest.mark.root
def test_a_link_of_others_is_not_held_to_anything(real_world):
    """By its name one of ours, but with an index that the kernel chose."""
    with closing(SpoofWorld(real_world)) as world:
        peer = real_world.create_netns().rpartition("/")[2]
        real_world.run("ip", "link", "add", "twothers", "type", "veth", "peer", "name", "eth0", "netns", peer)
        real_world.run("ip", "link", "set", "twothers", "up")
        world._batch(peer, "link set eth0 up", "addr add 10.7.0.2/24 dev eth0")
        real_world.run("ip", "addr", "add", "10.7.0.1/24", "dev", "twothers")
        assert real_world.reaches(f"/run/netns/{peer}", Address.parse("10.7.0.1"))
        assert world.dropped() == 0


@pytest.mark.root
def test_a_new_process_finds_its_rules_and_at_no_moment_lets_lies_in_or_keeps_the_truth_out(real_world):
    with closing(SpoofWorld(real_world)) as world:
        truth, lie = world.frame(*datagram(OWN[0], OUTSIDE[0], b"true")), world.frame(
            *datagram(OTHER[0], OUTSIDE[0], b"false")
        )  # fmt: skip
        restarts, errors = threading.Event(), []

        def restart():
            try:
                for _ in range(5):
                    world.restart()
            except Exception as error:  # noqa: BLE001 - told by the test
                errors.append(error)
            restarts.set()

        thread = threading.Thread(target=restart)
        thread.start()
        sent = true = false = 0
        while not restarts.is_set() or sent < COUNT:
            world.pod_end.send(lie)
            world.pod_end.send(truth)
            sent += 1
            arrived = world.wires[0].arrived()
            true += sum(b"true" in data for data in arrived)
            false += sum(b"false" in data for data in arrived)
        thread.join()
        assert errors == []
        true += world.escaped(truth, b"true", count=1) - 1
        assert (true, false) == (sent, 0)


@pytest.mark.root
def test_a_pod_is_mute_from_its_del_on_and_loud_from_its_add_on(real_world):
    with closing(SpoofWorld(real_world)) as world:
        world.guard.dismiss(world.lease)
        before = world.dropped()
        for _ in range(COUNT):
            world.pod_end.send(world.frame(*datagram(OWN[0], OUTSIDE[0], b"dead")))
        assert world.dropped() == before + COUNT
        assert world.seen_in(b"dead") == 0
        world.guard.admit(world.lease)
        assert world.escaped(world.frame(*datagram(OWN[0], OUTSIDE[0], b"alive")), b"alive") == COUNT


@pytest.mark.root
def test_elements_say_to_nft_what_they_say_to_us(nft_world):
    nft_world.firewall.set_sources([FOUR, SIX])
    inet, arp = (nft_world.nft("list", "table", family, "terway_edge") for family in ("inet", "arp"))
    assert '"tw00000000000a1" . 06:00:00:00:00:01 . 10.0.0.5' in inet
    assert '"tw00000000000a1" . 06:00:00:00:00:01 . fd00::5' in inet
    assert '"tw00000000000a1" . 06:00:00:00:00:01 . 10.0.0.5' in arp
