"""Settings: defaults, what is accepted, and the sentence that each mistake gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config import Settings, load, schema
from terway_edge.core.config_error import ConfigError
from terway_edge.core.environment import variables
from terway_edge.core.selection import PoolRule
from terway_edge.core.selectors import Selector

FULL: dict[str, Any] = {
    "node_name": "edge-1",
    "mtu": 1400,
    "cluster": {"source": "manifests", "manifests": "/srv/manifests"},
    "interface": {"names": ["eth1"], "regex": ["^ens"], "can_reach": "192.0.2.1", "public_ipv6": "2001:db8::7"},
    "ipam": {"cooldown_seconds": 5, "pods_per_node": 64, "reserved": ["10.1.0.1", "2001:db8:1::1"]},
    "masquerade": {"enabled": False, "exclude": ["10.0.0.0/8"]},
    "routes": {"edge_cidrs": ["10.64.0.0/10"], "gateway": ["192.0.2.1", "2001:db8::1"], "resync_seconds": 10},
    "node_pools": [{"selector": "zone in (b,a)", "backend": "flannel_route", "advertisers": ["bgp"], "lan": "l1"}],
    "plugins": {"disabled": ["terway"]},
    "bgp": {"listen_port": 1790, "shrink_percent": 0, "on_max_received": "cease"},
}


def mistakes(mapping: dict[Any, Any], environ: dict[str, str] | None = None, hostname: str = "host") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(mapping, environ or {}, hostname)
    assert str(caught.value) == "\n".join(caught.value.lines)
    return caught.value.lines


def test_defaults() -> None:
    found = load({}, {}, "Edge-7.Example")
    assert found.node_name == "edge-7.example"
    assert (found.run_dir, found.state_dir) == (Path("/run/terway-edge"), Path("/var/lib/terway-edge"))
    assert found.mtu is None
    assert (found.ipam.cooldown_seconds, found.ipam.pods_per_node, found.ipam.reserved) == (30, 0, ())
    assert (found.cni.conf_name, found.cni.workers) == ("10-terway-edge.conflist", 8)
    assert (found.metrics.address, found.metrics.port) == (Address.parse("127.0.0.1"), 9797)
    assert (found.gc.period_seconds, found.gc.grace_seconds) == (60, 120)
    assert (found.bgp.listen_port, found.bgp.shrink_percent, found.bgp.hold_back_seconds) == (0, 30, 300)
    assert (found.bgp.max_received_prefixes, found.bgp.on_max_received) == (10000, "ignore")
    assert found.pool_rules == ()


def test_texts_become_values_and_texts_again() -> None:
    found = load(FULL, {})
    assert found.masquerade.exclude == (Prefix.parse("10.0.0.0/8"),)
    assert found.interface.can_reach == Address.parse("192.0.2.1")
    assert found.pool_rules == (PoolRule(Selector.parse("zone in (a,b)"), "flannel_route", ("bgp",), "l1"),)
    shown = json.loads(found.model_dump_json())
    assert shown["routes"]["edge_cidrs"] == ["10.64.0.0/10"]
    assert shown["node_pools"][0]["selector"] == "zone in (a,b)"
    assert load(shown, {}) == found
    assert load(found.model_dump(), {}) == found


def test_settings_cannot_be_changed() -> None:
    found = load(FULL, {})
    with pytest.raises(ValidationError):
        found.mtu = 9000  # type: ignore[misc]
    with pytest.raises(ValidationError):
        found.ipam.pods_per_node = 1  # type: ignore[misc]


def test_node_name_comes_from_the_file_then_the_environment_then_the_host() -> None:
    environ = {"NODE_NAME": "from-env"}
    assert load({"node_name": "from-file"}, environ, "host").node_name == "from-file"
    assert load({"node_name": "from-file"}, {"TERWAY_EDGE_NODE_NAME": "ours"}, "host").node_name == "ours"
    assert load({}, environ, "host").node_name == "from-env"
    assert load({}, {}, "Host").node_name == "host"
    assert mistakes({}, hostname="") == (
        "node_name: is missing, add it (name of this node's Node object; else NODE_NAME, else the hostname)",
    )


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"intreface": {}}, "intreface: is no setting, did you mean 'interface'?"),
        ({"ipam": {"cooldwn_seconds": 1}}, "ipam.cooldwn_seconds: is no setting, did you mean 'cooldown_seconds'?"),
        ({"log": {"log": "info"}}, "log.log: is no setting; known keys: format, level"),
        (
            {"node_pools": [{"selector": "all()", "backnd": "x", "backend": "x"}]},
            "node_pools[0].backnd: is no setting, did you mean 'backend'?",
        ),
        ({"cni": 3}, "cni: got 3, expected a mapping of keys to values (the runtime's side)"),
        (
            {"interface": {"names": "eth0"}},
            "interface.names: got 'eth0', expected a list (list of link names or own addresses; the first that exists)",
        ),
        (
            {"log": {"level": "loud"}},
            "log.level: got 'loud', expected 'debug', 'info', 'warning' or 'error' (least severity that is logged)",
        ),
        (
            {"ipam": {"reserved": ["10.0.0.1", "10.0.0.256"]}},
            "ipam.reserved[1]: got '10.0.0.256', expected an address such as 192.0.2.1: '10.0.0.256' does not appear to"
            " be an IPv4 or IPv6 address (list of addresses that no pod gets)",
        ),
        (
            {"masquerade": {"exclude": ["10.0.0.1/8"]}},
            "masquerade.exclude[0]: got '10.0.0.1/8', expected a CIDR such as 10.0.0.0/8: 10.0.0.1/8 has host bits set"
            " (list of CIDRs that see the pod's own address)",
        ),
        ({"log": {"\n": 1}}, "log.'\\n': is no setting; known keys: format, level"),
        ({1: 2}, "[1]: the key 1 is no text; write it in quotes, or remove it"),
        (
            {"routes": {"gateway": ["10.0.0.1", "10.0.0.2"]}},
            "routes: gateway has two addresses of one family, expected at most one per family: remove one",
        ),
        (
            {"routes": {"cross_domain_cidrs": ["10.0.0.0/7", "::/0"]}},
            "routes: cross_domain_cidrs has a default route, which is the node's own: remove it",
        ),
        (
            {"mtu": 1279, "routes": {"cross_domain_cidrs": ["2001:db8::/32"]}},
            "configuration: mtu is 1279 and routes are IPv6, expected at least 1280: raise mtu",
        ),
        (
            {"mtu": 1279, "routes": {"edge_cidrs": ["2001:db8::/32"]}},
            "configuration: mtu is 1279 and routes are IPv6, expected at least 1280: raise mtu",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_where_what_and_how(mapping: dict[Any, Any], line: str) -> None:
    assert mistakes(mapping) == (line,)


@pytest.mark.parametrize(
    ("mapping", "where"),
    [
        ({"mtu": 575}, "mtu"),
        ({"mtu": 65536}, "mtu"),
        ({"run_dir": "relative"}, "run_dir"),
        ({"cni": {"conf_name": "../10.conflist"}}, "cni.conf_name"),
        ({"cni": {"conf_name": "10.conf"}}, "cni.conf_name"),
        ({"cni": {"workers": 0}}, "cni.workers"),
        ({"interface": {"regex": ["("]}}, "interface.regex[0]"),
        ({"interface": {"public_ip": "2001:db8::1"}}, "interface.public_ip"),
        ({"interface": {"can_reach": "fe80::1%eth0"}}, "interface.can_reach"),
        ({"node_pools": [{"selector": "a b", "backend": "x"}]}, "node_pools[0].selector"),
        ({"node_pools": [{"selector": "all()", "backend": "X-1"}]}, "node_pools[0].backend"),
        ({"node_pools": [{"backend": "x"}]}, "node_pools[0].selector"),
        ({"metrics": {"port": 65536}}, "metrics.port"),
        ({"ipam": {"cooldown_seconds": -1}}, "ipam.cooldown_seconds"),
        ({"ipam": {"cooldown_seconds": float("nan")}}, "ipam.cooldown_seconds"),
        ({"cluster": {"source": "kubernetes"}}, "cluster.source"),
        ({"masquerade": {"exclude": [10]}}, "masquerade.exclude[0]"),
        ({"routes": {"cross_domain_cidrs": ["10.0.0.1/8"]}}, "routes.cross_domain_cidrs[0]"),
        ({"bgp": {"listen_port": 65536}}, "bgp.listen_port"),
        ({"bgp": {"shrink_percent": 101}}, "bgp.shrink_percent"),
        ({"bgp": {"hold_back_seconds": 3601}}, "bgp.hold_back_seconds"),
        ({"bgp": {"max_received_prefixes": -1}}, "bgp.max_received_prefixes"),
        ({"bgp": {"on_max_received": "drop"}}, "bgp.on_max_received"),
    ],
)
def test_wrong_values_are_refused_where_they_are(mapping: dict[str, Any], where: str) -> None:
    (line,) = mistakes(mapping)
    assert line.startswith(f"{where}: ")


def test_all_mistakes_are_told_at_once() -> None:
    lines = mistakes({"mtu": 1, "log": {"level": 2}, "x": 1}, {"TERWAY_EDGE_GC__PERIOD": "1"})
    assert [line.split(": ")[0] for line in lines] == ["TERWAY_EDGE_GC__PERIOD", "mtu", "log.level", "x"]


def test_the_environment_overrides_the_file() -> None:
    environ = {
        "TERWAY_EDGE_LOG__LEVEL": "debug",
        "TERWAY_EDGE_MTU": "",
        "TERWAY_EDGE_IPAM__RESERVED": "10.1.0.2, 10.1.0.3",
        "TERWAY_EDGE_ROUTES__EDGE_CIDRS": '["10.65.0.0/16"]',
        "TERWAY_EDGE_INTERFACE__NAMES": "",
        "TERWAY_EDGE_MASQUERADE__ENABLED": "true",
        "TERWAY_EDGE_NODE_POOLS": '[{"selector": "all()", "backend": "mine"}]',
        "TERWAY_EDGE_PORT_9797_TCP": "tcp://10.2.0.1:9797",  # from a Service named terway-edge
        "PATH": "/bin",
    }
    before = json.dumps(FULL)
    found = load(FULL, environ)
    assert json.dumps(FULL) == before
    assert found.log.level == "debug"
    assert found.mtu is None
    assert found.ipam.reserved == (Address.parse("10.1.0.2"), Address.parse("10.1.0.3"))
    assert found.ipam.pods_per_node == 64
    assert found.routes.edge_cidrs == (Prefix.parse("10.65.0.0/16"),)
    assert found.interface.names == ()
    assert found.masquerade.enabled
    assert [rule.backend for rule in found.pool_rules] == ["mine"]


@pytest.mark.parametrize(
    ("name", "text", "start"),
    [
        ("TERWAY_EDGE_LOG__LEVEL", "loud", "TERWAY_EDGE_LOG__LEVEL: got 'loud', expected 'debug'"),
        ("TERWAY_EDGE_IPAM__RESERVED", "10.0.0.1,x", "TERWAY_EDGE_IPAM__RESERVED: got 'x', expected an address"),
        ("TERWAY_EDGE_NODE_POOLS", "[{", "TERWAY_EDGE_NODE_POOLS: expected a JSON list"),
        ("TERWAY_EDGE_CLOUD__RATE_LIMIT", "a=1", "TERWAY_EDGE_CLOUD__RATE_LIMIT: expected a JSON object: "),
        (
            "TERWAY_EDGE_CLOUD__CREDENTIALS",
            "path",
            "cloud: credentials is path and credentials_path is not set: set it",
        ),
        (
            "TERWAY_EDGE_LOG__LEVLE",
            "info",
            "TERWAY_EDGE_LOG__LEVLE: is no setting, did you mean 'TERWAY_EDGE_LOG__LEVEL'?",
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(name: str, text: str, start: str) -> None:
    (line,) = mistakes({}, {name: text})
    assert line.startswith(start)


def test_a_section_that_is_none_in_the_file_is_told_even_if_the_environment_has_a_key_of_it() -> None:
    assert mistakes({"log": 3}, {"TERWAY_EDGE_LOG__LEVEL": "info"}) == (
        "log: got 3, expected a mapping of keys to values (log output)",
    )


def test_every_field_is_described_and_has_a_variable() -> None:
    annotations = [field.annotation for field in Settings.model_fields.values()]
    sections = [Settings, *(a for a in annotations if isinstance(a, type) and issubclass(a, BaseModel))]
    fields = [field for section in sections for field in section.model_fields.values()]
    assert len(fields) > 30
    assert all(field.description for field in fields)
    names = {name for name, _, _ in variables(Settings)}
    assert {"TERWAY_EDGE_NODE_NAME", "TERWAY_EDGE_CNI__BIN_DIR", "TERWAY_EDGE_NODE_POOLS"} <= names


def test_the_schema_is_json_and_closed() -> None:
    found = json.loads(json.dumps(schema()))
    assert found["additionalProperties"] is False
    assert found["required"] == ["node_name"]
    assert found["$defs"]["Metrics"]["properties"]["address"]["default"] == "127.0.0.1"


def test_the_schema_has_the_defaults_that_are_in_force() -> None:
    found, shown = schema(), json.loads(load({"node_name": "n"}, {}).model_dump_json())
    wrong = {}
    for name, about in found["properties"].items():
        fields = found["$defs"][about["$ref"].rpartition("/")[2]]["properties"] if "$ref" in about else {name: about}
        values = shown[name] if "$ref" in about else shown
        wrong |= {
            key: field["default"] for key, field in fields.items() if field.get("default", values[key]) != values[key]
        }
    assert wrong == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "x"]), json_values, max_size=4))
def test_any_mapping_loads_or_is_refused_in_lines(mapping: dict[str, Any]) -> None:
    try:
        found = load(mapping, {}, "host")
    except ConfigError as error:
        lines = error.lines
    else:
        assert load(json.loads(found.model_dump_json()), {}) == found
        return
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)


def test_a_control_plane_that_gives_cidrs_needs_ranges_to_give_from() -> None:
    ranges = {"pod_cidr_ranges": ["10.0.0.0/16"], "service_cidrs": ["10.96.0.0/16"]}
    for missing in ranges:
        given = {key: value for key, value in ranges.items() if key != missing}
        (line,) = mistakes({"controlplane": {"allocate_pod_cidrs": True, **given}})
        assert f"allocate_pod_cidrs is true and {missing} is empty: set it" in line
    assert load({"controlplane": {"allocate_pod_cidrs": True, **ranges}}, {}, "n1").controlplane.allocate_pod_cidrs
    assert not load({}, {}, "n1").controlplane.allocate_pod_cidrs


@pytest.mark.parametrize(("text", "limits"), [("", {}), ('{"DescribeVSwitches": 7}', {"DescribeVSwitches": 7})])
def test_a_mapping_in_the_environment_is_json(text: str, limits: dict[str, int]) -> None:
    assert load({}, {"TERWAY_EDGE_CLOUD__RATE_LIMIT": text}, "n1").cloud.rate_limit == limits


def test_values_of_ours_are_taken_as_they_are() -> None:
    prefix, address = Prefix.parse("10.0.0.0/8"), Address.parse("192.0.2.1")
    found = load({"masquerade": {"exclude": [prefix]}, "interface": {"can_reach": address}}, {}, "n1")
    assert (found.masquerade.exclude, found.interface.can_reach) == ((prefix,), address)


def test_an_optional_value_is_taken_from_the_environment_and_a_list_may_begin_with_a_blank() -> None:
    environ = {"TERWAY_EDGE_MTU": "1400", "TERWAY_EDGE_ROUTES__EDGE_CIDRS": ' ["10.65.0.0/16"]'}
    found = load({}, environ, "n1")
    assert (found.mtu, found.routes.edge_cidrs) == (1400, (Prefix.parse("10.65.0.0/16"),))


def test_a_wrong_regular_expression_is_told_with_its_mistake() -> None:
    (line,) = mistakes({"interface": {"regex": ["("]}})
    assert "expected a regular expression: missing )" in line
