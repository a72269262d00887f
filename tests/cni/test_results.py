"""Results against the shape that each version of the specification gives them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.agent.requests import parse_request
from terway_edge.agent.results import check_prev_result, render_error, render_result
from terway_edge.cni.versions import VERSIONS
from terway_edge.core.addresses import Address
from terway_edge.core.datapath import attachment
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.models import Lease, Sandbox
from tests.cni.schemas import ERROR, problems, result_problems

SANDBOX = Sandbox("c0ffee", "eth0", "/var/run/netns/web")
FAMILIES = {"v4": ("10.0.0.5",), "v6": ("2001:db8::5",), "dual": ("10.0.0.5", "2001:db8::5")}
PREV = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br0"}, {"name": "net1", "mac": "aa:bb:cc:dd:ee:ff", "sandbox": "/var/run/netns/web"}],
    "ips": [{"interface": 1, "address": "192.168.0.9/24", "gateway": "192.168.0.1"}],
    "routes": [{"dst": "192.168.0.0/16"}],
    "dns": {"nameservers": ["192.0.2.53"]},
}


def plugged(family="dual", sandbox=SANDBOX, mtu=1450):
    lease = Lease(sandbox, tuple(map(Address.parse, FAMILIES[family])), "flannel_route", ("pod-cidr",), 1.0)
    return lease, attachment(lease, mtu)


def render(version, family="dual", prev=None):
    _, attached = plugged(family)
    return json.loads(render_result(SANDBOX, attached, version, prev))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_t17_results_have_the_shape_of_their_version(version, family):
    result = render(version, family)
    assert result_problems(result, version) == []
    assert [ip["address"].split("/")[0] for ip in result["ips"]] == list(FAMILIES[family])
    assert len(result["routes"]) == len(FAMILIES[family])


def test_a_whole_result():
    _, attached = plugged("dual")
    assert render("1.1.0") == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": attached.host_link, "mac": attached.host_mac.hex(":"), "mtu": 1450},
            {"name": "eth0", "mac": attached.pod_mac.hex(":"), "mtu": 1450, "sandbox": "/var/run/netns/web"},
        ],
        "ips": [
            {"interface": 1, "address": "10.0.0.5/32", "gateway": "169.254.1.1"},
            {"interface": 1, "address": "2001:db8::5/128", "gateway": "fe80::1"},
        ],
        "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}],
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("before", ["nothing", "links without addresses", "a whole result"])
def test_t17_results_are_right_after_any_plugin(version, family, before):
    prev = {
        "nothing": {},
        "links without addresses": {"cniVersion": version, "interfaces": PREV["interfaces"]},
        "a whole result": PREV | {"cniVersion": version, "ips": [dict(PREV["ips"][0])]},
    }[before]
    for ip in prev.get("ips", ()) if version.startswith("0.") else ():
        ip["version"] = "4"
    result = render(version, family, prev)
    assert result_problems(result, version) == []
    ours = result["ips"][len(prev.get("ips", ())) :]
    assert len(ours) == len(FAMILIES[family])
    assert {result["interfaces"][ip["interface"]]["name"] for ip in ours} == {"eth0"}


def test_t17_the_shapes_refuse_what_a_version_does_not_know():
    for version, other in (("1.0.0", "1.1.0"), ("1.1.0", "0.4.0"), ("0.3.1", "1.0.0")):
        assert result_problems(render(version), other)
    wrong = render("1.1.0")
    wrong["ips"][0]["interface"] = 2
    assert result_problems(wrong, "1.1.0") == ["interface 2 of 2"]
    wrong["ips"][0]["address"] = "10.0.0.5"
    assert result_problems(wrong, "1.1.0") == ["result.ips[0].address: '10.0.0.5'"]


@pytest.mark.parametrize("version", VERSIONS[-2:])
def test_t17_results_of_earlier_plugins_stay_first_and_keep_their_meaning(version):
    result = render(version, "v4", PREV)
    assert result_problems(result, version) == []
    for key in ("interfaces", "ips", "routes"):
        assert result[key][: len(PREV[key])] == PREV[key]
    assert result["dns"] == PREV["dns"]
    assert result["interfaces"][result["ips"][-1]["interface"]]["name"] == "eth0"
    assert result["interfaces"][3]["sandbox"] == "/var/run/netns/web"
    assert "sandbox" not in result["interfaces"][2]
    assert len(PREV["interfaces"]) == 2  # the input is left as it was


@pytest.mark.parametrize("prev", [{}, {"interfaces": None, "ips": None, "routes": None}, {"cniVersion": "1.0.0"}])
def test_an_empty_prev_result_changes_nothing(prev):
    assert render("1.0.0", prev=prev) == render("1.0.0")


@given(st.binary(min_size=1, max_size=30))
@settings(deadline=None)
def test_results_are_json_whatever_bytes_the_netns_path_has(raw):
    _, attached = plugged()
    sandbox = Sandbox("c0ffee", "eth0", raw.decode(errors="surrogateescape"))
    assert json.loads(render_result(sandbox, attached, "1.0.0"))["interfaces"][1]["sandbox"] == sandbox.netns


def test_t23_the_result_of_an_add_is_accepted_as_prev_result_of_its_check():
    lease, attached = plugged()
    for version in VERSIONS[2:]:
        conf = {"cniVersion": version, "name": "edge", "prevResult": render(version, prev=PREV)}
        environ = {"CNI_COMMAND": "CHECK", "CNI_CONTAINERID": "c0ffee", "CNI_NETNS": "/n", "CNI_IFNAME": "eth0"}
        request = parse_request(environ, json.dumps(conf).encode())
        assert check_prev_result(request.prev_result, lease, attached) == []


def test_t23_changes_of_later_plugins_are_tolerated():
    lease, attached = plugged()
    prev = render("1.0.0")
    prev["interfaces"] += [{"name": "eth0"}, {"name": "tun0", "sandbox": "/n"}]
    prev["interfaces"][1]["mac"] = prev["interfaces"][1]["mac"].upper()
    del prev["interfaces"][0]["mac"]
    prev["routes"] += [{"dst": "10.0.0.0/8"}]
    prev["ips"].insert(0, {"address": "192.168.0.9/24", "interface": 1})
    assert check_prev_result(prev, lease, attached) == []


def damage_host_link(prev):
    del prev["interfaces"][0]
    prev["ips"] = [{**ip, "interface": 0} for ip in prev["ips"]]


def damage_pod_link(prev):
    prev["interfaces"][1]["name"] = "eth1"


def damage_sandbox(prev):
    prev["interfaces"][1]["sandbox"] = ""


def damage_host_mac(prev):
    prev["interfaces"][0]["mac"] = "00:00:00:00:00:01"


def damage_pod_mac(prev):
    prev["interfaces"][1]["mac"] = "00:00:00:00:00:01"


def damage_address(prev):
    prev["ips"][0]["address"] = "10.0.0.6/32"


def damage_second_address(prev):
    prev["ips"].pop()


def damage_everything(prev):
    prev.clear()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_host_link, ["lacks the link tw"]),
        (damage_pod_link, ["lacks the link eth0"]),
        (damage_sandbox, ["lacks the link eth0"]),
        (damage_host_mac, ["the MAC 00:00:00:00:00:01"]),
        (damage_pod_mac, ["the MAC 00:00:00:00:00:01"]),
        (damage_address, ["10.0.0.5/32"]),
        (damage_second_address, ["2001:db8::5/128"]),
        (damage_everything, ["tw", "eth0", "10.0.0.5/32", "2001:db8::5/128"]),
    ],
)
def test_t23_every_damage_of_the_result_is_found_and_named(damage, words):
    lease, attached = plugged()
    prev = render("1.0.0")
    damage(prev)
    found = check_prev_result(prev, lease, attached)
    assert len(found) == len(words)
    assert all(word in discrepancy.what for word, discrepancy in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("no"), 7),
        (Retry('all "leases" held\n\x1b', after=3), 11),
        (Refused("\udcff", code=4, details="\u00e4"), 4),
        (ValueError("bug"), 999),
        (KeyError(), 999),
    ],
)
def test_errors_are_json_with_all_four_keys(error, code):
    rendered = json.loads(render_error(error, "0.4.0"))
    assert rendered.keys() == {"cniVersion", "code", "msg", "details"}
    assert problems(rendered, ERROR) == []
    assert (rendered["cniVersion"], rendered["code"]) == ("0.4.0", code)
    assert str(error) in rendered["msg"]


def test_no_error_says_what_go_cni_takes_for_success():
    rendered = render_error(FileNotFoundError("lease not found"))
    assert b"not found" not in rendered
