"""The part of our nftables table that leads ports of the node to pods: chains that are written once, and maps and sets
whose elements are the pods' ports.

What is translated is new connections to a local address, whether they come from outside, from a pod or from the node
itself. Never to a loopback address: the kernel would need route_localnet, with which a pod could reach what listens on
the node's loopback only, should somebody flush this table. Others' translations come first (priorities).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from struct import Struct

from terway_edge.core.addresses import Address
from terway_edge.core.names import LINK_PREFIX
from terway_edge.core.ports import Forward
from terway_edge.kernel.nft_elements import Element
from terway_edge.kernel.nft_program import TABLE

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
NAMES = {number: name for name, number in PROTOCOLS.items()}
CHAINS = ("port", "port_in", "port_own", "port_out")
SETS = tuple(f"{name}{family}" for family in (4, 6) for name in ("ports", "address_ports", "hairpin", "masked"))

SCRIPT = f"""\
add table inet {TABLE}
table inet {TABLE} {{
  map ports4 {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map ports6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; }}
  map address_ports4 {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map address_ports6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }}
  set hairpin4 {{ type ipv4_addr . ipv4_addr; }}
  set hairpin6 {{ type ipv6_addr . ipv6_addr; }}
  set masked4 {{ type ipv4_addr . inet_proto . inet_service; }}
  set masked6 {{ type ipv6_addr . inet_proto . inet_service; }}
  chain port {{ }}
  chain port_in {{ type nat hook prerouting priority dstnat + 5; }}
  chain port_own {{ type nat hook output priority -95; }}
  chain port_out {{ type nat hook postrouting priority srcnat - 5; }}
}}
flush chain inet {TABLE} port
flush chain inet {TABLE} port_in
flush chain inet {TABLE} port_own
flush chain inet {TABLE} port_out
table inet {TABLE} {{
  chain port {{
    ip daddr 127.0.0.0/8 return
    ip6 daddr {{ ::1, fe80::/10 }} return
    meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @address_ports4
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4
    meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @address_ports6
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6
  }}
  chain port_in {{
    fib daddr type local jump port
  }}
  chain port_own {{
    fib daddr type local jump port
  }}
  chain port_out {{
    ct status dnat ip saddr . ip daddr @hairpin4 masquerade
    ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade
    iifname != "{LINK_PREFIX}*" ct status dnat ip daddr . meta l4proto . th dport @masked4 masquerade
    iifname != "{LINK_PREFIX}*" ct status dnat ip6 daddr . meta l4proto . th dport @masked6 masquerade
  }}
}}
"""
"""Makes this part as it should be, with the elements that are there, in one transaction."""
RULES = SCRIPT.count("\n    ")

_PROTOCOL_PORT = Struct(">BxxxHxx")
_PORT = Struct(">Hxx")
_SIZES = {"ports4": (8, 8), "ports6": (8, 20), "address_ports4": (12, 8), "address_ports6": (24, 20)}
"""Bytes of a key and of a value of our maps; a map of the same name that others made may have any."""


def elements(forwards: Iterable[Forward]) -> set[Element]:
    """What our sets hold if exactly these forwards are in force."""
    return {element for forward in forwards for element in _elements(forward)}


def forwards(found: Set[Element]) -> frozenset[Forward]:
    """Of elements that are there, the forwards that are whole."""
    return frozenset(forward for forward in _candidates(found) if found >= set(_elements(forward)))


def udp_ports(found: Iterable[Element]) -> set[int]:
    """The UDP ports of the node that these elements lead to pods."""
    keys = (_PROTOCOL_PORT.unpack(element.key[-8:]) for element in found if element.data)
    return {port for number, port in keys if number == PROTOCOLS["udp"]}


def _elements(forward: Forward) -> Iterator[Element]:
    family, to = forward.to.family, forward.to.packed
    protocol = PROTOCOLS[forward.protocol]
    key = _PROTOCOL_PORT.pack(protocol, forward.port)
    data = to + _PORT.pack(forward.to_port)
    if forward.address is None:
        yield Element(f"ports{family}", key, data)
    else:
        yield Element(f"address_ports{family}", forward.address.packed + key, data)
    yield Element(f"hairpin{family}", to + to)
    if forward.masquerade:
        yield Element(f"masked{family}", to + _PROTOCOL_PORT.pack(protocol, forward.to_port))


def _candidates(found: Iterable[Element]) -> Iterator[Forward]:
    masked = {element.key for element in found if element.set.startswith("masked")}
    for element in found:
        if (len(element.key), len(element.data)) != _SIZES.get(element.set):
            continue
        address = Address.unpack(element.key[:-8]) if len(element.key) > 8 else None
        number, port = _PROTOCOL_PORT.unpack(element.key[-8:])
        to, (to_port,) = Address.unpack(element.data[:-4]), _PORT.unpack(element.data[-4:])
        if number in NAMES:
            masquerade = to.packed + _PROTOCOL_PORT.pack(number, to_port) in masked
            yield Forward(NAMES[number], port, address, to, to_port, masquerade)
