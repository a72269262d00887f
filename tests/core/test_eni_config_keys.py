"""No key that Terway knows is unknown here."""

from __future__ import annotations

import pytest

from terway_edge.core.eni_config import explain
from terway_edge.core.eni_notes import Effect
from tests.core.eni_samples import cni, config_map

DATA = "eni_conf 10-terway.conf 10-terway.conflist disable_network_policy in_cluster_loadbalance felix_relay_service"
ENI_CONF = """
version access_key access_secret credential_path region_id service_cidr vswitches security_group security_groups
eni_tags eni_tag_filter eni_tag_block_list resource_group_id ip_stack max_pool_size min_pool_size ip_warm_up_size
min_eni max_eni eni_cap_ratio eni_cap_shift vswitch_selection_policy eni_selection_policy idle_ip_reclaim_after
idle_ip_reclaim_interval idle_ip_reclaim_batch_size idle_ip_reclaim_jitter_factor ip_pool_sync_period
enable_patch_pod_ips rate_limit backoff_override kube_client_qps kube_client_burst extra_routes
custom_stateful_workload_kinds ipam_type enable_eni_trunking enable_erdma disable_device_plugin enable_ip_prefix
ipv4_prefix_count ipv6_prefix_count prefix enable_eip_pool enable_eip_migrate allow_eip_rob
disable_security_group_check wait_trunk_eni eni_cap_policy
"""
CNI_CONF = """
type name cniVersion eniip_virtual_type capabilities bandwidth_mode enable_network_priority host_stack_cidrs mtu
auto_mtu vlan_strip_type disable_host_peer veth_prefix debug network_policy_provider cilium_args cilium_enable_hubble
cilium_hubble_metrics cilium_hubble_listen_address cilium_hubble_metrics_server symmetric_routing
symmetric_routing_config runtimeConfig
"""
# Keys of Terway 1.17.5 in its three texts.
EVERY = {"": DATA.split(), "eni_conf": ENI_CONF.split(), "10-terway.conf": CNI_CONF.split()}


def test_the_lists_are_whole() -> None:
    assert [len(set(keys)) for keys in EVERY.values()] == [6, 49, 23]


@pytest.mark.parametrize("key", EVERY["eni_conf"])
def test_eni_conf(key: str) -> None:
    (note,) = explain(config_map({key: ""}))
    assert (note.key, note.effect in (Effect.HONOURED, Effect.WITHOUT_EFFECT)) == (f"eni_conf.{key}", True)


@pytest.mark.parametrize("key", EVERY["10-terway.conf"])
def test_the_plugin(key: str) -> None:
    (note,) = explain(cni(**{key: ""}))
    assert (note.key, note.effect in (Effect.HONOURED, Effect.WITHOUT_EFFECT)) == (f"10-terway.conf.{key}", True)


def test_the_config_map() -> None:
    data = {**dict.fromkeys(EVERY[""], "{}"), "disable_network_policy": "true"}
    assert {note.effect for note in explain(data)} == {Effect.HONOURED, Effect.WITHOUT_EFFECT}
