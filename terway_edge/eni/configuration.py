"""Terway's ConfigMaps to the pool's policy and to the way to the cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from terway_edge.core.cloud import NO_ACCESS, CloudAccess
from terway_edge.core.models import Node
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection

if TYPE_CHECKING:
    from terway_edge.core.eni_keys import EniConfig


def policy_of(config: EniConfig | None, zone: str, cooldown: float) -> Policy:
    """What the pool of a node in this zone is to do. Without a configuration: as `Policy` has it."""
    if config is None:
        return Policy(cooldown=cooldown)
    return Policy(
        families=families_of(config),
        max_pool_size=config.max_pool_size,
        min_pool_size=config.min_pool_size,
        warm_up_size=config.ip_warm_up_size or 0,
        min_eni=config.min_eni,
        max_eni=config.max_eni,
        eni_cap_ratio=config.eni_cap_ratio,
        eni_cap_shift=config.eni_cap_shift,
        eni_selection=EniSelection(config.eni_selection_policy),
        vswitch_selection=_vswitch_selection(config.vswitch_selection_policy),
        vswitches=tuple(config.vswitches.get(zone, ())),
        security_groups=config.all_security_groups,
        eni_tags=config.eni_tags,
        tag_filter=config.eni_tag_filter,
        tag_block_list=tuple((tag.key, tag.value) for tag in config.blocked_tags),
        resource_group=config.resource_group_id or "",
        use_prefixes=config.enable_ip_prefix,
        ipv4_prefix_count=config.ipv4_prefix_count,
        reclaim_after=config.idle_ip_reclaim_after_seconds or 0.0,
        reclaim_interval=config.idle_ip_reclaim_interval_seconds,
        reclaim_batch=config.idle_ip_reclaim_batch_size,
        reclaim_jitter=config.idle_ip_reclaim_jitter_factor,
        trim_after=config.ip_pool_sync_period_seconds,
        cooldown=cooldown,
    )


def retired(policy: Policy) -> Policy:
    """Of a node that another backend serves by now: nothing is kept but what pods have."""
    return replace(policy, max_pool_size=0, min_pool_size=0, warm_up_size=0, min_eni=0, ipv4_prefix_count=0)


def families_of(config: EniConfig | None) -> tuple[int, ...]:
    """Of pods' addresses."""
    return (4, 6) if config is not None and config.ip_stack == "dual" else (4,)


def access_of(config: EniConfig | None, node: Node) -> CloudAccess:
    """The way to the cloud, as far as the cluster tells it."""
    if config is None:
        return NO_ACCESS._replace(instance_type_info=node.instance_type_info)
    return CloudAccess(
        region=config.region_id or "",
        key=config.access,
        credentials_path=config.credential_path,
        rate_limit=_rates(config.rate_limit),
        instance_type_info=node.instance_type_info,
    )


def _rates(limits: Mapping[str, int]) -> Mapping[str, int]:
    """The empty name stands for all actions that have no entry of their own."""
    from terway_edge.core.eni_names import ACTIONS

    others = limits.get("")
    return {
        **(dict.fromkeys(ACTIONS, others) if others else {}),
        **{name: most for name, most in limits.items() if name},
    }


def _vswitch_selection(text: str) -> VSwitchSelection:
    return VSwitchSelection.RANDOM if text == "random" else VSwitchSelection.ORDERED
