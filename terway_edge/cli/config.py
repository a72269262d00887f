"""`terway-edge config schema | validate | show`, and `validate FILE` of Terway's ConfigMap."""

from __future__ import annotations

import argparse
import json

from terway_edge.cli.eni_config import is_eni_config, validate
from terway_edge.cli.files import read_documents
from terway_edge.cli.options import settings_of
from terway_edge.cli.queries import ask
from terway_edge.core.config import schema
from terway_edge.core.errors import Refused


def run(arguments: argparse.Namespace) -> int:
    if arguments.file is not None:
        return _validate_file(arguments)
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


def _validate_file(arguments: argparse.Namespace) -> int:
    if arguments.what != "validate":
        raise Refused(f"config {arguments.what} takes no FILE; name the settings with --config")
    documents = read_documents(arguments.file)
    if not is_eni_config(documents):
        raise Refused(f"{arguments.file} holds no ConfigMap eni-config; for a settings file use --config")
    return validate(documents, as_json=arguments.json)
