"""A case: an act in all its variants, on which kinds of nodes, and how long until all is well again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.script import Act, Variety

EDGE, CLOUD, ENS = "edge", "cloud", "ens"
KINDS = (EDGE, CLOUD, ENS)
SOON, LATER = 10.0, 30.0
"""Seconds: the promise for what events or a caller tell the agent, and for what it finds by itself."""

Run = Callable[[Kubelet, Act], None]


class Case(NamedTuple):
    """`run` carries it out, and raises LabError if nothing can follow. With `touches` it may cost packets of pods that
    live on; no other case may."""

    run: Run
    variety: Variety = Variety()
    kinds: tuple[str, ...] = KINDS
    limit: float = SOON
    touches: bool = False

    @property
    def is_alone(self) -> bool:
        """Nobody but the agent changes what is the agent's, and nothing keeps it from its work."""
        return not (self.touches or self.variety.is_wild)


def calm(run: Run, *details: str, weight: int = 1, limit: float = SOON, touches: bool = False) -> Case:
    """One that ends no process."""
    return Case(run, Variety(details or ("",), weight), KINDS, limit, touches)


def wild(run: Run, *details: str, weight: int = 1, kinds: tuple[str, ...] = KINDS, limit: float = LATER) -> Case:
    return Case(run, Variety(details or ("",), weight, is_wild=True), kinds, limit)
