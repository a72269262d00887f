"""A place for speakers and switches in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from terway_edge.testing.bgp_switch import FakeSwitch
from tests.bgp.nodes import OURS, BgpNode
from tests.bgp.scenes import Scene


@pytest.fixture
def world() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


@pytest.fixture
def node_(world: Scene, tmp_path: Path) -> BgpNode:
    """Node n1 of a LAN with three."""
    return BgpNode(world, tmp_path)


@pytest.fixture
def switch(world: Scene) -> FakeSwitch:
    """The switch of `node_`."""
    return world.switch(OURS)
