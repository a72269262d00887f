"""`terway-edge status | leases | routes | plugins`: ask the agent over its socket and print a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from terway_edge.cli.options import settings_of
from terway_edge.cni.wire import WireError, call
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.core.tables import table

Answer = dict[str, Any]


def ask(settings: Settings, query: str) -> Answer:
    """The agent's answer. Raises Refused if no agent serves this node."""
    path = settings.run_dir / "cni.sock"
    try:
        reply = call(str(path), {"TERWAY_EDGE_QUERY": query})
    except WireError as error:
        raise Refused(f"{error}; is the agent running on this node, and are you root?") from error
    answer: Answer = json.loads(reply.payload)
    if reply.status:
        raise Refused(answer.get("msg", "the agent refused the query"))
    return answer


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    answer = _plugins(settings) if arguments.query == "plugins" else ask(settings, arguments.query)
    if arguments.query == "routes" and arguments.diff:
        answer["routes"] = [route for route in answer["routes"] if route["state"] != "ok"]
    print(json.dumps(answer, indent=2) if arguments.json else _TABLES[arguments.query](answer))
    differs = arguments.query == "routes" and arguments.diff and answer["routes"]
    unready = arguments.query == "status" and not answer["ready"]
    return 1 if differs or unready else 0


def _plugins(settings: Settings) -> Answer:
    """As the agent loaded them; without an agent, as this machine has them installed."""
    try:
        return ask(settings, "plugins")
    except Refused:
        from dataclasses import asdict

        from terway_edge.core.plugins import find_plugins

        return {"plugins": [{**asdict(p.info), "active": False} for p in find_plugins(settings.plugins.disabled)]}


def _status_table(answer: Answer) -> str:
    uplink = answer["uplink"]
    facts = [
        ("node", answer["node"]),
        ("ready", "yes" if answer["ready"] else f"NO: {answer['why_not']}"),
        ("up for", f"{answer['uptime_seconds']:.0f} s"),
        ("backend", answer["backend"]),
        ("advertisers", ", ".join(answer["advertisers"])),
        ("LAN", answer["lan"]),
        ("nodes", answer["nodes"]),
        ("uplink", f"{uplink['link']} {' '.join(uplink['addresses'])} (by {uplink['why']})" if uplink else "none"),
        ("leases", answer["leases"]),
        ("routes", answer["routes"]),
        ("repairs", ", ".join(f"{kind} {count}" for kind, count in answer["repairs"].items())),
        *((plugin["plugin"], _plugin_facts(plugin)) for plugin in answer["plugins"]),
    ]
    width = max(len(name) for name, _ in facts)
    parts = ["\n".join(f"{name.ljust(width)}  {value}" for name, value in facts)]
    columns = ("pool", "size", "free", "used", "cooling", "reserved")
    if answer["pools"]:
        rows = [[pool["name"], *(pool[column] for column in columns[1:])] for pool in answer["pools"]]
        parts.append(table(columns, rows))
    if answer["conditions"]:
        rows = [[c["reason"], c["subject"], c["message"]] for c in answer["conditions"]]
        parts.append(table(("condition", "subject", "what to do"), rows))
    else:
        parts.append("no conditions: nothing needs your attention")
    return "\n\n".join(parts)


def _plugin_facts(plugin: Answer) -> str:
    details = "".join(f", {name} {value}" for name, value in plugin["details"].items())
    return f"{'in sync' if plugin['in_sync'] else 'NOT IN SYNC'}{details}"


def _leases_table(answer: Answer) -> str:
    columns = ("pod", "addresses", "ports", "container", "ifname", "link", "state", "backend", "age")
    rows = [
        [
            lease["pod"],
            ",".join(lease["addresses"]),
            ",".join(lease["ports"]),
            lease["container"][:13],
            lease["ifname"],
            lease["link"],
            lease["link_state"],
            lease["backend"],
            f"{lease['age_seconds']:.0f}s",
        ]
        for lease in answer["leases"]
    ]
    return table(columns, rows)


def _routes_table(answer: Answer) -> str:
    columns = ("prefix", "desired", "actual", "origin", "state")
    if not answer["routes"]:
        return "no differences"
    return table(columns, [[route[column] for column in columns] for route in answer["routes"]])


def _plugins_table(answer: Answer) -> str:
    rows = [
        [
            plugin["name"],
            _plugin_state(plugin),
            f"{plugin['distribution']} {plugin['version']}",
            plugin["origin"],
            ",".join(plugin["hooks"]),
        ]
        for plugin in answer["plugins"]
    ]
    return table(("plugin", "state", "distribution", "origin", "hooks"), rows)


def _plugin_state(plugin: Answer) -> str:
    if plugin["error"]:
        return f"NOT USED: {plugin['error']}"
    return "active" if plugin["active"] else "loaded"


_TABLES: dict[str, Callable[[Answer], str]] = {
    "status": _status_table,
    "leases": _leases_table,
    "routes": _routes_table,
    "plugins": _plugins_table,
}
