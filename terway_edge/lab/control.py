"""Questions to the lab's own helpers: a line of JSON to a socket, and one back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terway_edge.lab.errors import LabError
from terway_edge.lab.routers import connect


def ask(name: str, socket: Path, question: Mapping[str, Any], log: str) -> dict[str, Any]:
    """:param name: who is asked, for the message of the LabError that is raised if there is no answer
    :param log: what the LabError names to look at
    """
    try:
        with connect(socket) as connection, connection.makefile("rwb") as stream:
            stream.write(json.dumps(question).encode() + b"\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise LabError(f"{name} does not answer: {error}", look_at=log) from error
    return answer
