"""What is particular to ENS: the node's identity is a label."""

from __future__ import annotations

from terway_edge.core.cloud import Api
from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.core.selection import ENS_INSTANCE
from terway_edge.eni.backend import EniBackend


class EnsEni(EniBackend):
    """ENIs are bound by an operator; the pool gets addresses for them, up to what each takes."""

    name = "ens_eni"
    api = Api.ENS

    def instance_id(self, node: Node, deadline: float) -> str:
        found = node.labels.get(ENS_INSTANCE, "")
        if not found:
            raise Refused(f"node {node.name} has no label {ENS_INSTANCE}; set it to the id of its ENS instance")
        return found
