from __future__ import annotations

import pytest

from terway_edge.testing.openapi.example import example_site
from tests.cloud.rig import Time, World


@pytest.fixture
def time_():
    return Time()


@pytest.fixture
def site():
    return example_site()


@pytest.fixture
def world(site):
    world = World(site)
    yield world
    world.close()
    assert world.emulator.violations() == []
