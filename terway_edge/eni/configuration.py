"""Terway's ConfigMaps to the pool's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.core.ports import ConfigMaps
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection

if TYPE_CHECKING:
    from terway_edge.core.eni_keys import EniConfig


def read_config(config_maps: ConfigMaps, node: Node) -> EniConfig | None:
    """The configuration of a node; None if the cluster has none. Raises Refused if it cannot be used as it is."""
    # Imported here: a node whose pods are not on ENIs has no use for it.
    from terway_edge.core.eni_config import NAME, NODE_LABEL, read
    from terway_edge.core.eni_notes import Effect

    data = config_maps(NAME)
    if data is None:
        return None
    label = node.labels.get(NODE_LABEL, "")
    own: Mapping[str, object] | None = config_maps(label) if label else None
    reading = read(data, own)
    if reading.config is None:
        wrong = "; ".join(f"{note.key} {note.message}" for note in reading.notes if note.effect is Effect.WRONG)
        raise Refused(f"ConfigMap {NAME} cannot be used: {wrong}")
    return reading.config


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


def families_of(config: EniConfig | None) -> tuple[int, ...]:
    """Of pods' addresses."""
    return (4, 6) if config is not None and config.ip_stack == "dual" else (4,)


def _vswitch_selection(text: str) -> VSwitchSelection:
    return VSwitchSelection.RANDOM if text == "random" else VSwitchSelection.ORDERED
