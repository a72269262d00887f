"""`terway-edge`: the agent, what operators ask it, and the lab."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from terway_edge.cli.options import add_config_option, settings_of
from terway_edge.core.errors import EdgeError

COMMANDS = (
    "agent",
    "prepare",
    "status",
    "leases",
    "plugins",
    "routes",
    "config",
    "plan",
    "maxpods",
    "uninstall",
    "controlplane",
    "lab",
    "emulator",
    "torture",
)


def build_parser(
    *,
    with_lab: bool = False,
    with_plan: bool = False,
    with_maxpods: bool = False,
    with_emulator: bool = False,
    with_torture: bool = False,
    with_plugins: bool = False,
) -> argparse.ArgumentParser:
    """Every command with its options; each sets `run`, a function of the parsed arguments giving the exit status.

    The options of lab, plan, maxpods, emulator and torture and the plugins' commands are in modules that no other
    command need import.
    """
    parser = argparse.ArgumentParser(
        prog="terway-edge", description="Underlay addresses for pods, at the edge and in the cloud."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    agent = commands.add_parser("agent", help="be this node's agent until SIGTERM")
    add_config_option(agent)
    agent.set_defaults(run=_agent)

    prepare = commands.add_parser("prepare", help="make the agent's directories and install the shim, for containers")
    add_config_option(prepare)
    prepare.set_defaults(run=_prepare)

    for name, text in (
        ("status", "what the agent sees, serves and complains about"),
        ("leases", "which pod has which address"),
        ("plugins", "plugins found, their hooks, and why one is not used"),
    ):
        command = commands.add_parser(name, help=text)
        _query_options(command)
        command.set_defaults(run=_query, query=name)

    routes = commands.add_parser("routes", help="routes wanted and routes the kernel has")
    routes.add_argument("--diff", action="store_true", help="only those that differ; exit status 1 if any does")
    _query_options(routes)
    routes.set_defaults(run=_query, query="routes")

    config = commands.add_parser("config", help="schema, validate or show the configuration")
    config.add_argument("what", choices=("schema", "validate", "show"))
    config.add_argument("file", nargs="?", type=Path, metavar="FILE", help="validate: Terway's ConfigMap instead")
    config.add_argument("--running", action="store_true", help="show: what the running agent uses")
    config.add_argument("--json", action="store_true", help="validate FILE: one JSON object instead of a table")
    add_config_option(config)
    config.set_defaults(run=_config)

    plan = commands.add_parser("plan", help="check a cluster's CIDRs, count what fits, and print who needs which route")
    plan.set_defaults(run=_plan)
    if with_plan:
        from terway_edge.cli.plan import add_arguments as add_plan_arguments

        add_plan_arguments(plan)

    maxpods = commands.add_parser("maxpods", help="how many pods kubelet may have on this instance of the cloud")
    maxpods.set_defaults(run=_maxpods)
    if with_maxpods:
        from terway_edge.cli.maxpods import add_arguments as add_maxpods_arguments

        add_maxpods_arguments(maxpods)

    uninstall = commands.add_parser("uninstall", help="remove everything of ours from this node, and nothing else")
    add_config_option(uninstall)
    uninstall.set_defaults(run=_uninstall)

    controlplane = commands.add_parser("controlplane", help="do what the cluster needs once, if no other copy does")
    add_config_option(controlplane)
    controlplane.set_defaults(run=_controlplane)

    lab = commands.add_parser("lab", help="every kind of node in network namespaces, with real agents and pods")
    lab.set_defaults(run=_lab)
    if with_lab:
        from terway_edge.lab.command import add_arguments

        add_arguments(lab)
    emulator = commands.add_parser("emulator", help="a local stand-in for the cloud's API, for tests of backends")
    emulator.set_defaults(run=_emulator)
    if with_emulator:
        from terway_edge.cli.emulator import add_arguments as add_emulator_arguments

        add_emulator_arguments(emulator)
    torture = commands.add_parser("torture", help="break agents in every way there is, and see whether all gets well")
    torture.set_defaults(run=_torture)
    if with_torture:
        from terway_edge.torture.command import add_arguments as add_torture_arguments

        add_torture_arguments(torture)
    if with_plugins:
        from terway_edge.cli.plugins import add_plugin_commands

        add_plugin_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what goes wrong is one line on stderr and exit status 1 (2 for wrong usage)."""
    words = sys.argv[1:] if argv is None else argv
    first = next(iter(words), "")
    if first in COMMANDS:
        parser = build_parser(
            with_lab=first == "lab",
            with_plan=first == "plan",
            with_maxpods=first == "maxpods",
            with_emulator=first == "emulator",
            with_torture=first == "torture",
        )
        arguments = parser.parse_args(words)
    else:
        from terway_edge.cli.plugins import parse

        arguments = parse(build_parser(with_plugins=True), words)
    try:
        return int(arguments.run(arguments))
    except EdgeError as error:
        details = f"\n{error.details}" if error.details else ""
        print(f"terway-edge: {error}{details}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"terway-edge: {_explain(error)}", file=sys.stderr)
        return 1


def _explain(error: OSError) -> str:
    """PATH: REASON, as far as the kernel told."""
    reason = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason}{'; run it as root?' if isinstance(error, PermissionError) else ''}"


def _query_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def _agent(arguments: argparse.Namespace) -> int:
    from terway_edge.agent.logs import set_up
    from terway_edge.agent.process import run

    settings = settings_of(arguments)
    set_up(settings.log.level, settings.log.format)
    return run(settings)


def _prepare(arguments: argparse.Namespace) -> int:
    from terway_edge.agent.preparing import prepare_node

    for line in prepare_node(settings_of(arguments)):
        print(line)
    return 0


def _query(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.queries import run

    return run(arguments)


def _config(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.config import run

    return run(arguments)


def _plan(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.plan import run

    return run(arguments)


def _maxpods(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.maxpods import run

    return run(arguments)


def _uninstall(arguments: argparse.Namespace) -> int:
    from terway_edge.agent.uninstall import uninstall_node

    is_done = True
    for line in uninstall_node(settings_of(arguments)):
        print(line.text, file=sys.stdout if line.is_done else sys.stderr)
        is_done &= line.is_done
    return 0 if is_done else 1


def _controlplane(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.controlplane import run

    return run(arguments)


def _emulator(arguments: argparse.Namespace) -> int:
    from terway_edge.cli.emulator import run

    return run(arguments)


def _torture(arguments: argparse.Namespace) -> int:
    from terway_edge.torture.command import run

    return run(arguments)


def _lab(arguments: argparse.Namespace) -> int:
    from terway_edge.lab.command import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
