"""The BGPPeer resource: defaults, what is accepted, and the sentence that each mistake gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from terway_edge.core.addresses import Address
from terway_edge.core.bgp_peer import BgpPeer, BgpPeerSpec, InvalidSpec, SecretRef, parse_spec
from terway_edge.core.node_selector import parse_node_selector
from tests.core.bgp_peers import make_peer, written

PASSWORD = {"secretKeyRef": {"name": "bgp-secret", "key": "password"}}


def mistakes(spec: object) -> tuple[tuple[str, str], ...]:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(spec)
    return caught.value.faults


def mistake(**changes: Any) -> str:
    """`field: message` of the only one."""
    (fault,) = mistakes(written(**changes))
    return ": ".join(fault)


def test_what_the_product_page_has_is_enough() -> None:
    spec = parse_spec(written(nodeSelector="alibabacloud.com/nodepool-id=npxxx", authPassword=PASSWORD))
    assert spec.local_speakers == ("node-1", "node-2")
    assert (spec.local_as_number, spec.peer_as_number) == (65010, 65001)
    assert (spec.peer_ip, spec.gateway) == (Address.parse("172.16.0.1"), None)
    assert spec.node_selector == parse_node_selector("alibabacloud.com/nodepool-id=npxxx")
    assert spec.auth_password is not None
    assert spec.auth_password.secret_key_ref == SecretRef(name="bgp-secret", key="password")
    assert (spec.graceful_restart.restart_time_seconds, spec.graceful_restart.notification) == (600, True)
    assert (spec.hold_time_seconds, spec.keepalive_seconds, spec.connect_retry_seconds) == (90, None, 30)
    assert (spec.ttl_security, spec.ebgp_multihop, spec.communities) == (0, 0, ())


def test_every_field_is_read() -> None:
    spec = parse_spec(
        written(
            peerIP="2001:db8::1",
            gateway="2001:db8::2",
            nodeSelector="has(a) && b == 'c'",
            gracefulRestart={"restartTimeSeconds": 1, "notification": False},
            holdTimeSeconds=3,
            keepaliveSeconds=1,
            connectRetrySeconds=1,
            ttlSecurity=254,
            communities=["65010:0100", "65010:1:2", "no-export"],
        )
    )
    assert (spec.peer_ip, spec.gateway) == (Address.parse("2001:db8::1"), Address.parse("2001:db8::2"))
    assert str(spec.node_selector) == "b == 'c' && has(a)"
    assert (spec.graceful_restart.restart_time_seconds, spec.graceful_restart.notification) == (1, False)
    assert (spec.hold_time_seconds, spec.keepalive_seconds, spec.connect_retry_seconds) == (3, 1, 1)
    assert (spec.ttl_security, parse_spec(written(ebgpMultihop=255)).ebgp_multihop) == (254, 255)
    assert spec.communities == ("65010:100", "65010:1:2", "no-export")


def test_what_is_shown_reads_as_the_same() -> None:
    spec = parse_spec(written(authPassword=PASSWORD, gateway="172.16.0.2", communities=["1:2"]))
    shown = json.loads(spec.model_dump_json(by_alias=True))
    assert shown["peerIP"] == "172.16.0.1"
    assert shown["authPassword"] == PASSWORD
    again = parse_spec(shown)
    assert (again, hash(again)) == (spec, hash(spec))
    with pytest.raises(ValidationError):
        spec.peer_ip = Address.parse("172.16.0.9")  # type: ignore[misc]


def test_python_code_uses_the_names_of_attributes() -> None:
    spec = BgpPeerSpec(
        local_speakers=("n1",), local_as_number=65010, peer_ip=Address.parse("172.16.0.1"), peer_as_number=65001
    )
    assert spec == parse_spec(written(localSpeakers=["n1"], nodeSelector=None))
    assert len({SecretRef(name="a", key="b"), SecretRef(name="a", key="b"), SecretRef(name="a", key="c")}) == 2


def test_null_is_absent() -> None:
    nulls: dict[str, Any] = dict.fromkeys(("gateway", "nodeSelector", "authPassword", "keepaliveSeconds"))
    spec = parse_spec({**written(), **nulls, "gracefulRestart": {"notification": None}})
    assert spec == parse_spec(written(nodeSelector=None))
    assert mistakes({**written(), "peerIP": None}) == (
        ("spec.peerIP", "is missing, add it (address of the LAN gateway or Layer 3 switch)"),
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"localSpeakers": "node-1"},
            "spec.localSpeakers: got 'node-1', expected a list (names of the Nodes that speak BGP for the LAN; at least"
            " two, better three)",
        ),
        ({"localSpeakers": []}, "spec.localSpeakers: got [], expected the name of at least one Node ("),
        (
            {"localSpeakers": ["a", "b", "a"]},
            "spec.localSpeakers: got ['a', 'b', 'a'], expected each of them once; remove one 'a' (",
        ),
        (
            {"localSpeakers": ["a", "B_1"]},
            "spec.localSpeakers[1]: got 'B_1', expected the name of a Node, such as edge-1.example (",
        ),
        ({"localSpeakers": ["../a"]}, "spec.localSpeakers[0]: got '../a', expected the name of a Node"),
        ({"localSpeakers": ["a" * 254]}, "spec.localSpeakers[0]: got 'aaaa"),
        (
            {"localAsNumber": 0},
            "spec.localAsNumber: got 0, expected an AS number, 1..4294967294 except 23456, which is reserved (",
        ),
        ({"localAsNumber": 23456}, "spec.localAsNumber: got 23456, expected an AS number, 1..4294967294 except 23456"),
        ({"localAsNumber": 4294967295}, "spec.localAsNumber: got 4294967295, expected an AS number"),
        ({"localAsNumber": "65010"}, "spec.localAsNumber: got '65010', expected a whole number without quotes ("),
        ({"localAsNumber": True}, "spec.localAsNumber: got True, expected a whole number without quotes ("),
        ({"localAsNumber": 16**5000}, "spec.localAsNumber: got a number of 20001 bits, expected an AS number"),
        ({"peerAsNumber": 0}, "spec.peerAsNumber: got 0, expected an AS number"),
        ({"peerAsNumber": 23456}, "spec.peerAsNumber: got 23456, expected an AS number"),
        (
            {"peerAsNumber": 65535},
            "spec.peerAsNumber: got 65535, expected the AS number of a switch: 65535 is reserved (",
        ),
        ({"peerAsNumber": 4294967295}, "spec.peerAsNumber: got 4294967295, expected an AS number"),
        ({"peerAsNumber": 1.5}, "spec.peerAsNumber: got 1.5, expected a whole number"),
        ({"peerIP": "172.16.0.1/24"}, "spec.peerIP: got '172.16.0.1/24', expected an address such as 192.0.2.1: "),
        ({"peerIP": "switch.example"}, "spec.peerIP: got 'switch.example', expected an address such as 192.0.2.1: "),
        ({"peerIP": "fe80::1%eth0"}, "spec.peerIP: got 'fe80::1%eth0', expected an address such as 192.0.2.1: "),
        ({"peerIP": 3}, "spec.peerIP: got 3, expected text in quotes ("),
        *(
            (
                {"peerIP": address},
                f"spec.peerIP: got '{address}', expected the address of a host: {around} holds none (",
            )
            for address, around in [
                ("0.0.0.0", "0.0.0.0/8"),
                ("127.0.0.1", "127.0.0.0/8"),
                ("169.254.1.1", "169.254.0.0/16"),
                ("224.0.0.5", "224.0.0.0/4"),
                ("255.255.255.255", "255.255.255.255/32"),
                ("::", "::/127"),
                ("::1", "::/127"),
                ("::ffff:192.0.2.1", "::ffff:0:0/96"),
                ("fe80::1", "fe80::/10"),
                ("ff02::5", "ff00::/8"),
            ]
        ),
        ({"gateway": "2001:db8::1"}, "spec.gateway: got '2001:db8::1', expected an IPv4 address, as peerIP is one ("),
        ({"gateway": "224.0.0.1"}, "spec.gateway: got '224.0.0.1', expected the address of a host"),
        (
            {"nodeSelector": "a b"},
            "spec.nodeSelector: got 'a b', expected one of = == != < > in notin, ',' or the end at column 3",
        ),
        ({"nodeSelector": "a" * 1025}, "spec.nodeSelector: got 'aaaaaaaaaaaaaaaa"),
        (
            {"nodeSelector": {"matchLabels": {}}},
            "spec.nodeSelector: expected a selector in one text, such as zone=a or all()",
        ),
        (
            {"gracefulRestart": {"restartTimeSeconds": 0}},
            "spec.gracefulRestart.restartTimeSeconds: got 0, expected greater than or equal to 1 (",
        ),
        (
            {"gracefulRestart": {"restartTimeSeconds": 4096}},
            "spec.gracefulRestart.restartTimeSeconds: got 4096, expected less than or equal to 4095 (",
        ),
        (
            {"gracefulRestart": {"notification": "yes"}},
            "spec.gracefulRestart.notification: got 'yes', expected true or false (",
        ),
        (
            {"gracefulRestart": True},
            "spec.gracefulRestart: got True, expected a mapping of keys to values (how the switch treats a restart)",
        ),
        ({"holdTimeSeconds": 2}, "spec.holdTimeSeconds: got 2, expected 0 or at least 3 (RFC 4271, section 4.2) ("),
        ({"holdTimeSeconds": 65536}, "spec.holdTimeSeconds: got 65536, expected less than or equal to 65535 ("),
        ({"keepaliveSeconds": 31}, "spec.keepaliveSeconds: got 31, expected at most 30, a third of holdTimeSeconds ("),
        ({"keepaliveSeconds": 0}, "spec.keepaliveSeconds: got 0, expected greater than or equal to 1 ("),
        (
            {"holdTimeSeconds": 0, "keepaliveSeconds": 1},
            "spec.keepaliveSeconds: got 1, expected none, for holdTimeSeconds 0 means no keepalives; remove it (",
        ),
        ({"connectRetrySeconds": 0}, "spec.connectRetrySeconds: got 0, expected greater than or equal to 1 ("),
        ({"connectRetrySeconds": 65536}, "spec.connectRetrySeconds: got 65536, expected less than or equal to 65535 ("),
        ({"ttlSecurity": 255}, "spec.ttlSecurity: got 255, expected less than or equal to 254 ("),
        ({"ebgpMultihop": 256}, "spec.ebgpMultihop: got 256, expected less than or equal to 255 ("),
        (
            {"ttlSecurity": 1, "ebgpMultihop": 2},
            "spec.ebgpMultihop: got 2, expected 0, for ttlSecurity is set and each chooses the TTL; remove one of",
        ),
        ({"communities": ["1:2:3:4"]}, "spec.communities[0]: got '1:2:3:4', expected a community such as 65010:100, "),
        (
            {"communities": ["1:2", "01:2"]},
            "spec.communities: got ['1:2', '01:2'], expected each of them once; remove one '1:2' (",
        ),
        ({"communities": [f"1:{i}" for i in range(65)]}, "spec.communities: got ['1:0', "),
        ({"communities": [100]}, "spec.communities[0]: got 100, expected a valid string ("),
        ({"peerIp": "172.16.0.1"}, "spec.peerIp: is no field, did you mean 'peerIP'?"),
        ({"peer_ip": "172.16.0.1"}, "spec.peer_ip: is no field, did you mean 'peerIP'?"),
        ({"gatway": "172.16.0.1"}, "spec.gatway: is no field, did you mean 'gateway'?"),
        (
            {"gracefulRestart": {"restartTime": 1}},
            "spec.gracefulRestart.restartTime: is no field, did you mean 'restartTimeSeconds'?",
        ),
        (
            {"gracefulRestart": {"x": 1}},
            "spec.gracefulRestart.x: is no field; known keys: notification, restartTimeSeconds",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_where_what_and_how(changes: dict[str, Any], line: str) -> None:
    found = mistake(**changes)
    assert found.startswith(line)
    assert "\n" not in found
    assert len(found) < 500


def test_all_mistakes_are_told_at_once() -> None:
    faults = mistakes(written(localAsNumber=0, peerIP="x", keepaliveSeconds=40, localSpeakers=None))
    assert [field for field, _ in faults] == [
        "spec.localSpeakers",
        "spec.localAsNumber",
        "spec.peerIP",
        "spec.keepaliveSeconds",
    ]
    assert [field for field, _ in mistakes({})] == [
        "spec.localSpeakers",
        "spec.localAsNumber",
        "spec.peerIP",
        "spec.peerAsNumber",
    ]
    assert [field for field, _ in mistakes({**written(peerIP=None), "peer_ip": "172.16.0.1"})] == [
        "spec.peerIP",
        "spec.peer_ip",
    ]
    assert mistakes([]) == (("spec", "got [], expected a mapping of keys to values"),)


@pytest.mark.parametrize(
    "auth",
    [
        "hunter2",
        ["hunter2"],
        {"secretKeyRef": "hunter2"},
        {"secretKeyRef": {"name": "Hunter2!hunter2", "key": "k"}},
        {"secretKeyRef": {"name": "n", "key": "hunter2 hunter2"}},
        {"secretKeyRef": {"name": "n", "key": ["hunter2"]}},
        {"password": "hunter2"},
        {"secretKeyRef": {"name": "n", "value": "hunter2"}},
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(auth: object) -> None:
    faults = mistakes(written(authPassword=auth))
    assert all(field.startswith("spec.authPassword") for field, _ in faults)
    assert "unter2" not in str(faults)


@pytest.mark.parametrize("asn", [1, 64511, 64512, 65534, 65535, 65536, 4199999999, 4200000000, 4294967294])
def test_our_as_number_may_be_any_with_a_hint_unless_it_is_private(asn: int) -> None:
    found = make_peer(localAsNumber=asn).warnings()
    is_private = 64512 <= asn <= 65534 or 4200000000 <= asn <= 4294967294
    assert len(found) == (0 if is_private else 1)
    assert all(str(asn) in warning for warning in found)


def test_the_switch_may_have_any_as_number_without_a_hint() -> None:
    assert [make_peer(peerAsNumber=asn).warnings() for asn in (1, 65534, 65536, 4294967294)] == [()] * 4


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (
            {"localSpeakers": ["n1"]},
            "there is one speaker only: the switch forgets all routes if it is away for longer than 600 s; ",
        ),
        ({"nodeSelector": None}, "there is no nodeSelector, which selects all nodes; write all() if that is meant"),
        (
            {"localAsNumber": 65535},
            "localAsNumber 65535 is reserved, and switches may refuse it; take one of 64512..65534",
        ),
        (
            {"localAsNumber": 3},
            "localAsNumber 3 is a public AS number; if it is not yours, take one of 64512..65534 or 4200000000..",
        ),
        (
            {"ebgpMultihop": 2, "peerAsNumber": 65010},
            "ebgpMultihop means nothing if both sides are in one AS; remove it",
        ),
        ({"holdTimeSeconds": 0}, "holdTimeSeconds 0 means that a switch that died is never noticed; give at least 3"),
    ],
)
def test_what_is_seldom_meant_is_told(changes: dict[str, Any], start: str) -> None:
    (warning,) = make_peer(**changes).warnings()
    assert warning.startswith(start)
    assert ";" in warning, "a warning says what to do"


def test_what_is_meant_is_not_warned_of() -> None:
    assert make_peer().warnings() == ()
    assert make_peer(nodeSelector="").warnings() == ()
    assert make_peer(peerAsNumber=65010, ttlSecurity=1, keepaliveSeconds=30).warnings() == ()


def test_the_place_of_a_password_is_written_as_an_operator_looks_it_up() -> None:
    assert str(SecretRef(name="bgp-secret", key="password")) == "key password of Secret kube-system/bgp-secret"


def test_a_peer_is_called_by_kind_and_name() -> None:
    assert BgpPeer("lan-1", "", make_peer().spec).subject == "BGPPeer/lan-1"


scraps = st.sampled_from(
    [None, True, -1, 0, 3, 65010, 2**70, 0.5, "", "x", "172.16.0.1", "2001:db8::1", "all()", [], {}, ["n1"], {"a": 1}]
)
aliases = [field.alias or "" for field in BgpPeerSpec.model_fields.values()]


@given(st.dictionaries(st.sampled_from([*aliases, "x"]), scraps))
def test_any_spec_is_read_or_refused_with_sentences(changes: dict[str, Any]) -> None:
    try:
        spec = parse_spec({**written(), **changes})
    except InvalidSpec as error:
        faults = error.faults
    else:
        assert parse_spec(json.loads(spec.model_dump_json(by_alias=True))) == spec
        return
    assert faults
    assert all(field.startswith("spec") and "\n" not in message for field, message in faults)


def test_mistakes_are_a_line_each_and_say_what_was_expected() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(written(peerIP="x", communities=[f"1:{n}" for n in range(65)]))
    lines = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in lines] == ["spec.peerIP", "spec.communities"]
    assert "expected at most 64 of them" in lines[1]
    assert len(parse_spec(written(communities=[f"1:{n}" for n in range(64)])).communities) == 64
    assert "remove one 'b' (" in mistake(localSpeakers=["a", "b", "b"])
    secret = {"secretKeyRef": {"name": "No_Name", "key": "k"}}
    assert "expected the name of a Secret in namespace kube-system (" in mistake(authPassword=secret)
