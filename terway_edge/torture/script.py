"""Which acts come in which order: a pure function of the seed.

A round is a wild part, in which every wild case comes in random order with some churn between, and a calm one, in which
nothing ends the agent; calm parts grow, so that a leak has the time to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import NamedTuple

SLOTS = 10
"""Pods that a node has at most, beside those that one act makes and removes."""
DICE = 4
CALM_ACTS, DOUBLINGS = 60, 4
"""Acts of the first calm part, and how often its length is doubled."""
FIRST, CHURN = 4, 2
"""Calm acts before the first wild one of a round, and after each."""
MEASURE = "measure"
"""The act that does nothing: at the begin of a calm part, after its warm-up, and at its end."""
WARM_UP = 20
CLOSING_ACTS = 30
"""Of the calm part of a run that ends before it has come to one."""


class Act(NamedTuple):
    """`detail` is the case's variant, `slot` the pod it is about, `dice` what else is left to chance, in [0, 1)."""

    number: int
    case: str
    detail: str
    slot: int
    dice: tuple[float, ...]

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.number:4}", self.case, self.detail, f"(pod {self.slot})")))


class Variety(NamedTuple):
    """`details` come in random order, none a second time before all have; a case of `weight` 2 comes twice as often
    as one of 1."""

    details: tuple[str, ...] = ("",)
    weight: int = 1
    is_wild: bool = False


def acts(seed: int, cases: Mapping[str, Variety]) -> Iterator[Act]:
    """Without end."""
    random = Random(seed)
    return _dealt(random, cases, _names(random, cases), 1)


def closing(seed: int, cases: Mapping[str, Variety], first: int) -> Iterator[Act]:
    """A short calm part; its acts are numbered from `first`."""
    random = Random(seed)
    return _dealt(random, cases, _calm_part(random, _by_weight(cases, is_wild=False), CLOSING_ACTS), first)


def _dealt(random: Random, cases: Mapping[str, Variety], names: Iterator[tuple[str, str]], first: int) -> Iterator[Act]:
    decks = {name: _deck(random, case.details) for name, case in cases.items()}
    for number, (name, detail) in enumerate(names, first):
        dice = tuple(random.random() for _ in range(DICE))
        yield Act(number, name, detail or next(decks[name]), random.randrange(SLOTS), dice)


def _names(random: Random, cases: Mapping[str, Variety]) -> Iterator[tuple[str, str]]:
    """Names of cases, with the detail where it is not left to chance."""
    calm, wild = _by_weight(cases, is_wild=False), _by_weight(cases, is_wild=True)
    for number in count():
        yield from _churn(random, calm, FIRST)
        for name in random.sample(wild, len(wild)):
            yield name, ""
            yield from _churn(random, calm, CHURN)
        yield from _calm_part(random, calm, CALM_ACTS << min(number, DOUBLINGS))


def _calm_part(random: Random, calm: Sequence[str], length: int) -> Iterator[tuple[str, str]]:
    yield from _churn(random, calm, WARM_UP)
    yield MEASURE, "begin"
    yield from _churn(random, calm, length)
    yield MEASURE, "end"


def _churn(random: Random, calm: Sequence[str], length: int) -> Iterator[tuple[str, str]]:
    return ((name, "") for name in random.choices(calm, k=length))


def _by_weight(cases: Mapping[str, Variety], *, is_wild: bool) -> list[str]:
    return [name for name, case in cases.items() if case.is_wild == is_wild for _ in range(case.weight)]


def _deck(random: Random, details: Sequence[str]) -> Iterator[str]:
    while True:
        yield from random.sample(details, len(details))
