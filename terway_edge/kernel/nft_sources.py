"""The part of our nftables tables that holds pods to their own addresses and MACs: chains that are written once, and
sets whose elements are what each pod may send from.

Everything that a pod sends reaches the node by the host end of its veth, without a bridge. IP packets pass the inet
family's prerouting hook, before connection tracking and others' translation; ARP, which the node hears and never
forwards, passes the arp family's input hook. Frames with a VLAN tag and other protocols have no receiver on that link
and pass neither. Chains of the netdev family would see all frames, but each must be told every new link, which costs
more than two set elements and needs a recent kernel.

A link is ours by its name and by its index, which the kernel gives to nobody of its own. What no element lets through
is dropped, so a link that nobody speaks for is mute.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from struct import Struct
from threading import Lock

from terway_edge.core.addresses import Address
from terway_edge.core.errors import KernelError
from terway_edge.core.names import LINK_PREFIX
from terway_edge.core.plumbing import FIRST_IFINDEX
from terway_edge.core.ports import Source
from terway_edge.kernel import nft_program
from terway_edge.kernel.nft_elements import Element, Elements
from terway_edge.kernel.nft_program import TABLE
from terway_edge.kernel.own_ports import OwnPorts
from terway_edge.kernel.uapi import NFPROTO_ARP, NFPROTO_INET

ABSENT = frozenset((errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT))
"""How the kernel says that a set does not exist, or that it has no nf_tables at all."""
CHAINS = {"inet": ("pod", "pod_in"), "arp": ("pod", "pod_in")}
SETS = {NFPROTO_INET: ("sources4", "sources6", "targets6"), NFPROTO_ARP: ("senders",)}

# nft prints a link's name for its index, so the number must be one that no link ever has.
_OURS = f'iifname "{LINK_PREFIX}*" iif > {FIRST_IFINDEX - 1}'
_MAKE_SETS = f"""\
table inet {TABLE} {{
  set sources4 {{ typeof iifname . ether saddr . ip saddr; }}
  set sources6 {{ typeof iifname . ether saddr . ip6 saddr; }}
  set targets6 {{ typeof iifname . ether saddr . @th,64,128; }}
}}
table arp {TABLE} {{
  set senders {{ typeof iifname . arp saddr ether . arp saddr ip; }}
}}
"""
# The base chain is made anew, so that its policy, hook and priority are ours: what is added may be deleted.
_MAKE_CHAINS = "".join(
    f"""\
add table {family} {TABLE}
add chain {family} {TABLE} pod
add chain {family} {TABLE} pod_in
flush chain {family} {TABLE} pod
flush chain {family} {TABLE} pod_in
delete chain {family} {TABLE} pod_in
table {family} {TABLE} {{
  chain pod_in {{ type filter hook {hook}; }}
}}
"""
    for family, hook in (("inet", "prerouting priority raw"), ("arp", "input priority filter"))
)
# Options and type 0 routing headers choose a packet's way (RFC 5095, RFC 7126); ports 68 and 546 are those of DHCP's
# clients. A neighbour advertisement has its target 8 bytes into ICMPv6 (RFC 4861, section 4.4). Multicast listeners
# without a link-local address report from the unspecified one: every kernel does, and no router heeds it (RFC 3810,
# section 5.2.13), so it is not counted.
_RULES = f"""\
table inet {TABLE} {{
  chain pod {{
    ip hdrlength > 5 counter drop
    rt type 0 counter drop
    udp dport {{ 68, 546 }} counter drop
    icmpv6 type {{ nd-router-advert, nd-redirect }} counter drop
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets6 counter drop
    iifname . ether saddr . ip saddr @sources4 accept
    iifname . ether saddr . ip6 saddr @sources6 accept
    icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report }} drop
    counter drop
  }}
  chain pod_in {{
    {_OURS} goto pod
  }}
}}
table arp {TABLE} {{
  chain pod {{
    iifname . ether saddr . arp saddr ip != @senders counter drop
    iifname . arp saddr ether . arp saddr ip @senders accept
    counter drop
  }}
  chain pod_in {{
    {_OURS} goto pod
  }}
}}
"""
_NAME = Struct("16s6sxx")  # an interface's name and a MAC
_KEYS = {_NAME.size + 4, _NAME.size + 16}  # bytes


class NftSources:
    """The Firewall port's sources. `writing` is held while rules are written; `ports` as in `Elements`."""

    def __init__(self, writing: AbstractContextManager[object], ports: OwnPorts) -> None:
        self._guard = Lock()
        self._writing = writing
        self._elements = Elements(TABLE, ports)
        self._written: dict[str, str] = {}  # chains and sets as nft prints what was written; empty: nothing was

    def let_in(self, wanted: Collection[Source] | None) -> None:
        with self._guard, self._writing:
            if wanted is None:
                self._drop()
                return
            is_whole = self._is_whole()
            if not is_whole:
                # With elements before rules no legal packet is dropped, whatever is there already.
                nft_program.run_anyhow(_MAKE_SETS, _clearance)
            before, after = self._read(), _elements(wanted)
            if before != after:
                self._change(before - after, after - before)
            if not is_whole:
                nft_program.run_anyhow(_MAKE_CHAINS + _RULES, _chain_clearance)
                written = _texts()
                self._written = written if nft_program.rule_count(written.values()) == _RULES.count("\n    ") else {}

    def admit(self, sources: Iterable[Source]) -> None:
        with self._guard:
            self._change((), _elements(sources))

    def dismiss(self, sources: Iterable[Source]) -> None:
        with self._guard:
            gone = _elements(sources)
            try:
                self._change(gone, ())
            except KernelError as error:
                if error.errno != errno.ENOENT:
                    raise
                self._change(gone & self._read(), ())  # a batch is refused as a whole for one that is not there

    def current(self) -> frozenset[Source] | None:
        with self._guard:
            if not self._is_whole():
                return None
            return _sources(self._read())

    def close(self) -> None:
        self._elements.close()

    def forget(self) -> None:
        """Somebody of ours removed the tables."""
        self._written = {}

    def _is_whole(self) -> bool:
        return bool(self._written) and self._written == _texts()

    def _drop(self) -> None:
        if self._written or (nft_program.is_installed() and _is_there()):
            nft_program.run(_clearance())
            if not nft_program.blocks(nft_program.listing()):
                nft_program.run(f"delete table inet {TABLE}\n")
        self._written = {}

    def _change(self, remove: Collection[Element], add: Collection[Element]) -> None:
        if refusals := self._elements.change(remove, add):
            raise KernelError(f"sources of pods: {refusals[0]}", errno=refusals[0].errno)

    def _read(self) -> set[Element]:
        found: set[Element] = set()
        for family, names in SETS.items():
            try:
                found |= self._elements.read(names, family)
            except KernelError as error:
                if error.errno not in ABSENT:
                    raise
        return found


def _elements(sources: Iterable[Source]) -> set[Element]:
    return {element for source in sources for element in _elements_of(source)}


def _elements_of(source: Source) -> Iterator[Element]:
    key = _key(source)
    if source.address.family == 4:
        yield Element("sources4", key)
        yield Element("senders", key, family=NFPROTO_ARP)
    else:
        yield Element("sources6", key)
        yield Element("targets6", key)


def _key(source: Source) -> bytes:
    return _NAME.pack(source.link.encode(), source.mac) + source.address.packed


def _sources(elements: Iterable[Element]) -> frozenset[Source] | None:
    """The reverse of _elements(); None if these are not what it gives for anything."""
    keys: dict[str, set[bytes]] = {name: set() for names in SETS.values() for name in names}
    for element in elements:
        keys[element.set].add(element.key)
    passing = keys["sources4"] | keys["sources6"]
    if keys["sources4"] != keys["senders"] or keys["sources6"] != keys["targets6"]:
        return None
    if not _KEYS.issuperset(map(len, passing)):
        return None
    found = frozenset(map(_source, passing))
    return found if set(map(_key, found)) == passing else None


def _source(key: bytes) -> Source:
    name, mac = _NAME.unpack_from(key)
    return Source(name.rstrip(b"\0").decode(errors="replace"), mac, Address.unpack(key[_NAME.size :]))


def _chain_clearance() -> str:
    return nft_program.clearance(CHAINS["inet"], ())


def _clearance() -> str:
    """Deletes what is there of this part."""
    script = nft_program.clearance(reversed(CHAINS["inet"]), SETS[NFPROTO_INET])
    return script + (f"delete table arp {TABLE}\n" if nft_program.listing("arp") else "")


def _is_there() -> bool:
    """Whether anything of this part is."""
    names = {*CHAINS["inet"], *SETS[NFPROTO_INET]}
    return bool(names & nft_program.blocks(nft_program.listing()).keys() or nft_program.listing("arp"))


def _texts() -> dict[str, str]:
    """Our chains and sets as nft prints them, by family and name: a set of ranges would let in more than its elements
    tell."""
    found: dict[str, str] = {}
    for family, number in (("inet", NFPROTO_INET), ("arp", NFPROTO_ARP)):
        there = nft_program.in_force(nft_program.listing(family))
        found |= {f"{family} {name}": there[name] for name in (*CHAINS[family], *SETS[number]) if name in there}
    return found
