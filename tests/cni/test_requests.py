"""What a runtime may send, and which CNI code each mistake gets."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.agent.requests import Command, parse_request
from terway_edge.cni.versions import VERSIONS
from terway_edge.core.errors import EdgeError, Refused
from terway_edge.core.models import Bandwidth, Sandbox

ARGS = (
    "K8S_POD_NAME=web-0;IgnoreUnknown=1;K8S_POD_UID=8c2f;K8S_POD_NAMESPACE=shop;K8S_POD_INFRA_CONTAINER_ID=c0ffee;A=b"
)
POD = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")
CNI_CODES = {1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51}
CURRENT = {"cniVersion": "1.1.0", "name": "edge", "type": "terway-edge"}


def environ(command="ADD", **variables):
    found = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "c0ffee",
        "CNI_NETNS": "/run/netns/web",
        "CNI_IFNAME": "eth0",
        **variables,
    }
    return {name: value for name, value in found.items() if value is not None}


def conf(**keys):
    return json.dumps({**CURRENT, **keys}).encode()


def refused(variables, stdin):
    with pytest.raises(Refused) as caught:
        parse_request(variables, stdin)
    return caught.value


def test_an_add_becomes_a_sandbox():
    request = parse_request(environ(CNI_ARGS=ARGS, CNI_PATH="/opt/cni/bin"), conf(), netns_fd=9)
    assert request.command is Command.ADD
    assert (request.network, request.cni_version) == ("edge", "1.1.0")
    assert request.sandbox == Sandbox("c0ffee", "eth0", "/run/netns/web", "shop", "web-0", "8c2f")
    assert request.sandbox.netns_fd == 9
    assert request.sandbox.bandwidth is None
    assert request.prev_result is None
    assert request.valid_attachments is None


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_node_wide_commands_need_no_sandbox(command):
    request = parse_request({"CNI_COMMAND": command, "CNI_CONTAINERID": "///"}, conf())
    assert request.sandbox is None


@pytest.mark.parametrize("command", [None, "", "add", "VERSION", "UPDATE", "ADD\n"])
def test_t16_unknown_commands(command):
    error = refused(environ(command), conf())
    assert error.code == 4
    assert "CNI_COMMAND" in str(error)


@pytest.mark.parametrize(("command", "needed"), [("ADD", POD), ("CHECK", POD), ("DEL", (POD[0], POD[2]))])
@pytest.mark.parametrize("absent", [None, ""])
def test_t16_all_missing_variables_are_named_in_one_message(command, needed, absent):
    error = refused(environ(command, **dict.fromkeys(POD, absent)), conf())
    assert error.code == 4
    assert str(error) == f"missing: {' '.join(needed)} (needed for {command})"
    for name in needed:
        assert str(refused(environ(command, **{name: absent}), conf())) == f"missing: {name} (needed for {command})"


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CNI_CONTAINERID", bad) for bad in ("x" * 254, "../x", "-a", ".", "_a", "a/b", "a\n", "\u00e4", "\udcff")),
        *(("CNI_IFNAME", bad) for bad in ("x" * 16, ".", "..", "a/b", "a:b", "a b", "eth%d", "\u00e9", "a\t", "a\x7f")),
        *(("CNI_ARGS", bad) for bad in ("A", "=b", "K8S_POD_NAME=a=b", "A=b", "A=b;IgnoreUnknown=maybe")),
        *(("CNI_ARGS", f"K8S_POD_NAME={bad}") for bad in ("a b", "a\x1b[31m", "x" * 254, "\u00e4")),
    ],
)  # fmt: skip
def test_t16_bad_variables_are_named(command, name, value):
    error = refused(environ(command, **{name: value}), conf())
    assert error.code == 4
    assert name in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize("netns", ["run/netns/x", "web", "/a\nb", "/" + "x" * 4096, "/\udcff"])
def test_t21_a_bad_netns_is_refused_but_for_del(netns):
    for command in ("ADD", "CHECK"):
        error = refused(environ(command, CNI_NETNS=netns), conf())
        assert error.code == 4
        assert "CNI_NETNS" in str(error)
    sandbox = parse_request(environ("DEL", CNI_NETNS=netns), conf(), netns_fd=5).sandbox
    assert (sandbox.netns, sandbox.netns_fd) == ("", -1)


@pytest.mark.parametrize("netns", [None, "", "/gone/netns"])
def test_t08_del_needs_no_netns(netns):
    assert parse_request(environ("DEL", CNI_NETNS=netns), conf()).sandbox.netns == (netns or "")


@pytest.mark.parametrize("container_id", ["a", "A.b_c-9", "x" * 253])
@pytest.mark.parametrize("ifname", ["eth0", "x" * 15, "a.b-c_d@e"])
def test_ordinary_names_are_accepted(container_id, ifname):
    request = parse_request(environ(CNI_CONTAINERID=container_id, CNI_IFNAME=ifname), conf())
    assert request.sandbox.key == (container_id, ifname)


@pytest.mark.parametrize("args", ["", ";", "IgnoreUnknown=true;A=b", "K8S_POD_NAME=", "IgnoreUnknown=0"])
def test_ordinary_arguments_are_accepted(args):
    assert parse_request(environ(CNI_ARGS=args), conf()).sandbox.pod_name == ""


def test_args_of_the_configuration_win():
    args = {"cni": {"K8S_POD_NAME": "newer", "labels": [], "K8S_POD_UID": 7}}
    sandbox = parse_request(environ(CNI_ARGS=ARGS), conf(args=args)).sandbox
    assert (sandbox.pod_name, sandbox.pod_uid) == ("newer", "8c2f")


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b" \n",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"name":"\xff"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 10_000,
        b"[" * 200_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"cniVersion":"1.1.0","name":"edge","a":[' + b"{}," * 100_000 + b"0]}",
        conf(cniVersion="v1.0.0"),
        conf(cniVersion="1.1.0-rc1"),
        conf(cniVersion="1.0.0.0"),
        conf(cniVersion=""),
        conf(cniVersion=1.0),
        conf(cniVersion=None),
        conf(cniVersion="\u0661.0.0"),
        conf(prevResult=[]),
        conf(prevResult={"interfaces": {}}),
        conf(prevResult={"ips": ["10.0.0.1/24"]}),
        conf(prevResult={"ips": [{"address": "10.0.0.1/24", "interface": 0}]}),
        conf(prevResult={"interfaces": [{}], "ips": [{"address": "10.0.0.1/24", "interface": -1}]}),
        conf(prevResult={"interfaces": [{}], "ips": [{"address": "10.0.0.1/24", "interface": True}]}),
        conf(prevResult={"ips": [{"address": 7}]}),
        b'{"cniVersion":"1.1.0","name":"edge","prevResult":' + b'{"a":' * 40 + b"1" + b"}" * 41,
    ],
)
def test_t18_what_cannot_be_decoded_has_code_6(stdin):
    error = refused(environ(), stdin)
    assert error.code == 6
    assert str(error).isprintable()


def test_t18_of_duplicate_keys_the_last_wins():
    stdin = b'{"cniVersion":"9.9.9","name":"","cniVersion":"1.0.0","name":"edge"}'
    request = parse_request(environ(), stdin)
    assert (request.network, request.cni_version) == ("edge", "1.0.0")


@pytest.mark.parametrize("name", [None, "", 7, "-a", "a b", "../x", "x" * 254, "a\n"])
def test_t18_a_bad_network_name_has_code_7(name):
    assert refused(environ(), conf(name=name)).code == 7


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.2", "1.0", "1", "1.2.0", "99999999999.0.0"])
def test_t17_unsupported_versions_have_code_1_and_say_what_is_supported(version):
    error = refused(environ(), conf(cniVersion=version))
    assert error.code == 1
    assert error.details == "supported: " + ", ".join(VERSIONS)


def test_t17_a_missing_version_means_0_1_0():
    error = refused(environ(), b'{"name":"edge"}')
    assert error.code == 1
    assert "0.1.0" in str(error)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("command", "since"), [("ADD", "0.3.0"), ("DEL", "0.3.0"), ("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")]
)
def test_t17_commands_exist_since_a_version(command, since, version):
    if VERSIONS.index(version) >= VERSIONS.index(since):
        assert parse_request(environ(command), conf(cniVersion=version)).cni_version == version
    else:
        error = refused(environ(command), conf(cniVersion=version))
        assert error.code == 1
        assert since in str(error)


PREV = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "x"}],
    "ips": [{"address": "10.0.0.1/24", "interface": 0}],
    "routes": None,
}


def test_a_well_formed_prev_result_is_handed_on():
    for command in ("ADD", "DEL", "CHECK"):
        assert parse_request(environ(command), conf(prevResult=PREV)).prev_result == PREV
    assert parse_request(environ(), conf(prevResult=None)).prev_result is None
    assert parse_request(environ(), conf(prevResult={})).prev_result == {}


def test_t08_del_goes_on_without_a_malformed_prev_result():
    assert parse_request(environ("DEL"), conf(prevResult={"ips": 7})).prev_result is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, None),
        ({"cni.dev/valid-attachments": None}, ()),
        ({"cni.dev/valid-attachments": []}, ()),
        ({"cni.dev/attachments": None}, ()),
        ({"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]}, (("a", "eth0"),)),
        ({"cni.dev/attachments": [{"containerID": "a", "ifname": "eth0", "x": 1}]}, (("a", "eth0"),)),
        ({"cni.dev/valid-attachments": [], "cni.dev/attachments": [{"containerID": "a", "ifname": "b"}]}, ()),
    ],
)
def test_t12_absent_attachments_differ_from_none_at_all(keys, expected):
    assert parse_request({"CNI_COMMAND": "GC"}, conf(**keys)).valid_attachments == expected


def test_t12_as_many_attachments_as_a_gc_may_send_are_read():
    entry = {"containerID": f"{7:064x}", "ifname": "eth0"}
    stdin = conf(**{"cni.dev/valid-attachments": [entry] * ((4 << 20) // len(json.dumps(entry)))})
    assert len(parse_request({"CNI_COMMAND": "GC"}, stdin).valid_attachments) > 40_000


@pytest.mark.parametrize(
    "entries", ["a", {"a": 1}, {}, "", 0, False, [None], [{"containerID": "a"}], [{"containerID": "", "ifname": "b"}]]
)
def test_t12_a_malformed_list_of_attachments_collects_nothing(entries):
    assert refused({"CNI_COMMAND": "GC"}, conf(**{"cni.dev/valid-attachments": entries})).code == 7


def limits(stdin):
    return parse_request(environ(), stdin).sandbox.bandwidth


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, lambda key: key[0].upper() + key[1:]])
def test_bandwidth_of_the_runtime_in_any_spelling(spell):
    rates = {"ingressRate": 1000, "ingressBurst": 2**32 - 1, "egressRate": 2000, "egressBurst": 8}
    stdin = conf(runtimeConfig={spell("bandwidth"): {spell(key): value for key, value in rates.items()}})
    assert limits(stdin) == Bandwidth(1000, 2**32 - 1, 2000, 8)


def annotated(**annotations):
    names = {key.replace("_", "-"): value for key, value in annotations.items()}
    return {"io.kubernetes.cri.pod-annotations": {f"kubernetes.io/{key}": value for key, value in names.items()}}


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("10M", 10_000_000),
        ("1k", 1000),
        ("1P", 10**15),
        ("1.5M", 1_500_000),
        ("1Mi", 1 << 20),
        ("2e6", 2_000_000),
        ("1E6", 1_000_000),
        ("+5k", 5000),
        ("1000000m", 1000),
        ("1000.9", 1000),
        (".", None),
        ("", None),
        ("fast", None),
        ("10 M", None),
        ("10mb", None),
        ("-1M", None),
        ("999", None),
        ("1.1P", None),
        ("1e99", None),
        ("0", None),
        ("\u0661M", None),
        ("9" * 400, None),
    ],
)
def test_bandwidth_of_annotations_is_a_kubernetes_quantity(text, bits):
    stdin = conf(runtimeConfig=annotated(ingress_bandwidth=text))
    if bits:
        assert limits(stdin) == Bandwidth(ingress_rate=bits)
    else:
        error = refused(environ(), stdin)
        assert error.code == 7
        assert "kubernetes.io/ingress-bandwidth" in str(error)
    assert parse_request(environ("DEL"), stdin).sandbox.bandwidth is None  # a DEL must succeed


def test_bandwidth_of_the_runtime_wins_over_annotations():
    annotations = annotated(ingress_bandwidth="7M", egress_bandwidth="8M")
    assert limits(conf(runtimeConfig=annotations)) == Bandwidth(ingress_rate=7 * 10**6, egress_rate=8 * 10**6)
    both = conf(runtimeConfig={**annotations, "bandwidth": {"egressRate": 5000}})
    assert limits(both) == Bandwidth(egress_rate=5000)


def terways(**annotations):
    return {f"k8s.aliyun.com/{key.replace('_', '-')}": value for key, value in annotations.items()}


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("10M", 8 * 10 << 20),
        ("10m", 8 * 10 << 20),
        ("10MB", 8 * 10 << 20),
        ("10MiB", 8 * 10 << 20),
        (" 1K ", 8 << 10),
        ("1.5G", 12 << 30),
        ("1T", 8 << 40),
        ("125", 1000),
        ("125.1", 1000),
        ("2000B", 16000),
        ("124", None),
        ("0", None),
        ("", None),
        (".5M", None),
        ("-1M", None),
        ("1P", None),
        ("10Mbit", None),
        ("10 M", None),
        ("1e3", None),
        ("\u0661M", None),
        ("9" * 400, None),
        ("9" * 20 + "T", None),
    ],
)
def test_bandwidth_of_terways_annotations_is_in_bytes(text, bits):
    stdin = conf(runtimeConfig={"io.kubernetes.cri.pod-annotations": terways(egress_bandwidth=text)})
    if bits:
        assert limits(stdin) == Bandwidth(egress_rate=bits)
    else:
        error = refused(environ(), stdin)
        assert error.code == 7
        assert "k8s.aliyun.com/egress-bandwidth" in str(error)
    assert parse_request(environ("DEL"), stdin).sandbox.bandwidth is None  # a DEL must succeed


def test_terways_annotations_count_where_nothing_else_says_it():
    own = terways(ingress_bandwidth="1K", egress_bandwidth="2K")
    kubernetes = {"kubernetes.io/ingress-bandwidth": "7k"}
    both = {"io.kubernetes.cri.pod-annotations": {**own, **kubernetes}}
    assert limits(conf(runtimeConfig=both)) == Bandwidth(ingress_rate=7000, egress_rate=16 << 10)
    rates = {"ingressRate": 0, "egressRate": 5000, "egressBurst": 7}
    assert limits(conf(runtimeConfig={**both, "bandwidth": rates})) == Bandwidth(8 << 10, 0, 5000, 7)
    wrong = {"io.kubernetes.cri.pod-annotations": {**terways(ingress_bandwidth="fast"), **kubernetes}}
    assert limits(conf(runtimeConfig=wrong)) == Bandwidth(ingress_rate=7000)


@pytest.mark.parametrize("rate", [-1, 1.5, True, "1M", None, [], 1 << 64])
def test_a_bad_rate_has_code_7(rate):
    assert refused(environ(), conf(runtimeConfig={"bandwidth": {"ingressRate": rate}})).code == 7


@pytest.mark.parametrize(
    "keys",
    [
        {"runtimeConfig": []},
        {"runtimeConfig": {"bandwidth": 7}},
        {"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"a": 7}}},
        {"args": "x"},
        {"args": {"cni": "x"}},
    ],
)
def test_wrong_shapes_have_code_7(keys):
    assert refused(environ(), conf(**keys)).code == 7


def test_annotations_are_handed_on_and_unknown_keys_tolerated():
    keys = {"io.kubernetes.cri.pod-annotations": {"a": "b\n"}, "aliases": [{}], "cgroupPath": "/x"}
    ours = {"capabilities": {"portMappings": True}, "dns": {}, "ipMasq": True, "ipam": {"type": "../../sbin/reboot"}}
    request = parse_request(environ(), conf(runtimeConfig=keys, **ours))
    assert request.annotations == {"a": "b\n"}


LEAVES = st.sampled_from([None, True, 0, -1, 1.5, float("nan"), "", "1.0.0", "eth0", "10M"]) | st.text(max_size=8)
KEYS = st.sampled_from(
    ["cniVersion", "name", "prevResult", "runtimeConfig", "args", "cni.dev/valid-attachments", "cni.dev/attachments"]
)
INSIDE = st.sampled_from(
    ["bandwidth", "cni", "io.kubernetes.cri.pod-annotations", "ips", "interfaces", "ingressRate", "K8S_POD_NAME"]
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(INSIDE, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=5,
)
STDIN = st.binary(max_size=100) | st.builds(
    lambda good, wild: json.dumps({**good, **wild}).encode(),
    st.just(CURRENT) | st.just({}),
    st.dictionaries(KEYS, NESTED, max_size=3),
)
ENVIRON = st.builds(
    lambda good, wild: {**good, **wild},
    st.sampled_from([environ(command) for command in Command] + [{}]),
    st.dictionaries(st.sampled_from(["CNI_COMMAND", *POD, "CNI_ARGS"]), st.text(max_size=30), max_size=2),
)


@given(ENVIRON, STDIN)
@settings(deadline=None)
def test_whatever_comes_is_parsed_or_refused_with_a_cni_code(variables, stdin):
    try:
        request = parse_request(variables, stdin)
    except EdgeError as refusal:
        error = refusal
    else:
        assert request.cni_version in VERSIONS
        assert (request.sandbox is None) == (request.command in (Command.GC, Command.STATUS))
        return
    assert error.code in CNI_CODES
    assert "not found" not in str(error)
    assert str(error).isprintable()
