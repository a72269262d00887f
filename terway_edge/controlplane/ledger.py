"""What the leader wrote down about pod CIDRs before it gave any: a note in the Lease, which only a leader can change.

A claim is written before the Node is. So whoever leads next knows each CIDR that might still be on its way to a Node,
be it from a process that was stopped for a while and goes on where it was, and gives it to nobody else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from terway_edge.controlplane.ranges import read_cidr
from terway_edge.core.addresses import Prefix

NOTE = "terway-edge.openyurt.io/pod-cidrs"


class DamagedError(ValueError):
    """The note is not as we write it."""


class Claim(NamedTuple):
    """Of a Node, by its uid."""

    uid: str
    cidrs: tuple[Prefix, ...]


class Ledger(NamedTuple):
    """Claims by the Node's name; `marks` says of a range how many of its addresses, from its first, were ever given."""

    claims: Mapping[str, Claim] = MappingProxyType({})
    marks: Mapping[Prefix, int] = MappingProxyType({})


def read_ledger(notes: Mapping[str, str]) -> Ledger:
    """Raises DamagedError."""
    if NOTE not in notes:
        return Ledger()
    try:
        found = json.loads(notes[NOTE])
        return Ledger(
            {
                name: Claim(str(claim["uid"]), tuple(read_cidr(text) for text in claim["cidrs"]))
                for name, claim in found["claims"].items()
            },
            {read_cidr(text): int(count) for text, count in found["marks"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{type(error).__name__}: {error}") from None


def ledger_text(ledger: Ledger) -> str:
    """Equal for equal ledgers."""
    return json.dumps(
        {
            "claims": {
                name: {"uid": claim.uid, "cidrs": [str(cidr) for cidr in claim.cidrs]}
                for name, claim in ledger.claims.items()
            },
            "marks": {str(prefix): count for prefix, count in ledger.marks.items()},
        },
        sort_keys=True,
        separators=(",", ":"),
    )
