from __future__ import annotations

from contextlib import ExitStack

import pytest

from terway_edge.testing.openapi.example import example_site
from tests.cloud.rig import Time, World, transport


@pytest.fixture
def time_():
    return Time()


@pytest.fixture
def site():
    return example_site()


@pytest.fixture
def closing():
    """What is closed at the end of a test, whatever happens; an open connection would keep its server's thread."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def new_world(closing):
    def make(site, **settings) -> World:
        return closing.enter_context(World(site, **settings))

    return make


@pytest.fixture
def new_sender(closing):
    def make(*arguments, **settings):
        sender = transport(*arguments, **settings)
        closing.callback(sender.close)
        return sender

    return make


@pytest.fixture
def world(new_world, site):
    return new_world(site)
