"""Our nftables tables. A fresh process knows them by their name, `terway_edge` of the families inet and arp; nobody
else's table is touched.

Rules are written through the `nft` program, in transactions, so that packets never meet half of them: those of
masquerading whenever they change, those of ports and of sources once. A pod's ports and its sources are set elements,
which cost no process.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from terway_edge.core.errors import KernelError
from terway_edge.core.ports import Forward, Masquerade, Source
from terway_edge.kernel import nft_ports, nft_program
from terway_edge.kernel.conntrack import forget_datagrams
from terway_edge.kernel.netlink import Refusal
from terway_edge.kernel.nft_elements import Element, Elements
from terway_edge.kernel.nft_monitor import NftMonitor
from terway_edge.kernel.nft_program import TABLE, is_installed
from terway_edge.kernel.nft_sources import ABSENT, NftSources
from terway_edge.kernel.own_ports import OwnPorts

MASQUERADE = ("postrouting", "pods4", "pods6", "direct4", "direct6")
"""The chain and the sets of masquerading."""
PORTS = (*nft_ports.CHAINS, *nft_ports.SETS)

# Never translated: link-local addresses have no meaning beyond the link, and the sender of multicast is who it is.
ALWAYS_DIRECT = {4: ("169.254.0.0/16", "224.0.0.0/4"), 6: ("fe80::/10", "ff00::/8")}


class _Part(NamedTuple):
    """Chains and sets as nft prints them, by name, and what the sets hold: of a range the first address and the one
    after its last."""

    texts: dict[str, str]
    elements: set[Element]


class NftFirewall:
    """The Firewall port, in the namespace of the calling threads, which must be the same."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wanted: Masquerade | None = None
        self._masquerade: _Part | None = None  # what was written; None: not known
        self._written: dict[str, str] = {}  # chains and sets of ports, as nft prints them; empty: nothing was
        self._is_damaged = False  # what is there of ports, when somebody last looked
        own = OwnPorts()
        self._port_base = own.base
        self._ports = Elements(TABLE, own)
        self._elements: set[Element] | None = None  # None: not known
        self._sources = NftSources(self._guard, own)

    def set_masquerade(self, wanted: Masquerade | None) -> None:
        with self._guard:
            try:
                self._set_masquerade(wanted)
            except KernelError as error:
                if error.errno != errno.ENOENT:
                    raise
                raise KernelError(f"{error}, or set masquerade.enabled to false", errno=error.errno) from error

    def mend_masquerade(self) -> bool:
        with self._guard:
            if self._wanted is None or (self._masquerade is not None and self._masquerading() == self._masquerade):
                return False
            self._write_masquerade(self._wanted)
            return True

    def set_forwards(self, wanted: Collection[Forward]) -> None:
        with self._guard:
            elements = nft_ports.elements(wanted)
            before = self._read() if self._elements is None else self._elements
            self._elements = None
            if elements and (self._is_damaged or not self._written):
                self._write_chains()
                before = self._read()
            if self._change(before, elements):
                # Others changed the table. What it is now decides; they hardly do it twice in a row.
                before = self._read()
                if elements - before:
                    self._write_chains()
                    before = self._read()
                if refusals := self._change(before, elements):
                    raise KernelError(f"ports of pods: {refusals[0]}", errno=refusals[0].errno)
            self._elements = elements
            if datagrams := nft_ports.udp_ports(elements - before):
                forget_datagrams(self._ports.lend, datagrams)

    def forwards(self) -> frozenset[Forward]:
        with self._guard:
            self._elements = self._read()
            found = nft_ports.forwards(self._elements)
            if self._written:
                has_others = self._elements != nft_ports.elements(found)
                self._is_damaged = has_others or self._written != _texts(PORTS)
            return frozenset() if self._is_damaged else found

    def set_sources(self, wanted: Collection[Source] | None) -> None:
        self._sources.let_in(wanted)

    def admit(self, sources: Collection[Source]) -> None:
        self._sources.admit(sources)

    def dismiss(self, sources: Collection[Source]) -> None:
        self._sources.dismiss(sources)

    def sources(self) -> frozenset[Source] | None:
        return self._sources.current()

    def watch(self, changed: Callable[[], None]) -> NftMonitor:
        return NftMonitor(self._port_base, changed)

    def is_present(self) -> bool:
        """Whether the node has a table of ours. Raises KernelError."""
        return bool(nft_program.listing() or nft_program.listing("arp"))

    def remove(self) -> None:
        with self._guard:
            if self._wanted is not None or self._written or (is_installed() and self.is_present()):
                both = (f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in ("inet", "arp"))
                nft_program.run("".join(both))
                self._sources.forget()
            self._wanted, self._masquerade, self._written, self._elements = None, None, {}, None

    def close(self) -> None:
        """Nothing of the table changes. No other call may be under way."""
        self._ports.close()
        self._sources.close()

    def _set_masquerade(self, wanted: Masquerade | None) -> None:
        if wanted is None:
            self._drop_masquerade()
        elif wanted != self._wanted:
            self._write_masquerade(wanted)

    def _write_masquerade(self, wanted: Masquerade) -> None:
        script = masquerade_script(wanted)
        nft_program.run_anyhow(script, partial(nft_program.clearance, MASQUERADE[:1], MASQUERADE[1:]))
        written = self._masquerading()
        is_whole = _has_rules(written.texts, script.count(" masquerade fully-random"))
        self._wanted, self._masquerade = wanted, written if is_whole else None

    def _drop_masquerade(self) -> None:
        if self._wanted is not None or is_installed():
            there = nft_program.blocks(nft_program.listing())
            if there.keys() - set(MASQUERADE):
                if there.keys() & set(MASQUERADE):
                    nft_program.run("\n".join([*_clear_masquerade(), ""]))
            elif there:
                nft_program.run(f"delete table inet {TABLE}\n")
        self._wanted, self._masquerade = None, None

    def _masquerading(self) -> _Part:
        texts = _texts(MASQUERADE)
        return _Part(texts, self._read([name for name in MASQUERADE[1:] if name in texts]))

    def _write_chains(self) -> None:
        nft_program.run_anyhow(nft_ports.SCRIPT, partial(nft_program.clearance, nft_ports.CHAINS, nft_ports.SETS))
        written = _texts(PORTS)
        self._written = written if _has_rules(written, nft_ports.RULES) else {}
        self._is_damaged = not self._written

    def _change(self, before: set[Element], after: set[Element]) -> list[Refusal]:
        """Refusals, none if the kernel's elements are those of `after` now."""
        return self._ports.change(before - after, after - before) if before != after else []

    def _read(self, sets: Sequence[str] = nft_ports.SETS) -> set[Element]:
        """The elements of these sets; none if one of them is not there. Raises KernelError."""
        try:
            return self._ports.read(sets)
        except KernelError as error:
            if error.errno not in ABSENT:
                raise
            return set()


def masquerade_script(wanted: Masquerade) -> str:
    """The transaction that makes the masquerading of our table exactly this."""
    sets, rules = [], []
    for family, name in ((4, "ip"), (6, "ip6")):
        sources = [prefix for prefix in wanted.sources if prefix.family == family]
        if not sources:
            continue
        direct = [*ALWAYS_DIRECT[family], *(str(prefix) for prefix in wanted.direct if prefix.family == family)]
        sets.append(_set(f"pods{family}", family, map(str, sources)))
        sets.append(_set(f"direct{family}", family, direct))
        rules.append(f"    {name} saddr @pods{family} {name} daddr != @direct{family} masquerade fully-random")
    chain = ["  chain postrouting {", "    type nat hook postrouting priority srcnat;", *rules, "  }"]
    return "\n".join([*_clear_masquerade(), f"table inet {TABLE} {{", *sets, *chain, "}", ""])


def _clear_masquerade() -> list[str]:
    """Deletes chain and sets, whether they are there or not: what is added may be deleted."""
    chain, *sets = MASQUERADE
    lines = [f"add table inet {TABLE}", f"add chain inet {TABLE} {chain}"]
    lines += [f"flush chain inet {TABLE} {chain}", f"delete chain inet {TABLE} {chain}"]
    for name in sets:
        lines.append(f"add set inet {TABLE} {name} {{ type ipv{name[-1]}_addr; flags interval; auto-merge; }}")
        lines.append(f"delete set inet {TABLE} {name}")
    return lines


def _set(name: str, family: int, elements: Iterable[str]) -> str:
    body = ", ".join(elements)
    return f"  set {name} {{\n    type ipv{family}_addr; flags interval; auto-merge\n    elements = {{ {body} }}\n  }}"


def _has_rules(texts: Mapping[str, str], count: int) -> bool:
    """Whether what was just written, as nft prints it, was changed by nobody meanwhile."""
    return nft_program.rule_count(texts.values()) == count


def _texts(names: Collection[str]) -> dict[str, str]:
    """What is in force of these chains and sets, as nft prints it."""
    there: Mapping[str, str] = nft_program.in_force(nft_program.listing())
    return {name: there[name] for name in names if name in there}
