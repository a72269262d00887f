"""Proof that a law has teeth: the sound backend keeps it, the faulty one does not, in memory and on Linux."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.errors import EdgeError
from terway_edge.testing.contract import at_work, laws
from terway_edge.testing.harness import Harness
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.worlds import FakeWorld
from tests.backends.flannel_node import working

LAWS = {law.__name__: law for law in laws(programs_routes=True)}


@pytest.fixture(params=[FakeWorld, pytest.param(NetnsWorld, marks=pytest.mark.root)])
def breaks(request: pytest.FixtureRequest) -> Callable[[str, type[FlannelRoute]], None]:
    """Assert that a fault breaks a law, in so many words, and that nothing else does."""

    def run(law: str, backend: type[FlannelRoute]) -> None:
        with at_work("flannel_route", backend, world=request.param) as harness:
            LAWS[law](harness)

    def expect(law: str, fault: type[FlannelRoute]) -> None:
        run(law, FlannelRoute)
        with pytest.raises((AssertionError, EdgeError)) as caught:
            run(law, fault)
        assert str(caught.value), "a broken law says what is wrong"

    return expect


@pytest.fixture
def harness() -> Iterator[Harness]:
    with working() as made:
        yield made
