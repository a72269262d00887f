"""What the operator wants of a node's ENIs, and what follows from it on one instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from terway_edge.core.cloud import Eni, EniKind, Features, Instance, Limits

CREATOR_TAG = "creator"
CREATOR = "terway-edge"
INSTANCE_TAG = "terway-edge-instance"
INTENT_TAG = "terway-edge-intent"
BLOCK = 16
"""Pods that a delegated IPv4 prefix (/28) serves."""
SERIAL = 5
"""Most addresses in a wish where the API takes one at a time: pods should not wait for too many."""


class EniSelection(StrEnum):
    """Which ENI pods and addresses go to first."""

    MOST_IPS = "most_ips"
    LEAST_IPS = "least_ips"


class VSwitchSelection(StrEnum):
    RANDOM = "random"
    ORDERED = "ordered"
    """Most free addresses first."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Names and meanings as in Terway's `eni_conf`; times in seconds.

    `families`: (4,), (4, 6) or (6,). `vswitches` are those of the node's zone, empty: the primary ENI's, as are its
    security groups. `use_primary`: a secondary ENI's primary address is for a pod, too. `reclaim_after` 0: never.
    """

    families: tuple[int, ...] = (4,)
    max_pool_size: int = 5
    min_pool_size: int = 0
    warm_up_size: int = 0
    min_eni: int = 0
    max_eni: int = 0
    eni_cap_ratio: float = 1.0
    eni_cap_shift: int = 0
    eni_selection: EniSelection = EniSelection.MOST_IPS
    vswitch_selection: VSwitchSelection = VSwitchSelection.RANDOM
    vswitches: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    eni_tags: Mapping[str, str] = field(default_factory=dict)
    tag_filter: Mapping[str, str] = field(default_factory=dict)
    tag_block_list: tuple[tuple[str, str], ...] = ()
    resource_group: str = ""
    use_primary: bool = True
    use_prefixes: bool = False
    ipv4_prefix_count: int = 0
    checks_source: bool = False
    reclaim_after: float = 0.0
    reclaim_interval: float = 600.0
    reclaim_batch: int = 5
    reclaim_jitter: float = 0.1
    trim_after: float = 120.0
    cooldown: float = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pool is: the instance, what its type takes, and what the API can do."""

    instance: Instance
    limits: Limits
    features: Features


@dataclass(frozen=True, slots=True)
class Shape:
    """Policy and site as counts of pods; an address of each family is one pod.

    `call`: most that one growing call serves; `per_eni`: most on an ENI; `floor` and `ceiling` of what is idle;
    `unit`: pods per address or prefix; `least`: pods that must be served, idle or not.
    """

    families: tuple[int, ...]
    unit: int
    call: int
    per_eni: int
    max_enis: int
    floor: int
    ceiling: int
    least: int
    uses_primary: bool
    lost_ipv6: bool


def shape_of(policy: Policy, site: Site) -> Shape:
    """What is impossible is cut down to what is possible."""
    limits, features = site.limits, site.features
    families, lost_ipv6 = _families(policy, limits, features)
    prefixes = policy.use_prefixes and features.has_prefixes
    unit = BLOCK if prefixes else 1
    per_eni = _per_eni(policy, limits, families, prefixes)
    max_enis = max_enis_of(policy, limits)
    capacity = per_eni * max_enis
    ceiling = min(policy.max_pool_size, capacity)
    floor = policy.min_eni * per_eni if policy.min_eni else policy.min_pool_size
    batch = features.batch if features.assigns_many else SERIAL
    return Shape(
        families=families,
        unit=unit,
        call=min(batch * unit, per_eni),
        per_eni=per_eni,
        max_enis=max_enis,
        floor=min(floor, ceiling),
        ceiling=ceiling,
        least=min(policy.ipv4_prefix_count * BLOCK, capacity) if prefixes else 0,
        uses_primary=policy.use_primary and not prefixes,
        lost_ipv6=lost_ipv6,
    )


def max_enis_of(policy: Policy, limits: Limits) -> int:
    """Secondary ENIs that the pool may have; the primary one is never its own."""
    wanted = int(limits.enis * policy.eni_cap_ratio) + policy.eni_cap_shift - 1
    if policy.max_eni:
        wanted = min(wanted, policy.max_eni)
    return max(min(wanted, limits.enis - 1), 0)


def _families(policy: Policy, limits: Limits, features: Features) -> tuple[tuple[int, ...], bool]:
    """A pod has both addresses on one ENI, so an ENI must take as many of the one as of the other family."""
    if policy.families != (4, 6):
        return policy.families, False
    enough = 1 if policy.use_prefixes and features.has_prefixes else limits.ipv4_per_eni
    has_both = features.has_ipv6 and limits.ipv6_per_eni >= enough
    return ((4, 6), False) if has_both else ((4,), True)


def _per_eni(policy: Policy, limits: Limits, families: tuple[int, ...], prefixes: bool) -> int:
    if prefixes:
        return (limits.ipv4_per_eni - 1) * BLOCK
    four = limits.ipv4_per_eni - (not policy.use_primary)
    return max(min({4: four, 6: limits.ipv6_per_eni}[family] for family in families), 0)


def is_usable(eni: Eni, policy: Policy) -> bool:
    """Whether the pool may use an attached ENI. The primary one is the node's, trunks and their members are others'."""
    if eni.kind is not EniKind.SECONDARY:
        return False
    if any(eni.tags.get(key) == value for key, value in policy.tag_block_list):
        return False
    return policy.tag_filter.items() <= eni.tags.items()


def marks(instance: str) -> dict[str, str]:
    """Tags that tell what this node's pool made."""
    return {CREATOR_TAG: CREATOR, INSTANCE_TAG: instance}


def is_ours(eni: Eni, instance: str) -> bool:
    """Whether this node's pool made it: nothing else is ever detached or deleted."""
    return marks(instance).items() <= eni.tags.items()


def own_tags(policy: Policy, instance: str) -> dict[str, str]:
    """Of what the pool makes. The filter's tags are among them: it could not use the ENI otherwise."""
    return {**policy.eni_tags, **policy.tag_filter, **marks(instance)}
