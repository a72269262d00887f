"""What the tests of flannel_route share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.config import Settings
from terway_edge.core.models import NodeView, Selection
from terway_edge.core.plans import PROTO, FibRoute, Where
from terway_edge.testing.contract import at_work
from terway_edge.testing.harness import Harness

NAME = "flannel_route"


def working(**settings: object) -> AbstractContextManager[Harness]:
    return at_work(NAME, FlannelRoute, settings=Settings.model_validate({"node_name": "node-a", **settings}))


def deselected(view: NodeView) -> NodeView:
    """The node belongs to another backend and another advertiser."""
    return replace(view, selection=Selection("another", ("another",)))


def via_routes(harness: Harness) -> set[FibRoute]:
    return {route for route in harness.kernel.dump(FibRoute, Where(proto=PROTO)) if route.via is not None}
