"""Addresses and prefixes agree with the standard library's, and wrong text is refused by name."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix

standard = st.ip_addresses()
networks = st.one_of(
    st.builds(lambda a, n: ipaddress.ip_network((a, n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: ipaddress.ip_network((a, n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)


@given(standard)
def test_an_address_reads_and_writes_like_the_standard_library(ip):
    address = Address.parse(str(ip))
    assert (address.family, address.value, str(address)) == (ip.version, int(ip), str(ip))
    assert Address.unpack(ip.packed) == address
    assert address.packed == ip.packed
    assert str(address.host) == f"{ip}/{ip.max_prefixlen}"


@given(networks)
def test_a_prefix_reads_and_writes_like_the_standard_library(network):
    prefix = Prefix.parse(str(network))
    assert str(prefix) == str(network)
    assert (prefix.first, prefix.last) == (int(network.network_address), int(network.broadcast_address))
    assert prefix.size == network.num_addresses


@given(networks, networks, standard)
def test_containment_agrees_with_the_standard_library(one, other, ip):
    prefix, second, address = Prefix.parse(str(one)), Prefix.parse(str(other)), Address.parse(str(ip))
    assert prefix.contains(address) == (ip in one)
    assert prefix.covers(second) == (one.version == other.version and other.subnet_of(one))


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "::g", "fe80::1%eth0", "10.0.0.1/24", "010.0.0.1"])
def test_what_is_no_address_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r".") as refused:
        Address.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["10.0.0.1/24", "10.0.0.0", "::1/64", "10.0.0.0/33", "x/8"])
def test_what_is_no_prefix_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r".") as refused:
        Prefix.parse(text)
    assert text.split("/")[0] in str(refused.value)
