"""`terway-edge config schema | validate | show`."""

from __future__ import annotations

import argparse
import json

from terway_edge.cli.options import settings_of
from terway_edge.cli.queries import ask
from terway_edge.core.config import schema


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "schema":
        print(json.dumps(schema(), indent=2))
        return 0
    settings = settings_of(arguments)
    if arguments.what == "validate":
        print("the configuration is valid")
    elif arguments.running:
        print(json.dumps(ask(settings, "config"), indent=2))
    else:
        print(settings.model_dump_json(indent=2))
    return 0
