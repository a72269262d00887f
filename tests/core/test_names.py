"""Names of links: short enough for the kernel, different for different sandboxes, and proof of whose a link is."""

import os
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from terway_edge.core.names import has_link_name, is_own_link, key_of_alias, link_alias, link_macs, link_name

COUNT = 1_000_000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 20_000
container_ids = st.text("abcdef0123456789-_.", min_size=1, max_size=64)
ifnames = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=15)
keys = st.tuples(container_ids, ifnames)


def test_t42_names_are_all_different_and_fit():
    random = Random(42)
    keys = {(f"{random.getrandbits(256):064x}", "eth0") for _ in range(COUNT // 2)}
    keys |= {(f"{number:064x}", "eth0") for number in range(COUNT // 2)}  # alike but for a digit
    names = {link_name(key) for key in keys}
    assert len(names) == len(keys) == COUNT
    assert {len(name.encode()) for name in names} == {15}  # IFNAMSIZ less the NUL


def test_another_interface_of_the_same_container_has_another_link():
    assert link_name(("c1", "eth0")) != link_name(("c1", "net1"))
    assert link_macs(("c1", "eth0")) != link_macs(("c1", "net1"))


@given(keys)
def test_macs_are_unicast_locally_administered_and_two(key):
    host, pod = link_macs(key)
    assert host != pod
    for mac in (host, pod):
        assert len(mac) == 6
        assert mac[0] & 3 == 2


@given(keys)
def test_an_alias_tells_its_sandbox(key):
    assert key_of_alias(link_alias(key)) == key
    assert is_own_link(link_name(key), link_alias(key))


@given(keys)
def test_a_name_looks_like_ours_only_as_a_whole(key):
    name = link_name(key)
    assert has_link_name(name)
    assert not any(map(has_link_name, (name[:-1], f"{name}0", f"x{name[1:]}", "twan0", name.upper())))


@given(keys, keys)
def test_neither_name_nor_alias_alone_proves_a_link(key, other):
    assume(key != other)
    assert not is_own_link(link_name(key), link_alias(other))
    assert not is_own_link(link_name(key), "")
    assert not is_own_link("eth0", link_alias(key))


@given(st.text(max_size=300))
def test_no_alias_of_a_stranger_is_taken_for_ours(alias):
    assert not is_own_link("tw0123456789abc", alias)


@given(st.text(min_size=1, max_size=400), ifnames)
def test_an_alias_fits_the_kernel_and_stays_text(container_id, ifname):
    assert len(link_alias((container_id, ifname)).encode()) <= 255


def test_an_alias_is_a_container_and_all_that_follows_the_first_blank():
    assert key_of_alias("c1 eth0") == ("c1", "eth0")
    assert key_of_alias("c1 eth 0") == ("c1", "eth 0")
    assert [key_of_alias(alias) for alias in ("", "c1", "c1 ", " eth0", " ")] == [None] * 5


def test_an_alias_is_cut_between_characters():
    assert link_alias(("c" * 252, "\u00e9\u00e9")) == "c" * 252 + " \u00e9"
    assert len(link_alias(("c" * 253, "\u00e9")).encode()) == 254, "half a character would be none"
