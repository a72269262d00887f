"""`terway-edge torture`: the command line."""

from __future__ import annotations

import argparse
import math
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
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
from terway_edge.torture.edge import EdgeNode, WideEdgeNode
from terway_edge.torture.load import Load
from terway_edge.torture.ordeal import Ordeal
from terway_edge.torture.replacement import Replacement
from terway_edge.torture.report import as_json, as_text
from terway_edge.torture.soak import RATE, Soak
from terway_edge.torture.trial import Record, Say, Trial

TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "mount": "mount",
    "conntrack": "conntrack",
    "bird": "bird2",
}
MINUTES = 3.0
RANDOM, LOAD, SOAK, REPLACE = "random", "load", "soak", "replace"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=_positive, default=MINUTES, metavar="N", help=f"for all nodes together (default {MINUTES:g})"
    )
    length.add_argument(
        "--acts",
        type=_count,
        default=0,
        metavar="N",
        help="so many acts on each node instead (rounds, pods, replacements)",
    )
    parser.add_argument(
        "--mode",
        choices=[RANDOM, LOAD, SOAK, REPLACE],
        default=RANDOM,
        help="random acts (default); on an edge node: rounds of 250 pods at once, pods that come and go steadily, or "
        "replacements of the shim under load",
    )
    parser.add_argument(
        "--rate",
        type=_positive,
        metavar="N",
        help=f"with --mode soak: pods that come, and pods that go, in a second (default {RATE:g})",
    )
    parser.add_argument("--seed", type=int, metavar="S", help="which acts come in which order (default: any)")
    parser.add_argument("--node", choices=[*KINDS, "all"], default="all", help="which kind of node (default all)")
    parser.add_argument(
        "--closing", action="store_true", help="with --acts: end with the short calm part that ends a run by the clock"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, the table on stderr")
    parser.add_argument("--verbose", action="store_true", help="tell each act as it begins")


def run(arguments: argparse.Namespace) -> int:
    """Exit status: 0 if nothing broke, 1 if something did, 2 if it cannot run here, 130 if interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    kinds = _kinds(arguments)
    seed = secrets.randbelow(1 << 31) if arguments.seed is None else arguments.seed
    what = _what(arguments, seed)
    say: Say = _say if arguments.verbose else _hush
    records: list[Record] = []
    try:
        if arguments.rate and arguments.mode != SOAK:
            raise LabError(f"--rate is for '--mode {SOAK}': no other mode has one")
        require_host(TOOLS)
        for kind in kinds:
            _say(f"torture: {kind} node, {what}")
            torture(kind, records, partial(_trial, arguments, kind, seed, len(kinds)), say)
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


def torture(kind: str, records: list[Record], make: Callable[[Layout, str], Trial], say: Say) -> None:
    """One node; `records` gets its record, which grows. Raises LabError if the node cannot be built."""
    layout = Layout(f"twtor-{kind}", Path(f"/run/terway-edge-torture-{kind}"))
    with Lock(layout):
        guard = Guard(layout)
        try:
            tear_down(layout)
            trial = make(layout, new_token(layout))
            records.append(trial.record)
            trial.run(say)
        finally:
            guard.release()


def _kinds(arguments: argparse.Namespace) -> Sequence[str]:
    """All modes but one are about the agent alone, and an edge node has the fastest."""
    if arguments.mode != RANDOM:
        return (EDGE,)
    return KINDS if arguments.node == "all" else (arguments.node,)


def _what(arguments: argparse.Namespace, seed: int) -> str:
    if arguments.mode == SOAK:
        return f"{SOAK}, {arguments.rate or RATE:g} pods a second"
    return f"seed {seed}" if arguments.mode == RANDOM else str(arguments.mode)


def _positive(text: str) -> float:
    """Raises ArgumentTypeError if it is not a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _count(text: str) -> int:
    """Raises ArgumentTypeError if it is not an integer above 0."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no integer above 0")
    return int(text)


def _trial(arguments: argparse.Namespace, kind: str, seed: int, nodes: int, layout: Layout, token: str) -> Trial:
    """Its time begins now."""
    processes, is_over = Processes(token), _limit(arguments, nodes)
    if arguments.mode == RANDOM:
        node = EdgeNode(layout, processes, token) if kind == EDGE else CloudyNode(kind, layout, processes, token)
        return Ordeal(node, seed, catalogue(kind), is_over, closes=arguments.closing or not arguments.acts)
    wide = WideEdgeNode(layout, processes, token)
    if arguments.mode == LOAD:
        return Load(wide, is_over)
    if arguments.mode == SOAK:
        rate = arguments.rate or RATE
        return Soak(wide, is_over, arguments.acts / rate or 60 * arguments.minutes, rate)
    return Replacement(wide, is_over)


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
