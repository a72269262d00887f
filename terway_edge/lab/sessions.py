"""BGP sessions as the agents tell of them (`bgp peers`), against what they should be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from terway_edge.lab.lans import LabNode

ESTABLISHED = "Established"


class Session(NamedTuple):
    """A row of `terway-edge bgp peers`; `since` is seconds in this state, `announced` counts prefixes."""

    speaker: str
    peer: str
    address: str
    asn: int
    state: str
    since: float
    announced: int
    last_error: str

    def __str__(self) -> str:
        error = f", last error: {self.last_error}" if self.last_error else ""
        what = f"session of {self.speaker} with {self.address} ({self.peer})"
        return f"{what}: {self.state}, {self.announced} prefixes{error}"


def read(answer: Mapping[str, Any]) -> list[Session]:
    """From an agent's answer to the query."""
    return [
        Session(
            row["speaker"],
            row["peer"],
            row["address"],
            row["peer_asn"],
            row["state"],
            float(row["since_seconds"] or 0),
            row["announced"],
            row["last_error"] or "",
        )
        for row in answer["peers"]
    ]


def faults(nodes: Sequence[LabNode], speakers: Collection[str], sessions: Iterable[Session]) -> list[str]:
    """Sentences: sessions that lack, that nobody asked for, that are down or announce another number of prefixes.

    `nodes` are all that the cluster has; each of the `speakers` announces all pod CIDRs of every node of its LAN.
    """
    found = {(session.speaker, session.address): session for session in sessions}
    said: list[str] = []
    for node in (node for node in nodes if node.name in speakers):
        wanted = sum(len(other.pod_cidrs) for other in nodes if other.lan == node.lan)
        session = found.pop((node.name, node.lan.gateways[0]), None)
        if session is None:
            said.append(f"{node.name} has no session with {node.lan.gateways[0]}")
        elif (session.state, session.announced, session.asn) != (ESTABLISHED, wanted, node.lan.switch_asn):
            said.append(f"{session}; expected {ESTABLISHED} with AS {node.lan.switch_asn}, {wanted} prefixes")
    return said + [f"{session}; nobody asked for it" for session in found.values()]
