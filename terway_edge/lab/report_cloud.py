"""What a run found out of the domains and of the cloud, as tables and for JSON. Pure text, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from terway_edge.lab.cloud_process import Eni
from terway_edge.lab.domains import pairs
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.text import Row, table
from terway_edge.lab.way import by_next_hop


def domain_table(outcome: Outcome, family: int) -> str:
    """Rows ping columns: lost of sent, and the mean round trip; a dot where nothing was sent."""
    mine = [pair for pair in pairs(outcome.answers) if pair.family == family]
    if not mine:
        return ""
    domains = list(dict.fromkeys(pair.source for pair in mine))
    cells = {(pair.source, pair.target): f"{pair.lost}/{pair.sent} {pair.milliseconds:.2f}" for pair in mine}
    rows = [[source, *(cells.get((source, target), ".") for target in domains)] for source in domains]
    note = " (beyond the LANs there is IPv4 only)" if family == 6 else ""
    title = f"IPv{family} by domain{note}: lost/sent, mean round trip in ms, row pings column"
    return f"{title}\n{table(['from / to', *domains], rows)}"


def planned(outcome: Outcome) -> str:
    """A row for each device and next hop."""
    rows: list[Row] = []
    for each in outcome.applied:
        rows += [[each.device if not n else "", text] for n, text in enumerate(by_next_hop(each.lines))]
    return f"Routes that terway-edge plan printed\n{table(['device', 'routes'], rows)}" if rows else ""


def cloud_nodes(outcome: Outcome) -> str:
    if outcome.cloud is None:
        return ""
    enis = sorted(outcome.cloud.enis, key=lambda eni: (eni.instance, eni.link))
    head = ["instance", "link", "ENI", "type", "vSwitch", "MAC", "addresses", "pods"]
    return f"ENIs in the cloud\n{table(head, [_eni_row(outcome, eni) for eni in enis])}"


def cloud(outcome: Outcome) -> str:
    report = outcome.cloud
    if report is None:
        return ""
    rows: list[Row] = [["API calls", str(report.made)]]
    rows += [["", f"{count} {name}"] for name, count in _counts(report.calls)]
    rows += [
        ["refused calls", ", ".join(f"{count} {name}" for name, count in _counts(report.failed)) or "none"],
        ["metadata calls", str(report.metadata_calls)],
        ["violations", "; ".join(report.violations) or "none"],
        ["ENIs of nobody", ", ".join(report.orphans) or "none"],
        ["packets dropped", f"{outcome.foreign}, for a source that the ENI does not own"],
    ]
    rows += [["", f"{dropped} of {sent} that {name} was sent on purpose"] for name, sent, dropped in outcome.spoofs]
    return f"The cloud\n{table(['what', 'found'], rows)}"


def cloud_json(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.cloud is None:
        return None
    spoofs = [{"network": name, "sent": sent, "dropped": dropped} for name, sent, dropped in outcome.spoofs]
    enis = [eni._asdict() | {"pods": _pods_on(outcome, eni)} for eni in outcome.cloud.enis]
    return outcome.cloud._asdict() | {"foreign_sources": outcome.foreign, "spoofed": spoofs, "enis": enis}


def _eni_row(outcome: Outcome, eni: Eni) -> Row:
    count = str(len(eni.addresses))
    return [eni.instance, eni.link, eni.id, eni.type, eni.vswitch, eni.mac, count, str(_pods_on(outcome, eni))]


def _pods_on(outcome: Outcome, eni: Eni) -> int:
    return sum(pod.address(4) in eni.addresses for pod, _ in outcome.added)


def _counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Most first; calls are `product:Action`."""
    return Counter(counts).most_common()
