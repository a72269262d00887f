"""Terway's ConfigMap as values: samples, defaults, the node's own changes, and what stops a node."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from terway_edge.core.eni_config import UNSAFE, explain, read
from terway_edge.core.eni_fields import Tag
from terway_edge.core.eni_keys import EniConfig
from terway_edge.core.eni_notes import Effect, Note
from terway_edge.core.secret import Secret
from tests.core.eni_samples import ACK, SELF_BUILT, cni, config_map


def usable(data: dict[str, object], node: dict[str, object] | None = None) -> EniConfig:
    config = read(data, node).config
    assert config is not None
    return config


def attention(data: dict[str, object], node: dict[str, object] | None = None) -> dict[str, Effect]:
    return {note.key: note.effect for note in read(data, node).notes if note.effect.needs_attention}


def test_the_sample_of_ack_says_only_what_it_asks_for_in_vain() -> None:
    assert attention(ACK) == {
        "eni_conf.enable_eni_trunking": Effect.NOT_DONE,
        "10-terway.conf.eniip_virtual_type": Effect.NOT_DONE,
        "disable_network_policy": Effect.NOT_DONE,
    }


def test_the_sample_of_ack_as_values() -> None:
    config = usable(ACK)
    assert (config.min_pool_size, config.max_pool_size) == (0, 5)
    assert config.credential_path == Path("/var/addon/token-config")
    assert config.vswitches == {"cn-hangzhou-j": ("vsw-foo",), "cn-hangzhou-k": ("vsw-foo",)}
    assert config.eni_tags == {"ack.aliyun.com": "c7c3cfoo"}
    assert config.all_security_groups == ("sg-foo",)
    assert (config.ip_stack, config.vswitch_selection_policy) == ("ipv4", "ordered")
    assert (config.bandwidth, config.mtu, config.access) == (True, None, None)


def test_a_cluster_of_ones_own_needs_no_attention() -> None:
    assert attention(SELF_BUILT) == {}
    assert usable(SELF_BUILT).access == (Secret(b"LTAI-example"), Secret(b"hush"))


def test_defaults() -> None:
    config = usable({"eni_conf": "{}"})
    assert read({"eni_conf": "{}"}).notes == ()
    assert (config.min_pool_size, config.max_pool_size, config.ip_warm_up_size) == (0, 0, None)
    assert (config.min_eni, config.max_eni, config.eni_cap_ratio, config.eni_cap_shift) == (0, 0, 1.0, 0)
    assert (config.ip_stack, config.vswitch_selection_policy, config.eni_selection_policy) == (
        "ipv4",
        "random",
        "most_ips",
    )
    assert config.idle_ip_reclaim_after_seconds is None
    assert (config.idle_ip_reclaim_interval_seconds, config.idle_ip_reclaim_batch_size) == (600, 5)
    assert (config.idle_ip_reclaim_jitter_factor, config.ip_pool_sync_period_seconds) == (0.1, 120)
    assert (config.enable_patch_pod_ips, config.enable_ip_prefix, config.ipv4_prefix_count) == (True, False, 0)
    assert (config.bandwidth, config.mtu) == (True, None)
    assert (config.vswitches, config.all_security_groups, config.rate_limit) == ({}, (), {})


FULL: dict[str, Any] = {
    "region_id": "cn-hangzhou",
    "service_cidr": "172.21.0.1/20, fd00:172::/108",
    "security_group": "sg-1",
    "security_groups": ["sg-2", "sg-1"],
    "eni_tag_filter": {"pool": "a"},
    "eni_tag_block_list": [{"key": "hands", "value": "off"}],
    "resource_group_id": "rg-1",
    "ip_stack": "dual",
    "max_pool_size": 10,
    "min_pool_size": 2,
    "ip_warm_up_size": 20,
    "min_eni": 1,
    "max_eni": 3,
    "eni_cap_ratio": 0.5,
    "eni_cap_shift": -1,
    "eni_selection_policy": "least_ips",
    "idle_ip_reclaim_after": "30m",
    "idle_ip_reclaim_interval": "5m",
    "idle_ip_reclaim_batch_size": 3,
    "idle_ip_reclaim_jitter_factor": "0.25",
    "ip_pool_sync_period": "1m30s",
    "enable_patch_pod_ips": False,
    "rate_limit": {"AssignPrivateIpAddresses": 100, "": 200},
    "backoff_override": {"eni_ops": {"Duration": 1500000000, "Factor": 2, "Steps": 4, "Cap": 60000000000}},
    "extra_routes": [{"dst": "10.9.0.0/16"}],
    "enable_ip_prefix": True,
    "ipv4_prefix_count": 5,
}


def test_every_key_becomes_a_value_in_plain_units() -> None:
    config = usable(config_map(FULL, **{"10-terway.conf": {"mtu": 8500, "capabilities": {"bandwidth": False}}}))
    assert attention(config_map(FULL)) == {}
    assert config.region_id == "cn-hangzhou"
    assert config.all_security_groups == ("sg-1", "sg-2")
    assert config.eni_tag_filter == {"pool": "a"}
    assert config.blocked_tags == (
        Tag("creator", "alibabacloud-erdma-controller"),
        Tag("terway.alibabacloud.com/excluded", "true"),
        Tag("hands", "off"),
    )
    assert (config.resource_group_id, config.ip_stack) == ("rg-1", "dual")
    assert (config.min_pool_size, config.max_pool_size, config.ip_warm_up_size) == (2, 10, 20)
    assert (config.min_eni, config.max_eni, config.eni_cap_ratio, config.eni_cap_shift) == (1, 3, 0.5, -1)
    assert config.eni_selection_policy == "least_ips"
    assert (config.idle_ip_reclaim_after_seconds, config.idle_ip_reclaim_interval_seconds) == (1800, 300)
    assert (config.idle_ip_reclaim_batch_size, config.idle_ip_reclaim_jitter_factor) == (3, 0.25)
    assert (config.ip_pool_sync_period_seconds, config.enable_patch_pod_ips) == (90, False)
    assert config.rate_limit == {"AssignPrivateIpAddresses": 100, "": 200}
    assert (config.enable_ip_prefix, config.ipv4_prefix_count) == (True, 5)
    assert (config.mtu, config.bandwidth) == (8500, False)


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ({"eni_cap_ratio": 0}, "eni_cap_ratio", 1.0),
        ({"idle_ip_reclaim_batch_size": 0}, "idle_ip_reclaim_batch_size", 5),
        ({"ip_stack": ""}, "ip_stack", "ipv4"),
        ({"ip_pool_sync_period": ""}, "ip_pool_sync_period_seconds", 120),
        ({"enable_patch_pod_ips": None}, "enable_patch_pod_ips", True),
        ({"access_key": ""}, "access", None),
    ],
)
def test_zero_empty_and_null_are_what_terway_takes_them_for(written: Any, field: str, value: object) -> None:
    data = config_map(written)
    assert getattr(usable(data), field) == value
    assert attention(data) == {}


def test_mtu_0_is_the_uplinks() -> None:
    assert usable(cni(mtu=0)).mtu is None
    assert attention(cni(mtu=0)) == {}


def test_a_list_of_plugins_takes_the_place_of_the_single_one() -> None:
    plugins = [{"type": "terway", "mtu": 1400}, {"type": "cilium-cni"}, {"type": "portmap"}, {"type": "tuning"}]
    data = {**cni(mtu=9000, nonsense=1), "10-terway.conflist": json.dumps({"plugins": plugins})}
    assert usable(data).mtu == 1400
    effects = {note.key: note.effect for note in read(data).notes}
    assert effects == {
        "10-terway.conf": Effect.WITHOUT_EFFECT,
        "10-terway.conflist.plugins.cilium-cni": Effect.NOT_DONE,
        "10-terway.conflist.plugins.portmap": Effect.WITHOUT_EFFECT,
        "10-terway.conflist.plugins.tuning": Effect.NOT_DONE,
        "10-terway.conflist.type": Effect.WITHOUT_EFFECT,
        "10-terway.conflist.mtu": Effect.HONOURED,
    }


def test_a_node_changes_what_its_config_map_names() -> None:
    node: dict[str, object] = {"eni_conf": '{"vswitches": {"cn-hangzhou-j": null, "cn-hangzhou-k": ["vsw-bar"]}}'}
    config = usable(ACK, node)
    assert config.vswitches == {"cn-hangzhou-k": ("vsw-bar",)}
    assert config.max_pool_size == 5
    notes = {note.key: note.message for note in read(ACK, node).notes}
    assert notes["eni_conf.vswitches"].endswith("; as the node's ConfigMap has it")
    assert notes["eni_conf.max_pool_size"] == "most idle addresses that a node keeps"


def test_a_node_can_remove_a_key() -> None:
    assert usable(ACK, {"eni_conf": '{"security_group": null}'}).all_security_groups == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", 7, '{"a":' * 5000])
def test_what_a_node_has_and_cannot_be_read_counts_as_absent(text: object) -> None:
    reading = read(ACK, {"eni_conf": text})
    assert reading.config == read(ACK).config
    assert [note.key for note in reading.notes if note.effect is Effect.WRONG] == ["terway-config.eni_conf"] * (
        text != ""
    )


def test_only_eni_conf_of_a_node_counts() -> None:
    reading = read(ACK, {"10-terway.conf": '{"mtu": 1300}', "eni_conf": "{}"})
    assert (reading.config, reading.notes[0]) == (
        read(ACK).config,
        Note("terway-config.10-terway.conf", Effect.WITHOUT_EFFECT, "of a node's ConfigMap only eni_conf is read"),
    )


@pytest.mark.parametrize("key", UNSAFE)
def test_what_must_not_be_guessed_around_stops_everything(key: str) -> None:
    reading = read(config_map({key: 7, "max_pool_size": 3}))
    assert reading.config is None
    (note,) = (note for note in reading.notes if note.effect is Effect.WRONG)
    assert note.key == f"eni_conf.{key}"
    assert note.message.endswith(f"; nothing is read until it is corrected: {UNSAFE[key]}")


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "{'a': 1}", '{"a": NaN}', {"a": 1}, "[" * 5000, "1" * 5000])
def test_without_eni_conf_there_is_no_configuration(text: object) -> None:
    reading = read({"eni_conf": text})
    assert reading.config is None
    assert [note.key for note in reading.notes] == ["eni_conf"]


def test_a_missing_eni_conf_is_told_of_the_wrong_name() -> None:
    keys = {note.key: note.message for note in read({"eni_config": "{}"}).notes}
    assert keys["eni_config"] == "is no key that Terway knows here, did you mean 'eni_conf'?"
    assert keys["eni_conf"].startswith("is missing, add it; nothing is read until")


@pytest.mark.parametrize("text", ["{", "7", {"mtu": 1400}])
def test_a_plugin_that_cannot_be_read_counts_as_absent(text: object) -> None:
    reading = read({"eni_conf": "{}", "10-terway.conf": text})
    assert reading.config == EniConfig()
    assert [(note.key, note.effect) for note in reading.notes] == [("10-terway.conf", Effect.WRONG)]


@pytest.mark.parametrize("text", ['{"plugins": 7}', '{"plugins": [7]}', "{"])
def test_a_list_of_plugins_that_cannot_be_read_counts_as_empty(text: str) -> None:
    reading = read({**cni(mtu=1400), "10-terway.conflist": text})
    assert reading.config == EniConfig()
    assert [note.effect for note in reading.notes] == [Effect.WITHOUT_EFFECT, Effect.WRONG]


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ({"min_pool_size": 7, "max_pool_size": 5}, "min_pool_size", 5),
        ({"min_eni": 4, "max_eni": 2}, "min_eni", 2),
        ({"access_key": "id"}, "access_key", None),
        ({"access_secret": "hush"}, "access_secret", None),
    ],
)
def test_what_counts_where_keys_contradict_each_other(written: Any, field: str, value: object) -> None:
    assert getattr(usable(config_map(written)), field) == value


def test_an_mtu_that_carries_no_ipv6_counts_as_absent() -> None:
    assert usable(config_map({"ip_stack": "dual"}, **{"10-terway.conf": {"mtu": 1000}})).mtu is None
    assert usable(cni(mtu=1000)).mtu == 1000


def test_at_whichever_depth_the_stack_ends_the_rest_is_read() -> None:
    """The parser and the merging each bear a depth of their own, near the interpreter's limit."""
    limit = sys.getrecursionlimit()
    told = set()
    for depth in range(limit - 120, limit, 3):
        node = {"eni_conf": '{"a":' * depth + "1" + "}" * depth}
        reading = read(ACK, node)
        assert reading.config == read(ACK).config
        told |= {note.key for note in reading.notes if note.effect is Effect.WRONG}
    assert told == {"terway-config.eni_conf"}


def test_an_error_after_a_dangerous_one_does_not_make_it_safe() -> None:
    assert read(config_map({"ip_stack": "ipv5", "max_pool_size": "x"})).config is None


def test_explaining_says_what_reading_notes_of_a_nodes_changes_too() -> None:
    node: dict[str, object] = {"eni_conf": '{"max_pool_size": 9, "rate_limit": {"Nonsense": 1}}'}
    notes = explain(ACK, node)
    assert notes == list(read(ACK, node).notes)
    assert {"eni_conf.max_pool_size", "eni_conf.rate_limit", "eni_conf.rate_limit.Nonsense"} <= {n.key for n in notes}


@pytest.mark.parametrize(
    ("data", "node", "key", "told"),
    [
        ({"eni_conf": "{"}, None, "eni_conf", "is no JSON: line 1, column 2: "),
        ({"eni_conf": "{}"}, {"eni_conf": "[]"}, "terway-config.eni_conf", "expected a JSON object, {...}; it counts"),
        (
            {"eni_conf": {}},
            None,
            "eni_conf",
            "expected a JSON object as one text; in YAML, write | after the key and indent the lines; nothing is read",
        ),
        ({"eni_conf": '{"a": NaN}'}, None, "eni_conf", "is no JSON: it has no number NaN; nothing is read"),
        (
            {"eni_conf": "{}", "10-terway.conflist": '{"plugins": 7}'},
            None,
            "10-terway.conflist.plugins",
            "expected a list of plugins, each an object; it counts as absent",
        ),
        (
            {"eni_conf": "{}", "10-terway.conflist": '{"plugins": [{"type": "tuning"}]}'},
            None,
            "10-terway.conflist.plugins.tuning",
            "no plugins are chained after the agent's",
        ),
    ],
)
def test_a_note_says_what_is_wrong_with_what(
    data: dict[str, object], node: dict[str, object] | None, key: str, told: str
) -> None:
    (note,) = (note for note in read(data, node).notes if note.key == key)
    assert note.message.startswith(told)


def test_a_document_that_cannot_be_read_is_no_danger_but_for_eni_conf() -> None:
    (note,) = read({"eni_conf": "{}", "10-terway.conf": "{"}).notes
    assert note.message.endswith("; it counts as absent")


def test_limits_are_allowed_themselves() -> None:
    tags = {f"k{number}": "v" for number in range(20)}
    config = usable(
        config_map(
            {"eni_tags": tags, "eni_tag_block_list": [{"key": "alone"}], "ip_stack": "dual"},
            **{"10-terway.conf": {"mtu": 1280, "capabilities": {"portMappings": True}}},
        )
    )
    assert config.eni_tags == tags
    assert config.blocked_tags[-1] == Tag("alone", "")
    assert (config.mtu, config.bandwidth) == (1280, True)
    for text in ("0", "1"):
        assert usable(config_map({"idle_ip_reclaim_jitter_factor": text})).idle_ip_reclaim_jitter_factor == float(text)
