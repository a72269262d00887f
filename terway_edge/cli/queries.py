"""`terway-edge status | leases | routes | plugins`: ask the agent over its socket and print a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from terway_edge.cli.options import settings_of
from terway_edge.cni.wire import WireError, call
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.core.tables import table

Answer = dict[str, Any]
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


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
    differs = arguments.query == "routes" and arguments.diff and answer["routes"]
    if arguments.json:
        print(json.dumps(answer, indent=2))
    elif arguments.query == "routes" and arguments.diff and not differs:
        print("no differences")
    else:
        print(_TABLES[arguments.query](answer))
    unready = arguments.query == "status" and not answer["ready"]
    return 1 if differs or unready else 0


def _plugins(settings: Settings) -> Answer:
    """As the agent loaded them; without an agent, as this machine has them installed."""
    try:
        return ask(settings, "plugins")
    except Refused as error:
        print(f"terway-edge: {error}\nthese are the plugins that are installed here", file=sys.stderr)
        from dataclasses import asdict

        from terway_edge.core.plugins import find_plugins

        return {"plugins": [{**asdict(p.info), "active": False} for p in find_plugins(settings.plugins.disabled)]}


def _status_table(answer: Answer) -> str:
    uplink = answer["uplink"]
    facts = [
        ("node", answer["node"]),
        ("ready", "yes" if answer["ready"] else f"NO: {answer['why_not']}"),
        ("up for", _age(answer["uptime_seconds"])),
        ("backend", answer["backend"] or "none"),
        ("advertisers", ", ".join(answer["advertisers"]) or "none"),
        ("LAN", answer["lan"] or "none"),
        ("nodes", answer["nodes"]),
        ("uplink", f"{uplink['link']} {' '.join(uplink['addresses'])} (by {uplink['why']})" if uplink else "none"),
        ("leases", answer["leases"]),
        ("routes", answer["routes"]),
        ("repairs", ", ".join(f"{kind} {count}" for kind, count in answer["repairs"].items()) or "none"),
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


def _age(seconds: float) -> str:
    """The two largest units, as `36s`, `5m12s`, `3h40m`, `12d5h`."""
    whole = int(seconds)
    for (large, unit), (small, part) in pairwise(_UNITS):
        if whole >= unit:
            return f"{whole // unit}{large}{whole % unit // part}{small}"
    return f"{whole}s"


def _plugin_facts(plugin: Answer) -> str:
    details = "".join(f", {name} {value}" for name, value in plugin["details"].items())
    return f"{'in sync' if plugin['in_sync'] else 'NOT IN SYNC'}{details}"


def _leases_table(answer: Answer) -> str:
    if not answer["leases"]:
        return "no leases"
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
            _age(lease["age_seconds"]),
        ]
        for lease in answer["leases"]
    ]
    return table(columns, rows)


def _routes_table(answer: Answer) -> str:
    columns = ("prefix", "desired", "actual", "origin", "state")
    if not answer["routes"]:
        return "no routes"
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
    from terway_edge.core.hookspecs import PROJECT, Hooks

    if plugin["error"]:
        return f"NOT USED: {plugin['error']}"
    if unknown := [hook for hook in plugin["hooks"] if not hasattr(Hooks, f"{PROJECT}_{hook}")]:
        return f"STOPS THE AGENT: there is no hook {', '.join(unknown)}"
    return "active" if plugin["active"] else "loaded"


_TABLES: dict[str, Callable[[Answer], str]] = {
    "status": _status_table,
    "leases": _leases_table,
    "routes": _routes_table,
    "plugins": _plugins_table,
}
