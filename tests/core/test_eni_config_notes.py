"""The sentence that each key of Terway's configuration gets."""

from __future__ import annotations

from typing import Any

import pytest

from terway_edge.core.eni_config import explain
from terway_edge.core.eni_names import ACTIONS
from terway_edge.core.eni_notes import Effect
from tests.core.eni_samples import cni, config_map


def note(data: dict[str, object], key: str) -> tuple[Effect, str]:
    (found,) = (note for note in explain(data) if note.key == key)
    return found.effect, found.message


def eni(key: str, value: Any, **others: Any) -> tuple[Effect, str]:
    return note(config_map({key: value, **others}), f"eni_conf.{key}")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_pool_size", "5", "got '5', expected a whole number without quotes (most idle addresses"),
        ("max_pool_size", -1, "got -1, expected"),
        ("max_pool_size", 2**40, "got 1099511627776, expected"),
        ("max_pool_size", True, "got True, expected a whole number without quotes"),
        ("max_pool_size", 5.0, "got 5.0, expected a whole number without quotes"),
        ("ip_pool_sync_period", 120, "got 120, expected text in quotes (how long addresses"),
        ("ip_pool_sync_period", "2 min", "got '2 min', expected a duration such as 120s or 1h30m"),
        ("idle_ip_reclaim_jitter_factor", 0.1, "got 0.1, expected text in quotes"),
        ("idle_ip_reclaim_jitter_factor", "1.5", """got '1.5', expected a number in quotes, "0".."1" """),
        ("idle_ip_reclaim_jitter_factor", "a half", """got 'a half', expected a number in quotes, "0".."1" """),
        ("idle_ip_reclaim_jitter_factor", "nan", """got 'nan', expected a number in quotes, "0".."1" """),
        ("eni_cap_ratio", 2, "got 2, expected"),
        ("enable_patch_pod_ips", "true", "got 'true', expected true or false"),
        ("ip_stack", "ipv6", "got 'ipv6', expected 'ipv4' or 'dual'"),
        ("vswitch_selection_policy", "first", "got 'first', expected 'random', 'ordered' or 'most'"),
        ("eni_tag_block_list", [{"value": "x"}], "[0]: expected an object with the texts key and"),
        ("eni_tag_block_list", [{"key": ""}], "[0]: expected an object with the texts key and value"),
        ("eni_tag_block_list", [{"key": 7}], "[0]: expected an object with the texts key and value"),
        ("eni_tag_block_list", [{"key": "a", "value": 7}], "[0]: expected an object with the texts key and value"),
        ("eni_tag_block_list", ["a"], "[0]: got 'a', expected an object with the texts key and value"),
        ("eni_tags", {f"k{n}": "" for n in range(21)}, "expected at most 20 tags, which is what an ENI takes"),
        ("vswitches", {"z": "vsw-1"}, ".z: got 'vsw-1', expected a list"),
        ("vswitches", {"z": [""]}, ".z[0]: got '', expected text that should have at least 1 character"),
        ("security_groups", [f"sg-{n}" for n in range(11)], "got ["),
        ("rate_limit", {"DescribeVSwitches": 0}, ".DescribeVSwitches: got 0, expected"),
        ("credential_path", "token", "got 'token', expected an absolute path, one that starts with /"),
        ("access_secret", 1234567, "got something else, expected text in quotes"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_expected(key: str, value: Any, told: str) -> None:
    found = next(note for note in explain(config_map({key: value})) if note.effect is Effect.WRONG)
    assert found.key.startswith(f"eni_conf.{key}")
    assert f"{found.key.removeprefix(f'eni_conf.{key}')}: {found.message}".removeprefix(": ").startswith(told.strip())


def test_a_wrong_key_leaves_the_others_in_force() -> None:
    assert eni("max_eni", "three", min_pool_size=0)[1].endswith("; it counts as absent")
    assert note(config_map({"max_eni": "three", "min_pool_size": 0}), "eni_conf.min_pool_size")[0] is Effect.HONOURED


@pytest.mark.parametrize("count", [10, 11])
def test_security_groups_count_together(count: int) -> None:
    groups = [f"sg-{number}" for number in range(count - 1)]
    effect, message = eni("security_groups", groups, security_group="sg-one")
    if count == 10:
        assert effect is Effect.HONOURED
    else:
        assert "expected at most 10 together with security_group" in message
    assert eni("security_groups", [f"sg-{number}" for number in range(10)], security_group="sg-3")[0] is Effect.HONOURED


@pytest.mark.parametrize(
    ("keys", "key", "told"),
    [
        (
            {"min_pool_size": 7, "max_pool_size": 5},
            "min_pool_size",
            "got 7, expected at most max_pool_size, which is 5: change one of them; it counts as 5",
        ),
        (
            {"min_eni": 4, "max_eni": 2},
            "min_eni",
            "got 4, expected at most max_eni, which is 2: change one of them; it ",
        ),
        (
            {"access_key": "id"},
            "access_key",
            "is of no use without access_secret: add it, or remove this; it counts as",
        ),
        ({"access_secret": "hush"}, "access_secret", "is of no use without access_key: add it, or remove this; it "),
        ({"enable_ip_prefix": True, "ipv4_prefix_count": 0}, "ipv4_prefix_count", "is 0, but enable_ip_prefix is true"),
    ],
)
def test_keys_that_contradict_each_other(keys: dict[str, Any], key: str, told: str) -> None:
    effect, message = note(config_map(keys), f"eni_conf.{key}")
    assert (effect, message[: len(told)]) == (Effect.WRONG, told)


def test_max_eni_0_is_no_limit() -> None:
    assert eni("min_eni", 4, max_eni=0)[0] is Effect.HONOURED


def test_an_mtu_that_carries_no_ipv6() -> None:
    data = config_map({"ip_stack": "dual"}, **{"10-terway.conf": {"mtu": 1000}})
    assert note(data, "10-terway.conf.mtu") == (
        Effect.WRONG,
        "got 1000, expected at least 1280 with ip_stack dual: raise it; it counts as absent",
    )


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [
        ("eniip_virtual_type", "Veth", Effect.HONOURED),
        ("eniip_virtual_type", "IPVlan", Effect.NOT_DONE),
        ("eniip_virtual_type", "datapathv2", Effect.NOT_DONE),
        ("eniip_virtual_type", "", Effect.HONOURED),
        ("eniip_virtual_type", "macvlan", Effect.WRONG),
        ("eniip_virtual_type", 7, Effect.WRONG),
        ("bandwidth_mode", "edt", Effect.WITHOUT_EFFECT),
        ("bandwidth_mode", "tc", Effect.HONOURED),
        ("auto_mtu", True, Effect.HONOURED),
        ("auto_mtu", False, Effect.WITHOUT_EFFECT),
        ("enable_network_priority", True, Effect.NOT_DONE),
        ("enable_network_priority", False, Effect.WITHOUT_EFFECT),
        ("cilium_args", "", Effect.WITHOUT_EFFECT),
        ("cilium_args", "debug=true", Effect.NOT_DONE),
        ("symmetric_routing", True, Effect.NOT_DONE),
        ("symmetric_routing_config", {"mark": 32}, Effect.WITHOUT_EFFECT),
        ("network_policy_provider", "iptables", Effect.NOT_DONE),
        ("capabilities", {"bandwidth": "yes"}, Effect.WRONG),
        ("capabilities", {"portMappings": True}, Effect.HONOURED),
        ("veth_prefx", "x", Effect.UNKNOWN),
    ],
)
def test_keys_of_the_plugin(key: str, value: Any, effect: Effect) -> None:
    assert note(cni(**{key: value}), f"10-terway.conf.{key}")[0] is effect


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [
        ("ipam_type", "", Effect.WITHOUT_EFFECT),
        ("ipam_type", None, Effect.WITHOUT_EFFECT),
        ("ipam_type", "crd", Effect.NOT_DONE),
        ("ipam_type", "preferCRD", Effect.NOT_DONE),
        ("ipam_type", "central", Effect.WRONG),
        ("enable_eni_trunking", False, Effect.WITHOUT_EFFECT),
        ("enable_eni_trunking", True, Effect.NOT_DONE),
        ("enable_erdma", True, Effect.NOT_DONE),
        ("disable_device_plugin", True, Effect.WITHOUT_EFFECT),
        ("custom_stateful_workload_kinds", [], Effect.WITHOUT_EFFECT),
        ("custom_stateful_workload_kinds", ["CloneSet"], Effect.NOT_DONE),
        ("eni_cap_policy", "x", Effect.WITHOUT_EFFECT),
        ("mtu", 1400, Effect.UNKNOWN),
    ],
)
def test_keys_of_eni_conf_that_no_value_comes_from(key: str, value: Any, effect: Effect) -> None:
    assert eni(key, value)[0] is effect


@pytest.mark.parametrize(
    ("value", "effect"),
    [("true", Effect.HONOURED), ("1", Effect.HONOURED), *((text, Effect.NOT_DONE) for text in ("false", "0", ""))],
)
def test_policies_that_are_wanted_are_not_enforced(value: str, effect: Effect) -> None:
    assert note({"eni_conf": "{}", "disable_network_policy": value}, "disable_network_policy")[0] is effect


def test_a_value_without_quotes_is_no_text() -> None:
    assert note({"eni_conf": "{}", "disable_network_policy": False}, "disable_network_policy") == (
        Effect.WRONG,
        "expected text; write it in quotes; it counts as absent",
    )


def test_an_unknown_key_gets_the_nearest_known_one() -> None:
    assert eni("max_pool_sise", 5) == (
        Effect.UNKNOWN,
        "is no key that Terway knows here, did you mean 'max_pool_size'?",
    )
    assert eni("colour", 5) == (Effect.UNKNOWN, "is no key that Terway knows here")


def test_names_inside_limits() -> None:
    limits = {"DescribeVSwitch": 3, "DescribeVSwitches": 3, "": 9, "DescribeNetworkInterfaceAttribute": 3}
    data = config_map({"rate_limit": limits})
    assert [(note.key, note.effect, note.message) for note in explain(data) if note.key.count(".") > 1] == [
        (
            "eni_conf.rate_limit.DescribeVSwitch",
            Effect.UNKNOWN,
            "is no action that is called here, did you mean 'DescribeVSwitches'?",
        ),
        (
            "eni_conf.rate_limit.DescribeNetworkInterfaceAttribute",
            Effect.WITHOUT_EFFECT,
            "an action that is not called here",
        ),
    ]


def test_the_actions_are_those_that_the_client_calls() -> None:
    from terway_edge.cloud.requests import ACTIONS as CALLED

    assert set(ACTIONS) == {action.name for action in CALLED}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (7, """expected an object such as {"bandwidth": true} ("""),
        ({"bandwidth": "yes"}, "expected true or false for bandwidth; it counts as absent"),
    ],
)
def test_capabilities_that_are_none(value: object, told: str) -> None:
    effect, message = note(cni(capabilities=value), "10-terway.conf.capabilities")
    assert effect is Effect.WRONG
    assert told in message
