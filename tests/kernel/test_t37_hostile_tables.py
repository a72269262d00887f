"""T37: whatever others put into tables of our name is read without harm, told from ours, and put right."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.errors import KernelError
from terway_edge.kernel import nft_ports, nft_program, nft_sources
from terway_edge.kernel.netns import inside
from terway_edge.kernel.nft_elements import Element
from tests.kernel.test_sources import FOUR, NftWorld
from tests.kernel.test_t37_tables import PORT, fill, picture

KEY = "iifname . ether saddr . ip saddr"
OURS = "tw00000000000a1 . 06:00:00:00:00:01 . 10.0.0.5"


@pytest.fixture
def nft_world(real_world):
    with closing(NftWorld(real_world)) as made:
        yield made


def is_right(firewall):
    return (firewall.sources(), firewall.forwards(), firewall.mend_masquerade()) == ({FOUR}, {PORT}, False)


def swap(world, name, chain, definition):
    """Replace a set of ours by another of its name, without a trace in the chain that looks into it."""
    listed = world.nft("-s", "list", "chain", "inet", "terway_edge", chain)
    world.nft(f"flush chain inet terway_edge {chain}; delete set inet terway_edge {name}")
    world.nft(f"add set inet terway_edge {name} {definition}")
    world._real.run("nft", "-f", "-", text=listed)


@pytest.mark.root
def test_t37_a_comment_that_is_no_text_keeps_nothing_from_being_mended(nft_world):
    firewall = nft_world.firewall
    fill(firewall)
    odd = b'add chain inet terway_edge theirs { comment "b\xff"; }; flush chain inet terway_edge pod'
    nft_world._real.run("sh", "-c", "nft \"$(printf %b '" + "".join(f"\\0{octet:03o}" for octet in odd) + "')\"")
    assert firewall.sources() is None
    fill(firewall)
    assert is_right(firewall)


MAPS = {
    "a shorter key": "map inet terway_edge ports4 { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.5 } }",
    "verdicts": "map inet terway_edge ports4 { type inet_proto . inet_service : verdict;"
    " elements = { tcp . 80 : jump a_chain_with_a_long_name } }",
    "no values": "set inet terway_edge ports4 { type inet_service; elements = { 80 } }",
    "a shorter pair": "map inet terway_edge ports4 { type inet_proto . inet_service : inet_service;"
    " elements = { tcp . 80 : 80 } }",
}


@pytest.mark.root
@pytest.mark.parametrize("other", MAPS)
def test_t37_a_new_process_finds_a_map_of_our_name_that_is_another(nft_world, other):
    fill(nft_world.firewall)
    nft_world.nft("flush chain inet terway_edge port; delete map inet terway_edge ports4")
    nft_world.nft(f"add chain inet terway_edge a_chain_with_a_long_name; add {MAPS[other]}")
    firewall = nft_world.another()
    assert firewall.forwards() == frozenset()
    fill(firewall)
    assert is_right(firewall)


SETS = {
    "a range of sources": ("sources4", "pod", f"{{ typeof {KEY}; flags interval; elements = {{ {OURS}-10.0.0.99 }} }}"),
    "a source that goes": ("sources4", "pod", f"{{ typeof {KEY}; flags timeout; elements = {{ {OURS} timeout 9h }} }}"),
    "a range of pods": (
        "hairpin4",
        "port_out",
        "{ type ipv4_addr . ipv4_addr; flags interval; elements = { 10.0.0.5 . 10.0.0.5-10.0.0.9 } }",
    ),
}


@pytest.mark.root
@pytest.mark.parametrize("other", SETS)
def test_t37_a_set_of_our_name_that_is_another_is_not_taken_for_ours(nft_world, other):
    name, chain, definition = SETS[other]
    firewall = nft_world.firewall
    fill(firewall)
    good = picture(nft_world)
    swap(nft_world, name, chain, definition)
    assert not is_right(firewall)
    fill(firewall)
    assert is_right(firewall)
    assert picture(nft_world) == good


@pytest.mark.root
@pytest.mark.parametrize(
    "element",
    [
        "ports4 { tcp . 22 : 10.0.0.66 . 22 }",
        "ports4 { 99 . 80 : 10.0.0.5 . 80 }",
        "address_ports4 { 192.0.2.1 . tcp . 22 : 10.0.0.66 . 22 }",
        "hairpin4 { 10.0.0.7 . 10.0.0.8 }",
        "masked4 { 10.0.0.7 . tcp . 80 }",
    ],
)
def test_t37_an_element_of_others_that_makes_no_whole_port_is_removed(nft_world, element):
    firewall = nft_world.firewall
    fill(firewall)
    good = picture(nft_world)
    nft_world.nft(f"add element inet terway_edge {element}")
    assert firewall.forwards() != {PORT}
    fill(firewall)
    assert is_right(firewall)
    assert picture(nft_world) == good


HOLDS = {
    "a rule that looks into a set of masquerading that is changed": "add chain inet terway_edge theirs;"
    " add rule inet terway_edge theirs ip saddr @pods4 counter; flush chain inet terway_edge postrouting",
    "a rule that looks into a set of another type": "flush chain inet terway_edge pod;"
    " delete set inet terway_edge sources4; add set inet terway_edge sources4 { type inet_service; };"
    " add chain inet terway_edge theirs; add rule inet terway_edge theirs tcp dport @sources4 counter",
    "a chain with the name of a set of another type": "flush chain inet terway_edge pod;"
    " delete set inet terway_edge sources4; add set inet terway_edge sources4 { type inet_service; };"
    " add chain inet terway_edge sources4",
    "a base chain where we have another one": "delete chain inet terway_edge pod_in; flush chain inet terway_edge pod;"
    " delete chain inet terway_edge pod; add chain inet terway_edge pod { type filter hook input priority 0; }",
    "a verdict that leads to a chain of masquerading": "delete chain inet terway_edge postrouting;"
    " add chain inet terway_edge postrouting;"
    " add map inet terway_edge theirs { type inet_service : verdict; elements = { 80 : jump postrouting } }",
}


def mend(firewall):
    """As an audit does."""
    if firewall.sources() != {FOUR}:
        firewall.set_sources([FOUR])
    firewall.mend_masquerade()
    if firewall.forwards() != {PORT}:
        firewall.set_forwards([PORT])


@pytest.mark.root
@pytest.mark.parametrize("hold", HOLDS)
def test_t37_what_others_hold_fast_in_our_table_keeps_nothing_from_being_mended(nft_world, eventually, hold):
    """If all of the table was made anew for one part, the others hear of it as of a stranger's doing."""
    firewall = nft_world.firewall
    fill(firewall)
    good = picture(nft_world)
    nft_world.nft(HOLDS[hold])
    times = []
    with closing(firewall.watch(lambda: times.append(1))):
        mend(firewall)
        if not is_right(firewall):
            eventually(lambda: bool(times))
            mend(firewall)
    assert is_right(firewall)
    listed = picture(nft_world)
    assert "theirs" in str(listed) or listed == good


@pytest.mark.root
def test_t37_what_nft_refuses_for_ever_takes_nothing_from_our_tables(nft_world):
    """As an nft does that is too old for a rule of ours."""
    fill(nft_world.firewall)
    good = picture(nft_world)
    script = "add rule inet terway_edge pod no such words\n"
    with pytest.raises(KernelError):
        inside(nft_world._host, lambda: nft_program.run_anyhow(script, lambda: "flush table inet terway_edge\n"))
    assert picture(nft_world) == good


@pytest.mark.parametrize("count", ["", "\n\t\t# count 1", "\n\t\tsize 9 # count 12345"])
def test_t37_how_many_elements_a_set_has_is_none_of_what_it_is(count):
    size = "\n\t\tsize 9" if "size" in count else ""
    listed = "table inet terway_edge {{\n\tset pods4 {{\n\t\ttype ipv4_addr{}\n\t}}\n}}\n".format
    assert nft_program.blocks(listed(count)) == {"pods4": f"\tset pods4 {{\n\t\ttype ipv4_addr{size}\n\t}}"}


@pytest.mark.root
def test_t37_an_nft_that_fails_without_a_word_is_an_error_like_another(nft_world, tmp_path, monkeypatch):
    """As the kernel's out-of-memory killer or a fault of its own ends it."""
    silent = tmp_path / "nft"
    silent.write_text("#!/bin/sh\nkill -9 $$\n")
    silent.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(KernelError, match="signal 9"):
        nft_program.run("add table inet terway_edge\n")


values = st.binary(max_size=44)
keys = st.sets(values, max_size=3)


@given(st.sets(st.builds(Element, st.sampled_from(nft_ports.SETS), values, values)))
def test_t37_elements_of_ports_of_any_kind_are_read(elements):
    assert nft_ports.elements(nft_ports.forwards(elements)) <= elements


@given(keys, keys)
def test_t37_elements_of_sources_of_any_kind_are_read(four, six):
    pairs = (("sources4", four), ("senders", four), ("sources6", six), ("targets6", six))
    sources = nft_sources._sources({Element(name, key) for name, listed in pairs for key in listed})
    assert sources is None or {element.key for element in nft_sources._elements(sources)} == four | six
