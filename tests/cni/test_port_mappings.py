"""`runtimeConfig.portMappings`: what runtimes send, and what is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.agent.port_mappings import port_mappings
from terway_edge.agent.requests import parse_request
from terway_edge.core.addresses import Address
from terway_edge.core.errors import Refused
from terway_edge.core.host_ports import overlap
from terway_edge.core.models import PortMapping
from tests.cni.test_requests import conf, environ

NODE = Address.parse("192.0.2.10")


def parsed(entries):
    return port_mappings({"runtimeConfig": {"portMappings": entries}})


def test_both_spellings_that_runtimes_use():
    go = {"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}
    camel = {"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "192.0.2.10"}
    assert parsed([go, camel]) == (PortMapping(8080, 80), PortMapping(53, 5353, "udp", NODE))


@pytest.mark.parametrize("entries", [None, []])
def test_nothing_asked_for(entries):
    assert parsed(entries) == ()
    assert port_mappings({}) == ()


@pytest.mark.parametrize("entry", [{}, {"containerPort": 80}, {"hostPort": 0, "containerPort": 0, "protocol": "ip"}])
def test_an_entry_without_a_host_port_asks_for_nothing(entry):
    assert parsed([entry]) == ()


def test_a_mapping_is_of_tcp_unless_it_says_otherwise():
    assert parsed([{"hostPort": 1, "containerPort": 65535}]) == (PortMapping(1, 65535, "tcp"),)
    assert parsed([{"hostPort": 1, "containerPort": 2, "protocol": "sctp"}])[0].protocol == "sctp"


def test_repetitions_count_once():
    entry = {"hostPort": 80, "containerPort": 80}
    assert parsed([entry, dict(entry), {**entry, "protocol": "TCP"}]) == (PortMapping(80, 80),)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({}, "portMappings must be a list, not dict"),
        ([7], "portMappings[0] must be an object, not 7"),
        ([{"hostPort": 70000, "containerPort": 80}], "[0].hostPort must be a number from 0 to 65535, not 70000"),
        ([{"hostPort": True, "containerPort": 80}], "[0].hostPort must be a number from 0 to 65535, not True"),
        ([{"hostPort": "80", "containerPort": 80}], "[0].hostPort must be a number from 0 to 65535, not '80'"),
        ([{}, {"hostPort": 80}], "[1].containerPort must be a number from 1 to 65535, not None"),
        ([{"hostPort": 80, "containerPort": 0}], "[0].containerPort must be a number from 1 to 65535, not 0"),
        ([{"hostPort": 8, "containerPort": 8, "protocol": "icmp"}], "must be one of tcp, udp, sctp, not 'icmp'"),
        ([{"hostPort": 8, "containerPort": 8, "protocol": 6}], "must be one of tcp, udp, sctp, not 6"),
        ([{"hostPort": 8, "containerPort": 8, "hostIP": "lan"}], "hostIP must be an address of the node, not 'lan'"),
        ([{"hostPort": 8, "containerPort": 8, "hostIP": 9}], "hostIP must be an address of the node, not 9"),
        ([{"hostPort": 8, "containerPort": 8, "hostIP": "127.0.0.1"}], "hostIP 127.0.0.1 is a loopback"),
        ([{"hostPort": 8, "containerPort": 8, "hostIP": "::1"}], "hostIP ::1 is a loopback"),
        ([{"hostPort": 8, "containerPort": 8, "hostIP": "fe80::1"}], "hostIP fe80::1 is a loopback or link-local"),
        (
            [{"hostPort": 8, "containerPort": 8}, {"hostPort": 8, "containerPort": 9, "hostIP": "192.0.2.10"}],
            "hostPort 8/tcp of 192.0.2.10 is asked for twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(entries, told):
    with pytest.raises(Refused) as refused:
        parsed(entries)
    assert told in str(refused.value)
    assert refused.value.code == 7


def test_the_same_port_of_other_addresses_or_protocols_is_another_port():
    entries = [
        {"hostPort": 53, "containerPort": 1, "hostIP": "192.0.2.10"},
        {"hostPort": 53, "containerPort": 2, "hostIP": "192.0.2.11"},
        {"hostPort": 53, "containerPort": 3, "hostIP": "::"},
        {"hostPort": 53, "containerPort": 4, "protocol": "udp"},
    ]
    assert [mapping.container_port for mapping in parsed(entries)] == [1, 2, 3, 4]


def test_add_and_check_have_them_and_del_looks_at_nothing():
    good = conf(runtimeConfig={"portMappings": [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp"}]})
    for command in ("ADD", "CHECK"):
        assert parse_request(environ(command), good).sandbox.ports == (PortMapping(8080, 80),)
    bad = conf(runtimeConfig={"portMappings": 7})
    assert parse_request(environ("DEL"), bad).sandbox.ports == ()


# --- laws -------------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers(-1, 70000) | st.floats(allow_nan=False) | st.text(max_size=4)
FIELDS = st.sampled_from(["hostPort", "HostPort", "containerPort", "ContainerPort", "protocol", "hostIP", "x"])
VALUES = SCALARS | st.sampled_from(["tcp", "UDP", "", "0.0.0.0", "::", "192.0.2.10", "fd00::1", "127.1.2.3"])
ANYTHING = st.lists(st.dictionaries(FIELDS, VALUES, max_size=5) | SCALARS, max_size=4) | SCALARS
PORTS = st.integers(1, 4)
ENTRIES = st.fixed_dictionaries(
    {"hostPort": PORTS, "containerPort": PORTS},
    optional={
        "protocol": st.sampled_from(["tcp", "udp"]),
        "hostIP": st.sampled_from(["", "0.0.0.0", "::", "192.0.2.10", "fd00::1"]),
    },
)


def outcome(entries):
    """What was parsed, and why it was refused."""
    try:
        return parsed(json.loads(json.dumps(entries))), "portMappings"
    except Refused as error:
        return (), str(error)


@given(ANYTHING)
def test_anything_is_parsed_or_refused(entries):
    found, told = outcome(entries)
    assert "portMappings" in told
    assert all(0 < mapping.host_port < 65536 and 0 < mapping.container_port < 65536 for mapping in found)


@given(st.lists(ENTRIES, max_size=5))
def test_what_is_accepted_has_no_two_mappings_for_one_packet(entries):
    found, told = outcome(entries)
    assert len(set(found)) == len(found)
    assert not any(overlap(one, other) for one in found for other in found if one is not other)
    asked = {(entry["hostPort"], entry["containerPort"]) for entry in entries}
    assert "asked for twice" in told or {(m.host_port, m.container_port) for m in found} == asked
