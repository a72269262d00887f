"""Names of fields in messages: `spec.localSpeakers[1]`."""

from __future__ import annotations


def child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def keyed(path: str, key: str) -> str:
    return f"{path}[{key}]"


def item(path: str, index: int) -> str:
    return f"{path}[{index}]"
