"""The lab with a third party's backend: the last node belongs to a node pool that the package `example` serves."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from terway_edge.lab.agents import Agent
from terway_edge.lab.cluster import POOL, POOL_LABEL
from terway_edge.lab.errors import LabError

BACKEND = "example"
EXAMPLE_POOL = "np-example"
EXAMPLES = Path(__file__).parents[2] / "examples"


def node_pools() -> list[dict[str, Any]]:
    """The node-pool rule that every node of the lab is configured with."""
    return [
        {
            "selector": f"{POOL_LABEL}={EXAMPLE_POOL}",
            "backend": BACKEND,
            "advertisers": ["flannel_route"],
            "lan": POOL,
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
