"""What `kubectl apply -k deploy/` gives agents and control plane: BGPPeer, ServiceAccounts and their roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from terway_edge.lab import clouds
from terway_edge.lab.errors import LabError
from terway_edge.lab.hosts import Host

DIRECTORY = Path(__file__).parents[2] / "deploy"
FILES = (
    "crds/bgppeers.yaml",
    "base/access.yaml",
    "base/controlplane-access.yaml",
    "agents/edge-access/access.yaml",
    "agents/eni-access/access.yaml",
)
NAMESPACE = "kube-system"
EDGE, ENI, CONTROL_PLANE = "terway-edge", "terway-edge-eni", "terway-edge-controlplane"
"""ServiceAccounts."""


def objects() -> list[dict[str, Any]]:
    """As they are in their files, to which nothing is added on the way. Raises LabError."""
    try:
        return [each for name in FILES for each in yaml.safe_load_all((DIRECTORY / name).read_text())]
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is missing: --api works from a checkout of the repository only") from error


def service_account(node: Host) -> str:
    """Of a node's agent."""
    return ENI if node.domain in (clouds.CLOUD, clouds.ENS) else EDGE
