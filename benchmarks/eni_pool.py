"""How long the ENI pool takes to decide: 1,000 addresses on 50 ENIs, in each of the states a node can be in.

A decision waits for nothing, so it is measured in CPU time, which other processes disturb less.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import NamedTuple

from benchmarks.report import Report
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, EniKind, EniStatus, Features, Instance, Limits, VSwitch
from terway_edge.eni.actions import Action, Look, Survey, Sweep
from terway_edge.eni.intents import Memory
from terway_edge.eni.policy import EniSelection, Policy, Site
from terway_edge.eni.pool import EniPool
from terway_edge.eni.state import Stock

ENIS = 50
PER_ENI = 20
GOAL = 1.0  # milliseconds
SITE = Site(
    Instance("i-bench", "bench", "zone-a", "vpc-a", "vsw-a"),
    Limits(ENIS + 11, PER_ENI, PER_ENI),
    Features(True, True, True, True, True, True),
)

VSWITCH = VSwitch("vsw-a", "zone-a", Prefix.parse("10.0.0.0/8"), Address.parse("10.255.255.253"), free=1 << 20)


class Case(NamedTuple):
    """`verbs`: what the decision comes to, among others."""

    name: str
    used: int
    waiting: int
    selection: EniSelection = EniSelection.MOST_IPS
    change: int = 1
    """Leases that end and begin between two decisions."""
    most: int = PER_ENI * ENIS
    """Addresses that may be idle."""
    verbs: frozenset[str] = frozenset()


CASES = (
    Case("idle", used=500, waiting=0, change=0),
    Case("pods come and go", used=500, waiting=0),
    Case("pods come and go, spread", used=500, waiting=0, selection=EniSelection.LEAST_IPS),
    Case("much to release", used=100, waiting=0, most=5, verbs=frozenset(("detach", "unassign"))),
    Case("100 pods wait", used=1000, waiting=100, verbs=frozenset(("create",))),
)


def decisions(report: Report, rounds: int = 200) -> None:
    """Add the table of all cases, and the goal for the slowest of them."""
    rows = [(case.name, *_milliseconds(case, rounds)) for case in CASES]
    report.samples += rounds * len(CASES)
    report.table(f"decision for {ENIS * PER_ENI} addresses on {ENIS} ENIs [ms]", ("state", "median", "p99"), rows)
    report.goal("pool decision, slowest state [ms]", max(row[1] for row in rows), GOAL)


def _milliseconds(case: Case, rounds: int) -> tuple[float, float]:
    """(median, 99th percentile) of one decision."""
    rng = random.Random(1)
    samples = []
    for _ in range(rounds):
        decide = decision(case, rng)
        start = process_time()
        decide()
        samples.append((process_time() - start) * 1000)
    samples.sort()
    return median(samples), samples[len(samples) * 99 // 100]


def decision(case: Case, rng: random.Random) -> Callable[[], list[Action]]:
    """A decision that has something to find out: the one before had other leases."""
    policy = Policy(eni_selection=case.selection, max_pool_size=case.most, trim_after=0, cooldown=1)
    pool = EniPool(policy, SITE, Memory(), rng, 0.0)
    enis = [_primary(), *(_eni(number) for number in range(ENIS))]
    look = pool.decide(Stock(), 0.0)[0]
    assert isinstance(look, Look)
    pool.looked(look, enis, 0.0)
    addresses = [address for eni in enis[1:] for address in eni.addresses]
    used = addresses[: case.used]
    for action in pool.decide(_stock(used, enis), 0.5):
        if isinstance(action, Survey):
            pool.surveyed(action, [VSWITCH], 0.5)
        elif isinstance(action, Sweep):
            pool.swept(action, [], 0.5)
    for number in range(case.waiting):
        pool.wait((f"pod-{number}", "eth0"), 1.0)
    later = _stock([*used[case.change :], *addresses[case.used : case.used + case.change]], enis)
    return lambda: pool.decide(later, 100.0)


def _stock(used: list[Address], enis: list[Eni]) -> Stock:
    taken = frozenset(used)
    return Stock(taken, {eni.id: sum(address not in taken for address in eni.addresses) for eni in enis[1:]})


def _primary() -> Eni:
    return _eni(9999, EniKind.PRIMARY)


def _eni(number: int, kind: EniKind = EniKind.SECONDARY) -> Eni:
    first = (10 << 24) + (number << 8) + 1
    addresses = tuple(Address(4, first + n) for n in range(PER_ENI))
    tags = {"creator": "terway-edge", "terway-edge-instance": SITE.instance.id}
    mac = bytes([2, 0, 0, 0, *number.to_bytes(2, "big")])
    return Eni(
        f"eni-{number}",
        mac,
        EniStatus.IN_USE,
        kind,
        "vsw-a",
        addresses[0],
        addresses,
        instance=SITE.instance.id,
        zone="zone-a",
        security_groups=("sg-a",),
        tags=tags,
    )
