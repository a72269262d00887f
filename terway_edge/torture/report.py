"""A run as a table for people and as one JSON object for scripts. Pure text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from terway_edge.lab.text import table
from terway_edge.torture.trial import Record

NOT_MEASURED = "so short that no leaks were looked for"


def as_text(records: Sequence[Record]) -> str:
    rows = [
        [
            record.kind,
            case,
            str(tally.tries),
            str(tally.in_vain),
            str(tally.broken),
            f"{tally.slowest:.2f}",
            tally.after,
        ]
        for record in records
        for case, tally in record.tallies.items()
    ]
    parts = [table(["node", "case", "tries", "in vain", "broken", "slowest (s)", "after"], rows)]
    parts += [f"{record.kind}: {line}" for record in records for line in record.measured or [NOT_MEASURED]]
    parts += [_breach(record) for record in records if record.troubles]
    return "\n\n".join([*parts, verdict(records)])


def verdict(records: Sequence[Record]) -> str:
    """One line."""
    acts, seconds = sum(record.acts for record in records), sum(record.seconds for record in records)
    seeds = ", ".join(f"{record.kind} {record.seed}" for record in records if not record.mode)
    broken = [record.kind for record in records if record.troubles]
    state = f"BROKEN on {', '.join(broken)}" if broken else "OK"
    return f"{state}: {acts} acts, {seconds:.0f} s{f'; seeds: {seeds}' if seeds else ''}"


def as_json(records: Sequence[Record]) -> str:
    return json.dumps(
        {
            "ok": not any(record.troubles for record in records),
            "nodes": [
                {
                    "node": record.kind,
                    "seed": record.seed,
                    "acts": record.acts,
                    "seconds": round(record.seconds, 1),
                    "cases": {
                        case: {**asdict(tally), "slowest": round(tally.slowest, 3)}
                        for case, tally in record.tallies.items()
                    },
                    "mode": record.mode,
                    "measured": record.measured,
                    "troubles": record.troubles,
                    "history": list(record.history) if record.troubles else [],
                    "evidence": record.evidence,
                    "replay": record.replay,
                }
                for record in records
            ],
        }
    )


def _breach(record: Record) -> str:
    lines = [f"BROKEN on the {record.kind} node:", *(f"  {trouble}" for trouble in record.troubles)]
    lines += ["the last acts:", *(f"  {line}" for line in record.history)]
    lines += [f"the agent's log and journal: {record.evidence}", f"again: {record.replay}"]
    return "\n".join(lines)
