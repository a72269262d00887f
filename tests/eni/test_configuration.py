"""Terway's configuration as the pool's policy."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.eni.configuration import families_of, policy_of, read_config
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection

NODE = Node("n1", {"terway-config": "small"}, (), ())
CONF = {
    "vswitches": {"zone-a": ["vsw-1", "vsw-2"], "zone-b": ["vsw-3"]},
    "security_groups": ["sg-1", "sg-2"],
    "ip_stack": "dual",
    "max_pool_size": 9,
    "min_pool_size": 3,
    "min_eni": 1,
    "max_eni": 4,
    "eni_tags": {"team": "net"},
    "eni_tag_filter": {"for": "pods"},
    "vswitch_selection_policy": "ordered",
    "eni_selection_policy": "least_ips",
    "resource_group_id": "rg-1",
    "idle_ip_reclaim_after": "5m",
}


def maps(**found: Mapping[str, object]):
    return lambda name: found.get(name.replace("-", "_"))


def conf(**changes: object) -> dict[str, object]:
    return {"eni_conf": json.dumps({**CONF, **changes})}


def test_each_key_of_the_pool_arrives() -> None:
    config = read_config(maps(eni_config=conf()), NODE)
    policy = policy_of(config, "zone-a", 12.0)
    assert policy == Policy(
        families=(4, 6),
        max_pool_size=9,
        min_pool_size=3,
        min_eni=1,
        max_eni=4,
        eni_selection=EniSelection.LEAST_IPS,
        vswitch_selection=VSwitchSelection.ORDERED,
        vswitches=("vsw-1", "vsw-2"),
        security_groups=("sg-1", "sg-2"),
        eni_tags={"team": "net"},
        tag_filter={"for": "pods"},
        tag_block_list=policy.tag_block_list,
        resource_group="rg-1",
        reclaim_after=300.0,
        cooldown=12.0,
    )
    assert ("terway.alibabacloud.com/excluded", "true") in policy.tag_block_list
    assert policy_of(config, "zone-z", 12.0).vswitches == ()


def test_a_nodes_own_config_map_has_the_last_word() -> None:
    own = {"eni_conf": json.dumps({"max_pool_size": 2, "min_pool_size": 1})}
    config = read_config(maps(eni_config=conf(), small=own), NODE)
    assert policy_of(config, "zone-a", 0.0).max_pool_size == 2
    config = read_config(maps(eni_config=conf(), small=own), NODE._replace(labels={}))
    assert policy_of(config, "zone-a", 0.0).max_pool_size == 9


def test_without_a_config_map_the_pool_has_its_own_defaults() -> None:
    config = read_config(maps(), NODE)
    assert config is None
    assert policy_of(config, "zone-a", 7.0) == Policy(cooldown=7.0)
    assert families_of(config) == (4,)


def test_what_must_not_be_guessed_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"ConfigMap eni-config cannot be used: .*vswitches"):
        read_config(maps(eni_config=conf(vswitches="vsw-1")), NODE)
