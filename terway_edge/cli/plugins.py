"""Commands that plugins add: `terway-edge PLUGIN ...`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from terway_edge.core.hookspecs import PROJECT
from terway_edge.core.plugins import find_plugins

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_plugin_commands(commands: Commands) -> None:
    """A command named after each plugin that has the cli hook; the hook fills it."""
    for plugin in find_plugins():
        hook = getattr(plugin.factory, f"{PROJECT}_cli", None)
        if hook is not None:
            hook(commands.add_parser(plugin.info.name, help=f"of plugin {plugin.info.name}"))
