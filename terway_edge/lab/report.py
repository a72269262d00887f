"""A lab run as tables for people and as one JSON object for scripts. Pure text, no I/O."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

from terway_edge.lab.domains import pairs
from terway_edge.lab.learned import Learned
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.picture import PICTURE
from terway_edge.lab.pings import Answer
from terway_edge.lab.report_api import api_json, wrote
from terway_edge.lab.report_cloud import cloud, cloud_json, cloud_nodes, domain_table, planned
from terway_edge.lab.text import Row, table


def tables(outcome: Outcome, *, everything: bool = False) -> str:
    """Everything there is to show so far; parts that were not reached are left out.

    :param everything: also the wide and the long ones in which nothing is wrong: who pinged whom pod by pod, services,
        each node's routes, and what each switch learned
    """
    parts = [ping_matrix(outcome.answers, family) for family in (4, 6)] if everything else []
    parts += [_pods(outcome)]
    if everything or any(call.why for call in outcome.calls):
        parts += [_services(outcome)]
    if everything or not all(node.ok for node in outcome.tables):
        parts += [_routes(outcome)]
    if everything or any(row.state != "ok" for row in outcome.learned):
        parts += [_learned(outcome)]
    parts += [_sessions(outcome), wrote(outcome, everything=everything)]
    parts += [planned(outcome), cloud_nodes(outcome), cloud(outcome), PICTURE if outcome.applied else ""]
    parts += [*(domain_table(outcome, family) for family in (4, 6)), _acts(outcome), _steps(outcome)]
    return "\n\n".join(filter(None, parts))


def verdict(outcome: Outcome) -> str:
    """One line: what was tried and whether all of it is as it should be."""
    tried = (
        f"{outcome.nodes} nodes, {len(outcome.added)} pods, {outcome.sent} pings sent, {outcome.lost} lost, "
        f"{outcome.steps.seconds:.1f} s"
    )
    failed = [step.name for step in outcome.steps.done if not step.ok]
    if outcome.interrupted:
        return f"INTERRUPTED in {', '.join(failed) or 'no step'}: {tried}"
    return f"FAILED in {', '.join(failed)}: {tried}" if failed else f"OK: {tried}"


def as_json(outcome: Outcome) -> str:
    """The same as one line of JSON; times in seconds unless the key says ms."""
    return json.dumps(
        {
            "ok": outcome.ok,
            "pings": {"sent": outcome.sent, "lost": outcome.lost},
            "pods": len(outcome.added),
            "nodes": outcome.nodes,
            "seconds": round(outcome.steps.seconds, 3),
            "add_ms": {pod.name: round(milliseconds, 2) for pod, milliseconds in outcome.added},
            "service_calls": {"made": len(outcome.calls), "failed": sum(bool(call.why) for call in outcome.calls)},
            "routes": {table.node: [str(route) for route in table.actual] for table in outcome.tables},
            "route_change_seconds": outcome.changes,
            "sessions": [session._asdict() for session in outcome.sessions],
            "switch_routes": {
                switch: [str(route) for route in routes] for switch, routes in _by_switch(outcome.learned).items()
            },
            "domains": [pair._asdict() for pair in pairs(outcome.answers)],
            "plan": {each.device: each.lines for each in outcome.applied},
            "cloud": cloud_json(outcome),
            "api": api_json(outcome),
            "acts": [act._asdict() for act in outcome.acts],
            "steps": [
                {
                    "name": step.name,
                    "ok": step.ok,
                    "seconds": round(step.seconds, 3),
                    "detail": step.detail,
                    "problems": step.problems,
                }
                for step in outcome.steps.done
            ],
        }
    )


def ping_matrix(answers: Sequence[Answer], family: int) -> str:
    """Rows ping columns; a cell is the mean round trip in ms, LOST, or a dot where nothing was sent."""
    mine = [answer for answer in answers if answer.ping.family == family]
    if not mine:
        return ""
    ends = list(dict.fromkeys(answer.ping.source.name for answer in mine))
    cells = {(answer.ping.source.name, answer.ping.target.name): _cell(answer) for answer in mine}
    rows = [[source, *(cells.get((source, target), ".") for target in ends)] for source in ends]
    title = f"IPv{family}: mean round trip in ms, row pings column"
    return f"{title}\n{table(['from / to', *ends], rows)}"


def add_times(milliseconds: Sequence[float]) -> str:
    """`median 3.1 ms, slowest 5.0 ms`."""
    if not milliseconds:
        return ""
    return f"median {statistics.median(milliseconds):.1f} ms, slowest {max(milliseconds):.1f} ms"


def _cell(answer: Answer) -> str:
    return "LOST" if answer.lost else f"{answer.milliseconds:.2f}"


def _pods(outcome: Outcome) -> str:
    rows = [
        [pod.name, pod.node.name, pod.address(4) or "-", pod.address(6) or "-", f"{milliseconds:.1f}"]
        for pod, milliseconds in outcome.added
    ]
    return f"Pods\n{table(['pod', 'node', 'IPv4', 'IPv6', 'ADD ms'], rows)}" if rows else ""


def _services(outcome: Outcome) -> str:
    """Rows call columns; a cell is "ok" or why not, a dot where the client has no address of that family."""
    if not outcome.calls:
        return ""
    columns = list(dict.fromkeys((call.service, call.address, call.target) for call in outcome.calls))
    cells = {(call.client, call.address): call.why or "ok" for call in outcome.calls}
    clients = dict.fromkeys(call.client for call in outcome.calls)
    head = [f"{service} {address}" for service, address, _ in columns]
    ends = ", ".join(f"{service} = {target}" for service, target in {(s, t): None for s, _, t in columns})
    rows = [[client, *(cells.get((client, address), ".") for _, address, _ in columns)] for client in clients]
    return f"Services by DNAT: row calls column; {ends}\n{table(['from / to', *head], rows)}"


def _routes(outcome: Outcome) -> str:
    rows: list[Row] = []
    for node in outcome.tables:
        for route in sorted({*node.actual, *node.missing}, key=(*node.actual, *node.missing).index):
            state = "MISSING" if route in node.missing else "UNEXPECTED" if route in node.unexpected else "ok"
            rows.append([node.node, route.kind, route.prefix, route.via or "-", route.link or "-", state])
    head = ["node", "kind", "prefix", "next hop", "link", "state"]
    return f"Routes (protocol 158)\n{table(head, rows)}" if rows else ""


def _sessions(outcome: Outcome) -> str:
    rows = [
        [s.speaker, s.peer, s.address, str(s.asn), s.state, f"{s.since:.1f} s", str(s.announced)]
        for s in outcome.sessions
    ]
    head = ["speaker", "peer", "address", "AS", "state", "since", "announced"]
    return f"BGP sessions, as the agents tell\n{table(head, rows)}" if rows else ""


def _learned(outcome: Outcome) -> str:
    rows = [
        [r.switch, r.prefix, ", ".join(r.next_hops) or "-", ", ".join(r.tellers) or "-", _yes(r.is_valid), r.state]
        for r in outcome.learned
    ]
    head = ["switch", "prefix", "next hop", "learned from", "valid", "state"]
    return f"What the switches say they learned\n{table(head, rows)}" if rows else ""


def _acts(outcome: Outcome) -> str:
    rows = [[act.name, str(act.sent), str(act.lost), act.why] for act in outcome.acts]
    head = ["act", "sent", "lost", "why"]
    return f"Packets between the domains while things were broken\n{table(head, rows)}" if rows else ""


def _by_switch(learned: Sequence[Learned]) -> dict[str, list[Learned]]:
    return {name: [row for row in learned if row.switch == name] for name in dict.fromkeys(r.switch for r in learned)}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _steps(outcome: Outcome) -> str:
    rows = [
        [step.name, f"{step.seconds:.3f}", "ok" if step.ok else "FAILED", step.detail] for step in outcome.steps.done
    ]
    return f"Steps\n{table(['step', 'seconds', 'result', 'detail'], rows)}" if rows else ""
