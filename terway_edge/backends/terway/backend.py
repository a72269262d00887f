"""What is particular to ECS: the node's identity is in its Node object, or else in the instance's metadata."""

from __future__ import annotations

from terway_edge.core.cloud import Api
from terway_edge.core.models import Node
from terway_edge.eni.backend import EniBackend


class Terway(EniBackend):
    """ENIs are attached and given back as pods need them."""

    name = "terway"
    api = Api.ECS

    def instance_id(self, node: Node, deadline: float) -> str:
        """Of `spec.providerID`, which is `region.instance-id`."""
        _, _, id = node.provider_id.rpartition(".")
        return id or self._context.clouds.metadata().instance(deadline).id
