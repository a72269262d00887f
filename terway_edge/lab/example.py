"""The lab with a third party's backend: the package `example` serves the nodes that bear a label."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from terway_edge.lab.agents import Agent
from terway_edge.lab.errors import LabError

BACKEND = "example"
LABELS = {"lab.terway-edge.invalid/backend": BACKEND}
"""Of the node that the backend serves."""
EXAMPLES = Path(__file__).parents[2] / "examples"


def node_pools() -> list[dict[str, Any]]:
    """The node-pool rule that every node of the lab is configured with."""
    return [
        {
            "selector": ",".join(f"{label}={value}" for label, value in LABELS.items()),
            "backend": BACKEND,
            "advertisers": ["flannel_route", "bgp"],
        }
    ]


def require_installed() -> None:
    """Raises LabError with the command that installs the package, if it is not there."""
    if entry_points(group="terway_edge.backends", name=BACKEND):
        return
    sources = [str(path.parent) for path in sorted(EXAMPLES.glob("*/pyproject.toml"))]
    source = sources[0] if sources else "PACKAGE"
    raise LabError(f"no backend '{BACKEND}' is installed; run: {sys.executable} -m pip install --no-deps {source}")


def require_serving(agent: Agent) -> None:
    """Raises LabError unless the agent has loaded the backend and gives its pods to it."""
    plugins, backend = agent.plugins(), agent.backend()
    if BACKEND not in plugins or backend != BACKEND:
        raise LabError(
            f"the agent of {agent.node.name} has loaded {', '.join(plugins)} and serves pods by {backend}, "
            f"not by {BACKEND}",
            look_at=str(agent.log),
        )
