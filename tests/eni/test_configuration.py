"""Terway's configuration as the pool's policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from terway_edge.core.cloud import NO_ACCESS, CloudAccess
from terway_edge.core.eni_names import ACTIONS
from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.core.ports import ConfigMaps
from terway_edge.core.secret import Secret
from terway_edge.eni.configuration import access_of, families_of, policy_of
from terway_edge.eni.following import Configuration
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
    "idle_ip_reclaim_interval": "1m",
    "idle_ip_reclaim_batch_size": 2,
    "idle_ip_reclaim_jitter_factor": "0.5",
    "ip_pool_sync_period": "30s",
    "ip_warm_up_size": 7,
    "eni_cap_ratio": 0.5,
    "eni_cap_shift": 1,
    "eni_tag_block_list": [{"key": "hands", "value": "off"}],
    "enable_ip_prefix": True,
    "ipv4_prefix_count": 2,
}


def maps(**found: Mapping[str, object]):
    return lambda name: found.get(name.replace("-", "_"))


def conf(**changes: object) -> dict[str, object]:
    return {"eni_conf": json.dumps({**CONF, **changes})}


def read_config(config_maps: ConfigMaps, node: Node):
    configuration = Configuration(config_maps)
    configuration.start(node)
    return configuration.current


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
        reclaim_interval=60.0,
        reclaim_batch=2,
        reclaim_jitter=0.5,
        trim_after=30.0,
        warm_up_size=7,
        eni_cap_ratio=0.5,
        eni_cap_shift=1,
        use_prefixes=True,
        ipv4_prefix_count=2,
        cooldown=12.0,
    )
    assert policy.tag_block_list[-1] == ("hands", "off")
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


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        ("random", VSwitchSelection.RANDOM),
        ("ordered", VSwitchSelection.ORDERED),
        ("most", VSwitchSelection.ORDERED),
    ],
)
def test_names_of_the_order_of_vswitches(name: str, selection: VSwitchSelection) -> None:
    config = read_config(maps(eni_config=conf(vswitch_selection_policy=name)), NODE)
    assert policy_of(config, "zone-a", 0.0).vswitch_selection is selection


def test_the_way_to_the_cloud_is_as_the_config_map_and_the_node_tell() -> None:
    keys = {"access_key": "id", "access_secret": "secret", "credential_path": "/token", "region_id": "cn-x"}
    config = read_config(maps(eni_config=conf(**keys, rate_limit={"DescribeVSwitches": 30})), NODE)
    assert access_of(config, NODE._replace(instance_type_info="{}")) == CloudAccess(
        "cn-x", (Secret(b"id"), Secret(b"secret")), Path("/token"), {"DescribeVSwitches": 30}, "{}"
    )
    assert access_of(None, NODE) == NO_ACCESS
    assert access_of(None, NODE._replace(instance_type_info="{}")).instance_type_info == "{}"


def test_the_empty_name_limits_all_actions_that_have_no_entry_of_their_own() -> None:
    config = read_config(maps(eni_config=conf(rate_limit={"DescribeVSwitches": 30, "": 60})), NODE)
    rates = access_of(config, NODE).rate_limit
    assert rates.pop("DescribeVSwitches") == 30
    assert rates == dict.fromkeys(set(ACTIONS) - {"DescribeVSwitches"}, 60)
