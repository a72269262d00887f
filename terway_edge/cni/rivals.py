"""CNI configurations of others that come before ours, and whether a runtime can read them.

What counts as readable is libcni's (`NetworkConfFromBytes`, `NetworkPluginConfFromBytes`). containerd stops at the
first file that it cannot read and has no network then; CRI-O passes over it.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

LIMIT = 1 << 20  # bytes; nobody's configuration is longer


class Rival(NamedTuple):
    """A configuration that comes before ours; `problem` says why no runtime can read it, empty if one can."""

    path: Path
    problem: str


def read_rival(path: Path) -> Rival:
    """Look at one; never raises and never waits, whatever the file is."""
    try:
        return Rival(path, _problem(path.suffix, _content(path)))
    except OSError as error:
        return Rival(path, f"cannot be read: {error.strerror}")


def _content(path: Path) -> bytes | None:
    """None if it is no file, or longer than LIMIT."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo must not hold us up
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        return file.read(LIMIT) if stat.S_ISREG(status.st_mode) and status.st_size <= LIMIT else None


def _problem(suffix: str, content: bytes | None) -> str:
    if content is None:
        return f"is no file of at most {LIMIT} bytes"
    try:
        # As Go reads it: UTF-8 without a byte order mark, what is no UTF-8 is let pass, and no number is NaN.
        conf: Any = json.loads(content.decode(errors="replace"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    if not isinstance(conf, dict):
        return "is no JSON object"
    return _list_problem(conf) if suffix == ".conflist" else _plugin_problem(conf)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no value")


def _list_problem(conf: dict[str, Any]) -> str:
    plugins = conf.get("plugins")
    if not isinstance(conf.get("name"), str) or not conf["name"]:
        return "has no name"
    if not isinstance(plugins, list) or not plugins:
        return "has no plugins"
    return next(filter(None, map(_plugin_problem, plugins)), "")


def _plugin_problem(plugin: object) -> str:
    named = isinstance(plugin, dict) and isinstance(plugin.get("type"), str) and plugin["type"]
    return "" if named else "names no plugin by its type"
