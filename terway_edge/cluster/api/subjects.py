"""Which object of the API the subject of an event or a condition stands for. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_SUBJECT = re.compile(r"(?P<kind>Node|BGPPeer)/(?P<name>[a-z0-9][a-z0-9.-]*)(?:: (?P<field>.*))?", re.DOTALL)


class Involved(NamedTuple):
    """What an event is about, and what its message begins with."""

    kind: str
    name: str
    prefix: str = ""


def involved(subject: str, node: str) -> Involved:
    """The object that a subject names; anything else is something of this node."""
    if match := _SUBJECT.fullmatch(subject):
        field = match["field"]
        return Involved(match["kind"], match["name"], f"{field}: " if field else "")
    if subject == node:
        return Involved("Node", node)
    return Involved("Node", node, f"{subject}: ")
