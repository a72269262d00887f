"""`terway-edge torture`: the command line."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from terway_edge.lab.command import INTERRUPTED, require_host
from terway_edge.lab.errors import LabError
from terway_edge.lab.guard import Guard
from terway_edge.lab.layout import Layout
from terway_edge.lab.lock import Lock
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.teardown import tear_down
from terway_edge.torture.case import EDGE, KINDS
from terway_edge.torture.catalogue import catalogue
from terway_edge.torture.cloudy import CloudyNode
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.node import TorturedNode
from terway_edge.torture.ordeal import Ordeal, Record
from terway_edge.torture.report import as_json, as_text

TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "mount": "mount",
    "conntrack": "conntrack",
    "bird": "bird2",
}
MINUTES = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, default=MINUTES, metavar="N", help=f"for all nodes together (default {MINUTES:g})"
    )
    length.add_argument("--acts", type=int, default=0, metavar="N", help="so many acts on each node instead")
    parser.add_argument("--seed", type=int, metavar="S", help="which acts come in which order (default: any)")
    parser.add_argument("--node", choices=[*KINDS, "all"], default="all", help="which kind of node (default all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, the table on stderr")
    parser.add_argument("--verbose", action="store_true", help="tell each act as it begins")


def run(arguments: argparse.Namespace) -> int:
    """Exit status: 0 if nothing broke, 1 if something did, 2 if it cannot run here, 130 if interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    kinds = KINDS if arguments.node == "all" else (arguments.node,)
    seed = secrets.randbelow(1 << 31) if arguments.seed is None else arguments.seed
    say: Callable[[str], None] = _say if arguments.verbose else _hush
    records: list[Record] = []
    try:
        require_host(TOOLS)
        for kind in kinds:
            _say(f"torture: {kind} node, seed {seed}")
            torture(kind, seed, records, _limit(arguments, len(kinds)), say)
    except LabError as error:
        _say(f"torture: {error}")
        return 2
    except KeyboardInterrupt:
        _say("torture: interrupted")
        return INTERRUPTED
    finally:
        if records:
            print(as_text(records), file=sys.stderr if arguments.json else sys.stdout, flush=True)
            if arguments.json:
                print(as_json(records), flush=True)
    return int(any(record.troubles for record in records))


def torture(
    kind: str, seed: int, records: list[Record], is_over: Callable[[int], bool], say: Callable[[str], None]
) -> None:
    """One node; `records` gets its record, which grows. Raises LabError if the node cannot be built."""
    layout = Layout(f"twtor-{kind}", Path(f"/run/terway-edge-torture-{kind}"))
    with Lock(layout):
        guard = Guard(layout)
        try:
            tear_down(layout)
            token = new_token(layout)
            ordeal = Ordeal(_node(kind, layout, token), seed, catalogue(kind), is_over)
            records.append(ordeal.record)
            ordeal.run(say)
        finally:
            guard.release()


def _node(kind: str, layout: Layout, token: str) -> TorturedNode:
    processes = Processes(token)
    return EdgeNode(layout, processes, token) if kind == EDGE else CloudyNode(kind, layout, processes, token)


def _limit(arguments: argparse.Namespace, nodes: int) -> Callable[[int], bool]:
    """From now on."""
    end = time.monotonic() + 60 * arguments.minutes / nodes
    if arguments.acts:
        return lambda done: done >= arguments.acts
    return lambda _done: time.monotonic() >= end


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _hush(_line: str) -> None: ...


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
