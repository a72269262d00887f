"""Who may send from what, on a firewall that only remembers."""

import errno
import threading

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.anti_spoofing import SourceGuard, sources_of
from terway_edge.core.errors import KernelError
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import link_macs, link_name
from terway_edge.core.ports import Source
from terway_edge.testing import MemoryFirewall


def lease(number):
    addresses = (Address.parse(f"10.0.0.{number}"), Address.parse(f"fd00::{number}"))
    return Lease(Sandbox(f"c{number}", "eth0"), addresses, "b", ("p", "p"), 0.0)


ONE, TWO = lease(1), lease(2)


@pytest.fixture
def firewall():
    return MemoryFirewall()


@pytest.fixture
def guard(firewall):
    made = SourceGuard(firewall)
    made.restore([])
    return made


def let_in(*leases):
    return {source for each in leases for source in sources_of(each)}


def test_a_pods_sources_are_its_addresses_on_its_link_with_its_mac():
    name, (_, mac) = link_name(ONE.key), link_macs(ONE.key)
    assert sources_of(ONE) == tuple(Source(name, mac, address) for address in ONE.addresses)


def test_pods_come_and_go_and_missing_ones_are_success(guard, firewall):
    guard.admit(ONE)
    guard.admit(TWO)
    assert firewall.sources() == let_in(ONE, TWO)
    guard.dismiss(ONE)
    writes = firewall.source_writes
    guard.dismiss(ONE)
    guard.dismiss(lease(3))
    assert (firewall.sources(), firewall.source_writes) == (let_in(TWO), writes)


def test_a_new_process_lets_in_exactly_the_leases(guard, firewall):
    guard.admit(ONE)
    SourceGuard(firewall).restore([TWO])
    assert firewall.sources() == let_in(TWO)
    writes = firewall.source_writes
    SourceGuard(firewall).restore([TWO])
    assert firewall.source_writes == writes


def test_rules_that_went_unseen_keep_no_pod_from_starting_and_come_back_with_it(guard, firewall):
    guard.admit(ONE)
    firewall.flush()
    guard.admit(TWO)
    assert firewall.sources() == let_in(ONE, TWO)


def test_a_pod_that_cannot_be_let_in_is_refused_in_words_that_help_and_forgotten(guard, firewall):
    firewall.refuse_sources(2, errno.ENOENT)
    with pytest.raises(KernelError, match=r"install nftables; or set cni\.anti_spoofing to false") as refusal:
        guard.admit(ONE)
    assert refusal.value.errno == errno.ENOENT
    assert guard.mend() == []
    assert firewall.sources() == frozenset()


def test_a_pod_that_could_not_be_shut_out_is_at_the_next_comparison(guard, firewall):
    guard.admit(ONE)
    firewall.refuse_sources()
    with pytest.raises(KernelError):
        guard.dismiss(ONE)
    assert len(guard.mend()) == 2
    assert firewall.sources() == frozenset()


def test_check_and_mend_tell_what_others_did(guard, firewall):
    guard.admit(ONE)
    assert (guard.check(ONE), guard.mend()) == ([], [])
    lost = sources_of(ONE)[0]
    firewall.lose_source(lost)
    firewall.admit(sources_of(TWO)[:1])
    words = f"source 10.0.0.1 with MAC {lost.mac.hex(':')} on {lost.link}"
    assert [found.what for found in guard.check(ONE)] == [f"{words} is not let through"]
    (stranger, missing) = sorted(guard.mend(), key=lambda line: "no pod's" not in line)
    assert (missing, "10.0.0.2" in stranger) == (f"{words} was not let through", True)
    firewall.flush()
    assert [found.what for found in guard.check(ONE)] == ["the rules of anti-spoofing are not as they should be"]
    assert guard.mend() == ["the rules of anti-spoofing were not as they should be"]
    assert (guard.check(ONE), firewall.sources()) == ([], let_in(ONE))


def test_switched_off_it_only_takes_away_what_was_on(guard, firewall):
    guard.admit(ONE)
    off = SourceGuard(firewall, on=False)
    off.restore([ONE])
    off.admit(TWO)
    off.dismiss(ONE)
    assert (off.check(ONE), off.mend(), firewall.sources()) == ([], [], None)
    writes = firewall.source_writes
    SourceGuard(firewall, on=False).restore([ONE])
    assert firewall.source_writes == writes


def test_leases_whose_sources_the_kernel_refuses_are_told_and_left_to_the_next_comparison(firewall):
    firewall.refuse_sources(1, errno.ENOENT)
    guard = SourceGuard(firewall)
    with pytest.raises(KernelError, match=r"or set cni\.anti_spoofing to false") as refusal:
        guard.restore([ONE])
    assert refusal.value.errno == errno.ENOENT
    assert guard.mend() == ["the rules of anti-spoofing were not as they should be"]
    assert firewall.sources() == let_in(ONE)


def test_a_pod_is_let_in_even_before_anything_was_restored(firewall):
    SourceGuard(firewall).admit(ONE)
    assert firewall.sources() == let_in(ONE)


def test_the_lock_is_held_while_the_firewall_works():
    lock = threading.Lock()

    class Guarded(MemoryFirewall):
        def set_sources(self, wanted):
            assert lock.locked()
            super().set_sources(wanted)

        def admit(self, sources):
            assert lock.locked()
            super().admit(sources)

    guard = SourceGuard(Guarded(), lock=lock)
    guard.restore([])
    guard.admit(ONE)
    guard.dismiss(ONE)
    assert not lock.locked()
