"""The JSON texts in Terway's ConfigMaps, as objects. No message repeats what stands in one: it may be a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from terway_edge.core.eni_notes import Effect

Document = Mapping[str, Any]

PLUGIN = "terway"
CHAINED: Mapping[str, tuple[Effect, str]] = {
    "cilium-cni": (Effect.NOT_DONE, "there is no Cilium here"),
    "portmap": (Effect.WITHOUT_EFFECT, "the agent serves hostPort itself"),
}
"""What is said of plugins beside Terway's."""


def parse_document(text: object) -> Document:
    """The object that a JSON text is. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("expected a JSON object as one text; in YAML, write | after the key and indent the lines")
    try:
        document = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object, {...}")
    return document


def own_plugin(conflist: Document) -> Document:
    """Terway's plugin in a list of plugins, {} if it is not there. Raises ValueError."""
    return next((plugin for plugin in _plugins(conflist) if plugin.get("type") == PLUGIN), {})


def other_plugins(conflist: Document) -> list[str]:
    """Types of the plugins beside Terway's. Raises ValueError."""
    return [str(plugin.get("type", "")) for plugin in _plugins(conflist) if plugin.get("type") != PLUGIN]


def _plugins(conflist: Document) -> Sequence[Document]:
    plugins = conflist.get("plugins", [])
    if not isinstance(plugins, list) or not all(isinstance(plugin, dict) for plugin in plugins):
        raise ValueError("expected a list of plugins, each an object")
    return plugins


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"is no JSON: it has no number {text}")
