"""`terway-edge lab`: the command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import get_args

from terway_edge.lab import frr
from terway_edge.lab.errors import LabError
from terway_edge.lab.fabric import Kind
from terway_edge.lab.guard import Guard
from terway_edge.lab.lab import Lab, Options
from terway_edge.lab.layout import Layout
from terway_edge.lab.lock import Lock
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.report import as_json, tables, verdict
from terway_edge.lab.steps import Steps
from terway_edge.lab.teardown import remove_root, tear_down

TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "ping": "iputils-ping",
    "nsenter": "util-linux",
    str(frr.DAEMONS / "bgpd"): "frr",
    "bird": "bird2",
}
MAX_PODS = 30
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--keep", action="store_true", help="leave everything up at the end, for exploring")
    what.add_argument("--down", action="store_true", help="only remove what an earlier lab left up")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, the tables on stderr")
    parser.add_argument("--example", action="store_true", help="let the example backend serve a node")
    parser.add_argument(
        "--switch", choices=get_args(Kind), default="frr", help="whose BGP the switches run (default frr)"
    )
    parser.add_argument("--chaos", action="store_true", help="break things at the end, and count what pings lose by it")
    parser.add_argument("--api", action="store_true", help="have the cluster behind the Kubernetes API, of a double")
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="have it behind the API server of this file instead"
    )
    parser.add_argument("--all", action="store_true", help="show all tables, the wide and the long ones too")
    parser.add_argument("--pods", type=_pod_count, default=3, metavar="N", help="pods per node (default 3)")


def run(arguments: argparse.Namespace) -> int:
    """Exit status: 0 if all is as it should be, 1 if not, 2 if the lab cannot run here, 130 if interrupted."""
    layout = Layout()
    # SIGINT too: shells start background jobs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        require_host(TOOLS)
        with Lock(layout):
            if arguments.down:
                return _down(layout)
            return _up(layout, arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        return 2
    except KeyboardInterrupt:  # again, while the guardian was at work: it goes on alone
        return INTERRUPTED


def _down(layout: Layout) -> int:
    print(f"lab: removed {tear_down(layout)}", file=sys.stderr)
    remove_root(layout)
    return 0


def _up(layout: Layout, arguments: argparse.Namespace) -> int:
    outcome = Outcome(Steps(sys.stderr))
    guard = Guard(layout)
    keep = False
    try:
        removed = tear_down(layout)
        if any(removed):
            print(f"lab: removed {removed} of an earlier lab", file=sys.stderr)
        status = _run_lab(layout, arguments, outcome)
        keep = arguments.keep
    except KeyboardInterrupt:
        outcome.interrupted = True
        status = INTERRUPTED
    finally:
        if keep:
            guard.keep()
        else:
            with outcome.steps.step("everything removed"):
                guard.release()
    _print_report(outcome, arguments.json, everything=arguments.all)
    if keep:
        _print_hints(layout, arguments.switch)
        _print_api_hints(layout)
    return status or int(not outcome.ok)


def _run_lab(layout: Layout, arguments: argparse.Namespace, outcome: Outcome) -> int:
    options = Options(
        arguments.pods,
        arguments.keep,
        arguments.example,
        arguments.switch,
        arguments.chaos,
        arguments.api or arguments.kubeconfig is not None,
        arguments.kubeconfig and arguments.kubeconfig.absolute(),
    )
    lab = Lab(layout, options, Processes(new_token(layout)), outcome)
    with suppress(LabError):  # the step in which it happened tells it
        lab.run()
    if outcome.ok:
        return 0
    for path, tail in lab.tails():
        print(f"\nlab: last lines of {path}:\n{tail}", file=sys.stderr)
    if not arguments.keep:
        print("\nlab: all is removed now; run it with --keep to look at the files it names", file=sys.stderr)
    return 1


def _print_report(outcome: Outcome, as_object: bool, *, everything: bool) -> None:
    text = f"{tables(outcome, everything=everything)}\n\n{verdict(outcome)}"
    print(text, file=sys.stderr if as_object else sys.stdout, flush=True)
    if as_object:
        print(as_json(outcome), flush=True)


def _print_hints(layout: Layout, switch: Kind) -> None:
    node, config = layout.netns("node-1"), layout.node_dir("node-1") / "config.yaml"
    router = layout.router_dir("switch-a")
    ask_switch = {
        "frr": f"vtysh --vty_socket {router} -c 'show bgp summary'",
        "bird": f"birdc -s {router}/bird.ctl show protocols",
    }
    print(
        f"""
The lab is up. Look around:
  ip netns exec {node} ip route show proto 158
  ip netns exec {layout.netns("pod-node-1-1")} ip address
  ip netns exec {layout.netns("cloud-1")} ip rule show
  {sys.argv[0]} plan {layout.plan} --for generic
  {sys.argv[0]} status --config {config}
  {sys.argv[0]} bgp peers --config {config}
  {ask_switch[switch]}
  less {layout.node_dir("node-1")}/agent.log
Remove it with: ./dev lab --down""",
        file=sys.stderr,
    )


def _print_api_hints(layout: Layout) -> None:
    if not (kubeconfig := layout.api / "admin.kubeconfig").exists():
        return
    kubectl = f"ip netns exec {layout.netns('control')} kubectl --kubeconfig {kubeconfig}"
    print(f"Be the administrator of the cluster:\n  {kubectl} describe bgppeer peer-a", file=sys.stderr)


def require_host(tools: Mapping[str, str]) -> None:
    """Raises LabError if namespaces cannot be made here, or one of these commands is missing; values are packages."""
    if os.geteuid() != 0:
        raise LabError("network namespaces are made by root only: run it as root")
    missing = sorted(package for tool, package in tools.items() if shutil.which(tool) is None)
    if missing:
        raise LabError(f"commands are missing; install the packages {', '.join(missing)}")


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _pod_count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MAX_PODS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MAX_PODS}, got {text!r}")
    return int(text)
