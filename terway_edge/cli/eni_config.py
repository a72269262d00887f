"""`terway-edge config validate FILE` where FILE has Terway's ConfigMaps: what becomes of each key.

A file may hold `eni-config` and the ConfigMaps that nodes name by their label `terway-config`: each of these is shown
as a node with that label sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any

from terway_edge.core.eni_config import ENI, NAME, NODE_LABEL, Reading, read
from terway_edge.core.eni_keys import EniConfig
from terway_edge.core.eni_notes import Effect
from terway_edge.core.errors import Refused
from terway_edge.core.tables import table

Data = Mapping[str, object]
EMPTY: Data = {ENI: "{}"}


def is_eni_config(documents: Sequence[Any]) -> bool:
    """True if one of a file's documents is such a ConfigMap."""
    return any(_config_maps(documents))


def validate(documents: Sequence[Any], *, as_json: bool = False) -> int:
    """Print the notes on each key; 1 if one is wrong."""
    readings = dict(_readings(dict(_config_maps(documents))))
    text = json.dumps(_as_json(readings), indent=2) if as_json else "\n\n".join(starmap(_as_text, readings.items()))
    print(text)
    return int(any(note.effect is Effect.WRONG for reading in readings.values() for note in reading.notes))


def config_in(documents: Sequence[Any]) -> EniConfig:
    """The configuration of nodes that have no label of their own. Raises Refused."""
    data = dict(_config_maps(documents)).get(NAME)
    config = None if data is None else read(data).config
    if config is None:
        raise Refused(f"there is no ConfigMap {NAME} that can be used; 'terway-edge config validate FILE' tells why")
    return config


def _config_maps(documents: Sequence[Any]) -> Iterator[tuple[str, Data]]:
    """(name, data) of each of Terway's."""
    for document in documents:
        if not isinstance(document, dict) or document.get("kind") != "ConfigMap":
            continue
        metadata, data = document.get("metadata"), document.get("data")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if name == NAME or (isinstance(data, dict) and ENI in data):
            yield str(name), {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}


def _readings(found: Mapping[str, Data]) -> Iterator[tuple[str, Reading]]:
    """By title; a node's own ConfigMap alone is read as if the other were empty."""
    if NAME in found:
        yield f"ConfigMap {NAME}", read(found[NAME])
    for name, data in found.items():
        if name != NAME:
            yield f"nodes with {NODE_LABEL}={name}", read(found.get(NAME, EMPTY), data)


def _as_text(title: str, reading: Reading) -> str:
    rows = [[note.key, _word(note.effect), note.message] for note in reading.notes]
    attention = sum(note.effect.needs_attention for note in reading.notes)
    summary = f"{attention} of {len(rows)} need your attention" if attention else "nothing needs your attention"
    if reading.config is None:
        summary += "; an agent refuses this configuration"
    return f"{title}\n\n{table(('key', 'effect', 'what it does here'), rows)}\n\n{summary}"


def _word(effect: Effect) -> str:
    return effect.upper() if effect.needs_attention else effect


def _as_json(readings: Mapping[str, Reading]) -> dict[str, Any]:
    return {
        title: {
            "usable": reading.config is not None,
            "notes": [{"key": n.key, "effect": n.effect, "message": n.message} for n in reading.notes],
        }
        for title, reading in readings.items()
    }
