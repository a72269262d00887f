"""T13: eight workers that take and give back addresses of one /24, without a cool-down, over a real journal.

TERWAY_EDGE_FULL=1: a million times.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Prefix
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.testing import FakeClock

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
WORKERS, TURNS = 8, 1_000_000 if FULL else 20_000
MOST = (31, 4)  # leases of a worker at once, by turns: 8 * 31 of 254 addresses, then few
MINUTES = 10


class Owners:
    """Who has which address, as the workers themselves know it."""

    def __init__(self):
        self.by_address, self.doubles = {}, []

    def take(self, lease):
        [address] = lease.addresses
        if (owner := self.by_address.setdefault(address, lease)) is not lease:  # nobody can break in on setdefault
            self.doubles.append((owner, lease))

    def give(self, lease):
        """From here on others may have it."""
        del self.by_address[lease.addresses[0]]


def work(ipam, owners, number):
    """(the leases kept at last, how often each address was granted)"""
    chance, held, grants = random.Random(number), [], Counter()
    for turn in range(TURNS // WORKERS):
        if held and (len(held) >= MOST[turn // 500 % 2] or chance.random() < 0.45):
            lease = held.pop(chance.randrange(len(held)))
            owners.give(lease)
            ipam.release(lease)
        else:
            lease = ipam.allocate(Sandbox(f"w{number}-{turn}", "eth0"), "test", ["v4"])
            owners.take(lease)
            grants[lease.addresses[0]] += 1
            held.append(lease)
    return held, grants


@pytest.fixture
def hectic():
    """Threads break in on one another as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
def test_t13_no_address_ever_has_two_owners(tmp_path, hectic):
    opened = (tmp_path / "leases.journal", "boot")
    marker = tmp_path / "run" / "marker"
    journal, _ = Journal.open(*opened, marker=marker, cooldown=0)
    ipam, owners = Ipam(journal, FakeClock(), cooldown=0, lock=threading.Lock()), Owners()
    ipam.add_pool("v4", Prefix.parse("10.0.0.0/24"))
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        kept, counts = zip(*pool.map(lambda number: work(ipam, owners, number), range(WORKERS)), strict=True)
    held, grants = [lease for leases in kept for lease in leases], sum(counts, Counter())
    assert time.monotonic() - began < 60 * MINUTES
    assert owners.doubles == []
    assert set(ipam.leases()) == set(held)
    assert set(owners.by_address.values()) == set(held)
    assert len(grants) == 254, "every address was used"
    assert max(grants.values()) < 3 * sum(grants.values()) / 254, "and none much more than others"
    journal.close()
    reopened, stored = Journal.open(*opened, marker=marker, cooldown=0)
    reopened.close()
    assert set(stored.leases) == set(held), "and the disk says the same"
