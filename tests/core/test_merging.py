"""Merged prefixes hold the same addresses as before, and none fewer would."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.merging import merged


@st.composite
def prefixes(draw):
    """Of a small space, so that they touch and overlap."""
    family = draw(st.sampled_from((4, 6)))
    bits = {4: 32, 6: 128}[family]
    length = draw(st.one_of(st.integers(bits - 6, bits), st.integers(0, 3)))
    host = bits - length
    return Prefix(family, draw(st.integers(0, 2**bits - 1 if length < 4 else 63)) >> host << host, length)


@given(st.lists(prefixes()), st.lists(st.builds(Address, st.sampled_from((4, 6)), st.integers(0, 63))))
def test_they_are_what_the_standard_library_makes_of_them(some, hosts):
    networks = [ipaddress.ip_network(str(prefix)) for prefix in (*some, *(host.host for host in hosts))]
    expected = [
        str(each)
        for version in (4, 6)
        for each in ipaddress.collapse_addresses(network for network in networks if network.version == version)
    ]
    assert [str(prefix) for prefix in merged(some, hosts)] == expected


def test_pod_cidrs_and_addresses_of_a_lan_are_a_few_ranges():
    pods = [Prefix.parse(f"10.64.{number}.0/24") for number in range(1, 256)]
    hosts = [Address.parse(f"192.0.2.{number}") for number in range(1, 255)]
    assert len(merged(pods, hosts)) == 8 + 14
    assert merged([*pods, Prefix.parse("10.64.0.0/24")]) == (Prefix.parse("10.64.0.0/16"),)
