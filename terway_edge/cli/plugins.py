"""Commands that plugins add: `terway-edge PLUGIN ...`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from terway_edge.cli.options import add_config_option, settings_of
from terway_edge.cli.queries import ask
from terway_edge.core.hookspecs import PROJECT
from terway_edge.core.plugins import find_plugins

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_plugin_commands(commands: Commands) -> None:
    """A command named after each plugin that has the cli hook; the hook fills it."""
    for plugin in find_plugins():
        hook = getattr(plugin.factory, f"{PROJECT}_cli", None)
        if hook is not None:
            name = plugin.info.name
            parser = commands.add_parser(name, help=f"questions to the plugin {name} of this node's agent")
            add_config_option(parser)
            hook(parser)


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a plugin's command, with `ask`. `--config` may stand anywhere: the plugin's own parsers, however
    many there are, need not know it."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_config_option(first)
    known, rest = first.parse_known_args(words)
    arguments = parser.parse_args(rest)
    arguments.config = known.config

    def ask_plugin(question: Sequence[str]) -> dict[str, Any]:
        return ask(settings_of(known), " ".join((rest[0], *question)))

    arguments.ask = ask_plugin
    return arguments
