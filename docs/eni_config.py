"""Renders the reference page on Terway's ConfigMap from the tables that read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from terway_edge.core.eni_config import CNI, CONFLIST, NODE_LABEL, UNSAFE
from terway_edge.core.eni_documents import CHAINED
from terway_edge.core.eni_keys import CniConf, EniConf, Part
from terway_edge.core.eni_names import ACTIONS
from terway_edge.core.eni_unused import CNI_CONF, DATA, ENI_CONF, Unused
from terway_edge.eni.following import FIXED

WAITS = "\n".join(f"| `{key}` | {what} |" for key, what in FIXED.items())
HEAD = f"""\
# Terway's ConfigMap

`eni-config` in namespace `kube-system` is read as Terway reads it, so that cloud and ENS node pools keep their
configuration. A node labelled `{NODE_LABEL}=NAME` has the `eni_conf` of the ConfigMap `NAME` merged over it (JSON Merge
Patch, RFC 7396). A change is followed within a minute; vSwitches, security groups and tags concern ENIs that are made
later. A change that is wrong is not followed at all: what was so before stays in force, and the condition `ConfigWrong`
says what to mend. These keys wait, and `ConfigWaits` says for what:

| key | what makes a change count |
|---|---|
{WAITS}

`terway-edge config validate FILE`, where FILE is the ConfigMap's manifest, says of each key in it what it does here:

| word | meaning | exit status |
|---|---|---|
| honoured | it does what the message says | 0 |
| without effect | nothing is lost by that | 0 |
| NOT DONE | it asks for something that this product does not do | 0 |
| UNKNOWN | Terway does not know it either; left alone, with the nearest known key | 0 |
| WRONG | the message says what was expected; the key counts as absent | 1 |

A key that is null or an empty text counts as absent. A wrong key does not stop the agent, with these exceptions, where
its absence would be dangerous:

| wrong | danger |
|---|---|
| `eni_conf` as a whole | it is not known which network pods are in |
"""
NAMES_HEAD = (
    "A duration is a text such as `120s` or `1h30m`. Names in `rate_limit`, beside the empty one for all others:"
)
COLUMNS = "| key | type | default | here | meaning |\n|---|---|---|---|---|"


def eni_config_page() -> str:
    unsafe = "\n".join(f"| `{key}` | {why} |" for key, why in UNSAFE.items())
    parts = [
        HEAD + unsafe,
        f"## The ConfigMap's keys\n\n{_documents()}{_unused_rows(DATA)}",
        f"## `eni_conf`\n\n{_keys(EniConf, ENI_CONF)}",
        NAMES_HEAD,
        ", ".join(f"`{name}`" for name in ACTIONS) + ".",
        f"## `{CNI}`\n\n{_keys(CniConf, CNI_CONF)}",
        f"In `{CONFLIST}` the plugin of type `terway` has these keys. Of the others:",
        "\n".join(f"- `{name}`: {message}" for name, (_, message) in CHAINED.items())
        + "\n- any other is not chained after the agent's plugin",
        "Generated from `terway_edge/core/eni_keys.py` and `eni_unused.py`.",
    ]
    return "\n\n".join(parts) + "\n"


def _documents() -> str:
    rows = [
        ("eni_conf", "JSON object", "needed", "honoured", "vSwitches, security groups and the pool, below"),
        (CNI, "JSON object", "{}", "honoured", "Terway's CNI plugin, below"),
        (CONFLIST, "JSON object", "", "honoured", f"a list of plugins; where it is set, {CNI} has no effect"),
    ]
    return "\n".join((COLUMNS, *(_row(*row) for row in rows), ""))


def _keys(model: type[Part], unused: Mapping[str, Unused]) -> str:
    schema = model.model_json_schema()
    rows = [
        _row(key, _type(field), _default(field), "honoured", field["description"])
        for key, field in schema["properties"].items()
    ]
    return "\n".join((COLUMNS, *rows, _unused_rows(unused)))


def _unused_rows(unused: Mapping[str, Unused]) -> str:
    return "\n".join(_row(key, entry.kind, entry.default, entry.here, entry.about) for key, entry in unused.items())


def _row(key: str, kind: str, default: str, here: str, meaning: str) -> str:
    shown = default if default in ("", "needed") else f"`{default}`"
    return f"| `{key}` | {kind} | {shown} | {here} | {meaning} |"


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return _type(field["anyOf"][0])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("format") == "duration":
        return "duration"
    return "text" if field.get("type") == "string" else field.get("type", "object")


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or (default == [] and field.get("type") == "string"):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, dict):
        return json.dumps(default)
    return f"{default:g}s" if field.get("format") == "duration" else str(default)
