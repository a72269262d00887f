"""What became of the Kubernetes API in a run, as a table and for JSON. Pure text, no I/O."""

from __future__ import annotations

from typing import Any

from terway_edge.lab.outcome import Outcome
from terway_edge.lab.text import Row, table


def wrote(outcome: Outcome, *, everything: bool) -> str:
    """:param everything: else only what speakers wrote, and what is wrong"""
    shown = [row for row in outcome.written if everything or row.fault or row.where.startswith("BGPPeer/")]
    rows: list[Row] = [[row.where, row.what, row.value, row.fault or "ok"] for row in shown]
    head = ["object", "what", "value", "state"]
    return f"What agents wrote to the Kubernetes API\n{table(head, rows)}" if rows else ""


def api_json(outcome: Outcome) -> dict[str, Any] | None:
    """None if the cluster was a directory; requests are unknown of a server that does not tell."""
    if not outcome.written:
        return None
    report = outcome.api._asdict() if outcome.api else None
    return {"written": [row._asdict() for row in outcome.written], "requests": report}
