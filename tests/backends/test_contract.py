"""The built-in backend keeps every law: in memory, and on Linux in namespaces of its own."""

from __future__ import annotations

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.pytest_contract import BackendContract


class TestFlannelRoute(BackendContract):
    name = "flannel_route"
    backend = FlannelRoute
    programs_routes = True


@pytest.mark.root
class TestFlannelRouteOnLinux(TestFlannelRoute):
    world = NetnsWorld
