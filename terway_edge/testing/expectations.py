"""Assertions that speak for themselves: laws run in installed packages, where no test runner rewrites `assert`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from terway_edge.core.errors import EdgeError
from terway_edge.core.plans import HOST, FibRoute, Where
from terway_edge.core.ports import Kernel
from terway_edge.testing.worlds import Picture, World


@contextmanager
def raising(expected: type[EdgeError], what: str) -> Iterator[None]:
    """The block must raise this error and no other."""
    try:
        yield
    except expected:
        return
    except Exception as error:
        raise AssertionError(f"{what} must raise {expected.__name__}, not {type(error).__name__}: {error}") from error
    raise AssertionError(f"{what} must raise {expected.__name__}, but it did not")


def expect_same(before: Picture, after: Picture, what: str) -> None:
    """Two pictures of a world must be equal."""
    if before != after:
        raise AssertionError(f"{what}\nleft behind:{_listed(after - before)}\nmissing:{_listed(before - after)}")


def expect_unchanged(world: World, what: str, act: Callable[[], object]) -> None:
    """The act must leave the world as it is."""
    before = world.picture()
    act()
    expect_same(before, world.picture(), what)


def host_routes(kernel: Kernel, **where: int) -> set[FibRoute]:
    """Routes of the host's namespace; `where` as `plans.Where`."""
    return set(kernel.dump(FibRoute, Where(netns=HOST, **where)))


def _listed(things: Iterable[object]) -> str:
    return "".join(f"\n    {thing}" for thing in sorted(map(str, things))) or " nothing"
