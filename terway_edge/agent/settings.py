"""Settings from a YAML or JSON file and the environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.core.config import Settings, load
from terway_edge.core.config_error import ConfigError
from terway_edge.core.environment import PREFIX as VARIABLES

DEFAULT_PATH = Path("/etc/terway-edge/config.yaml")


def read(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings; raises ConfigError with one line per mistake.

    :param path: the file, or None for DEFAULT_PATH, which alone may be missing: then all is default.
    """
    mapping = _mapping(DEFAULT_PATH, optional=True) if path is None else _mapping(path)
    try:
        return load(mapping, environ, socket.gethostname())
    except ConfigError as error:
        file = path or DEFAULT_PATH
        raise ConfigError([x if x.startswith(VARIABLES) else f"{file}: {x}" for x in error.lines]) from None


def _mapping(path: Path, *, optional: bool = False) -> Mapping[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        documents = parse(text, yaml=path.suffix != ".json")
    except FileNotFoundError as error:
        if optional:
            return {}
        raise ConfigError([f"{path}: {error.strerror}; create it, or name another file with --config"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is no UTF-8 text: byte {error.start} is wrong"]) from None
    except DocumentError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    if not documents:
        return {}
    if len(documents) > 1:
        raise ConfigError([f"{path}: holds {len(documents)} documents, expected one; remove the '---' between them"])
    if not isinstance(documents[0], dict):
        raise ConfigError([f"{path}: expected a mapping of keys to values; got {type(documents[0]).__name__}"])
    return documents[0]
