"""Conditions of Nodes that more than one process of ours writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NETWORK_UNAVAILABLE: Final = "NetworkUnavailable"
"""While it is True the cluster sends no new pods to the node: the controller-manager makes a taint of it."""
SERVING, SILENT = "TerwayEdgeServes", "TerwayEdgeAgentSilent"
"""Reasons: of False, by the agent; of True, by the control plane."""


def network_serving() -> Mapping[str, str]:
    """`value` of a `ports.StatusEntry`: the agent gives new pods a network."""
    message = "terway-edge gives pods of this node their network"
    return {"type": NETWORK_UNAVAILABLE, "status": "False", "reason": SERVING, "message": message}


def network_silent(message: str) -> Mapping[str, str]:
    return {"type": NETWORK_UNAVAILABLE, "status": "True", "reason": SILENT, "message": message}
