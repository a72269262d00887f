"""What keys of Terway's configuration mean together, and what counts instead where they contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from terway_edge.core.eni_keys import EniConfig
from terway_edge.core.plans import MIN_MTU6


class Correction(NamedTuple):
    """`key` is at fault; `update` are the values that count instead, by field."""

    key: str
    message: str
    update: Mapping[str, object]


def corrections(config: EniConfig) -> Iterator[Correction]:
    yield from _watermarks(config)
    yield from _halves(config)
    if config.ip_stack == "dual" and config.mtu is not None and config.mtu < MIN_MTU6:
        message = f"got {config.mtu}, expected at least {MIN_MTU6} with ip_stack dual: raise it; it counts as absent"
        yield Correction("mtu", message, {"mtu": None})
    if config.enable_ip_prefix and not config.ipv4_prefix_count:
        message = "is 0, but enable_ip_prefix is true: pods get no addresses; write a sixteenth of the pods of a node"
        yield Correction("ipv4_prefix_count", message, {})


def _watermarks(config: EniConfig) -> Iterator[Correction]:
    low, high = config.min_pool_size, config.max_pool_size
    if low > high:
        message = f"got {low}, expected at most max_pool_size, which is {high}: change one of them; it counts as {high}"
        yield Correction("min_pool_size", message, {"min_pool_size": high})
    low, high = config.min_eni, config.max_eni
    if low > high > 0:
        message = f"got {low}, expected at most max_eni, which is {high}: change one of them; it counts as {high}"
        yield Correction("min_eni", message, {"min_eni": high})


def _halves(config: EniConfig) -> Iterator[Correction]:
    pair = ("access_key", "access_secret")
    missing = [name for name in pair if getattr(config, name) is None]
    if len(missing) == 1:
        (present,) = set(pair) - set(missing)
        message = f"is of no use without {missing[0]}: add it, or remove this; it counts as absent"
        yield Correction(present, message, {present: None})
