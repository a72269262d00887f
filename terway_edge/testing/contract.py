"""The laws that every backend keeps, as plain functions of a `Harness`: no test runner is needed.

    for law in laws(programs_routes=True):
        with at_work("mine", MyBackend) as harness:
            law(harness)

`terway_edge.testing.pytest_contract.BackendContract` makes a pytest class of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from terway_edge.core.config import Settings
from terway_edge.testing.contract_addresses import ADDRESS_LAWS
from terway_edge.testing.contract_pods import POD_LAWS
from terway_edge.testing.contract_routes import ROUTE_LAWS
from terway_edge.testing.harness import Factory, Harness
from terway_edge.testing.worlds import FakeWorld, World

Law = Callable[[Harness], None]
"""Raises AssertionError, with a sentence, if the backend breaks it. The function's name is the law."""


def laws(*, serves_pods: bool = True, programs_routes: bool = False) -> tuple[Law, ...]:
    """The laws for a plugin of these capabilities.

    :param serves_pods: it implements allocate, attach, check, detach and release.
    :param programs_routes: it implements advertise and report, and its routes are the kernel's.
    """
    return (*(ADDRESS_LAWS + POD_LAWS if serves_pods else ()), *(ROUTE_LAWS if programs_routes else ()))


@contextmanager
def at_work(
    name: str,
    factory: Factory,
    *,
    world: Callable[[], World] = FakeWorld,
    serves_pods: bool = True,
    settings: Settings | None = None,
) -> Iterator[Harness]:
    """A started plugin in a world of its own; both are gone afterwards."""
    place = world()
    try:
        harness = Harness(place, name, factory, serves_pods=serves_pods, settings=settings)
        try:
            yield harness
        finally:
            harness.close()
    finally:
        place.close()
