"""The laws as a pytest class: subclass it, name the backend, done. The only module of the kit that needs pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest

from terway_edge.core.config import Settings
from terway_edge.testing.contract import Law, at_work, laws
from terway_edge.testing.harness import Factory, Harness
from terway_edge.testing.worlds import FakeWorld, World


class BackendContract:
    """One test for each law. What a plugin can do is declared here, never found out by trying."""

    name: ClassVar[str]
    """The plugin's entry-point name, which its leases carry."""
    backend: ClassVar[Factory]
    """The plugin's class."""
    serves_pods: ClassVar[bool] = True
    """It implements allocate, attach, check, detach and release."""
    programs_routes: ClassVar[bool] = False
    """It implements advertise and report, and its routes are the kernel's."""
    world: ClassVar[Callable[[], World]] = FakeWorld
    """FakeWorld, or `netns_world.NetnsWorld` for the same laws on Linux (needs root)."""
    settings: ClassVar[Settings | None] = None
    """What the plugin is configured with; None for the defaults."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "law" in metafunc.fixturenames:
            chosen = laws(serves_pods=self.serves_pods, programs_routes=self.programs_routes)
            metafunc.parametrize("law", chosen, ids=[law.__name__ for law in chosen])

    @pytest.fixture
    def harness(self) -> Iterator[Harness]:
        """The plugin at work; for tests of its own too."""
        own = type(self)
        with at_work(
            own.name, own.backend, world=own.world, serves_pods=own.serves_pods, settings=own.settings
        ) as harness:
            yield harness

    def test_law(self, law: Law, harness: Harness) -> None:
        law(harness)
