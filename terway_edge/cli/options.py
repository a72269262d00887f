"""What several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terway_edge.core.config import Settings


def add_config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings, YAML or JSON (default /etc/terway-edge/config.yaml)"
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of the file named and the environment. Raises ConfigError."""
    from terway_edge.agent.settings import read

    return read(arguments.config, os.environ)
