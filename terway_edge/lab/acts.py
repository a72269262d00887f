"""What pings across the LANs lost while something was broken on purpose, act by act. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from terway_edge.lab.streams import Packet, between

Ends = tuple[str, str]
"""Names of the nodes of a ping's source and target."""


class Deed(NamedTuple):
    """Something that was done at `begin` (seconds since the epoch).

    `victim` is the node whose packets cannot but be lost, empty for none, and `reason` says why; `note` is what else
    there is to say.
    """

    name: str
    begin: float
    victim: str = ""
    reason: str = ""
    note: str = ""


class Act(NamedTuple):
    """A deed and what it cost: `lost` are all packets lost, `unexplained` those among them that need not have been."""

    name: str
    sent: int
    lost: int
    unexplained: int
    why: str


def judge(deeds: Sequence[Deed], end: float, streams: Mapping[str, tuple[Ends, Sequence[Packet]]]) -> list[Act]:
    """A deed answers for all packets until the next one; streams are by their own name."""
    ends = [*(deed.begin for deed in deeds[1:]), end]
    return [_judge(deed, until, streams) for deed, until in zip(deeds, ends, strict=True)]


def _judge(deed: Deed, until: float, streams: Mapping[str, tuple[Ends, Sequence[Packet]]]) -> Act:
    sent = lost = unexplained = 0
    affected: list[str] = []
    for name, (ends, packets) in streams.items():
        mine, gone = between(packets, deed.begin, until)
        sent, lost = sent + mine, lost + gone
        if gone and deed.victim not in ends:
            unexplained += gone
            affected.append(name)
    more = f" and {len(affected) - 1} more" if affected[1:] else ""
    why = [deed.reason] if lost > unexplained else []
    why += [f"UNEXPLAINED on {affected[0]}{more}"] if affected else []
    return Act(deed.name, sent, lost, unexplained, "; ".join([*why, deed.note] if deed.note else why))
