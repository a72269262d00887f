"""`terway-edge bgp peers | routes | explain | switch-config`: questions to this node's agent, answers as tables."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from terway_edge.backends.bgp.answers import VENDORS
from terway_edge.core.tables import table

Answer = dict[str, Any]
Ask = Callable[[Sequence[str]], Answer]


def add_commands(parser: argparse.ArgumentParser) -> None:
    parser.description = "BGP sessions of this node with its LAN's switch."
    commands = parser.add_subparsers(title="questions", metavar="QUESTION", required=True)
    peers = commands.add_parser("peers", help="sessions, their state, and what is wrong; exit status 1 if one is down")
    peers.set_defaults(run=_peers)
    routes = commands.add_parser("routes", help="every prefix that is announced, its next hop and its node")
    routes.set_defaults(run=_routes)
    explanation = commands.add_parser("explain", help="whether a prefix is announced, by whom, and why not")
    explanation.add_argument("prefix", metavar="PREFIX", help="a prefix or an address, such as 10.64.1.0/24")
    explanation.set_defaults(run=_explain)
    switch = commands.add_parser("switch-config", help="what to configure on the switch for a BGPPeer")
    switch.add_argument("peer", metavar="PEER", help="name of the BGPPeer object")
    switch.add_argument("--for", dest="vendor", choices=VENDORS, default="frr", help="whose words to use (default frr)")
    switch.set_defaults(run=_switch_config)
    for command in (peers, routes, explanation):
        command.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def _peers(arguments: argparse.Namespace) -> int:
    answer = arguments.ask(["peers"])
    columns = (
        "peer",
        "speaker",
        "address",
        "local as",
        "peer as",
        "state",
        "since",
        "announced",
        "received",
        "last error",
    )
    rows = [
        [
            row["peer"],
            row["speaker"],
            row["address"],
            row["local_asn"],
            row["peer_asn"],
            row["state"],
            f"{row['since_seconds']:.0f}s",
            row["announced"],
            row["received"],
            row["last_error"],
        ]
        for row in answer["peers"]
    ]
    _print(arguments, answer, table(columns, rows) if rows else "this node speaks to no peer: no BGPPeer names it")
    return int(any(row["state"] != "Established" for row in answer["peers"]))


def _routes(arguments: argparse.Namespace) -> int:
    answer = arguments.ask(["routes"])
    columns = ("prefix", "next_hop", "origin", "peer", "address", "state")
    rows = [[row[column] for column in columns] for row in answer["routes"]]
    heads = [column.replace("_", " ") for column in columns]
    _print(arguments, answer, table(heads, rows) if rows else "nothing is announced by this node")
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    answer = arguments.ask(["explain", arguments.prefix])
    if answer["why_not"]:
        _print(arguments, answer, answer["why_not"])
        return 1
    columns = ("prefix", "origin", "peer", "next hop", "speakers", "announced by this node", "why")
    said = {True: "yes", False: "NO", None: "not a speaker"}
    rows = [
        [
            row["prefix"],
            row["origin"],
            f"{row['peer']} {row['address']}",
            row["next_hop"],
            ",".join(row["speakers"]),
            said[row["is_announced"]],
            row["why"],
        ]
        for row in answer["rows"]
    ]
    _print(arguments, answer, table(columns, rows))
    return int(not any(row["is_announced"] for row in answer["rows"]))


def _switch_config(arguments: argparse.Namespace) -> int:
    answer = arguments.ask(["switch-config", arguments.peer, arguments.vendor])
    print(answer["text"], end="")
    if answer["note"]:
        print(f"note: {answer['note']}", file=sys.stderr)
    return 0


def _print(arguments: argparse.Namespace, answer: Answer, text: str) -> None:
    print(json.dumps(answer, indent=2) if arguments.json else text)
