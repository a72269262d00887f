"""Files that are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.core.config_error import ConfigError


def read_documents(path: Path) -> list[Any]:
    """The YAML or JSON documents of a file. Raises ConfigError."""
    try:
        return parse(path.read_bytes().decode("utf-8-sig"), yaml=path.suffix != ".json")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is no UTF-8 text: byte {error.start} is wrong"]) from None
    except DocumentError as error:
        raise ConfigError([f"{path}: {error}"]) from None
