"""How many more pods must be served than can be, by what waits and by the watermarks. Counts only."""

from __future__ import annotations

from dataclasses import dataclass

from terway_edge.eni.records import Held
from terway_edge.eni.state import State, Stock


@dataclass(frozen=True, slots=True)
class Tally:
    """Pods that wait; that could be served at once (`free`), after a cool-down (`cooling`), by calls under way
    (`assigning`), and without another call by ENIs on their way or of a vSwitch that is being read (`making`); that
    can be served at all (`total`); and that could be if the newest list were an old one (`doubted`)."""

    waiting: int
    free: int
    cooling: int
    assigning: int
    making: int
    total: int
    doubted: int

    @property
    def idle(self) -> int:
        return self.free + self.cooling

    @property
    def coming(self) -> int:
        return self.assigning + self.making


def tally(state: State, stock: Stock, assigning: int) -> Tally:
    """Of missing addresses it is known within seconds whether they are gone: until then no pod may be given one, and no
    stock is bought instead."""
    present = [each for each in state.enis.values() if each.is_present]
    held = [each for each in present if state.knows_way(each)]
    awaited = [each for each in present if state.awaits_way(each)]
    return Tally(
        waiting=len(state.waiting),
        free=sum(stock.free.get(each.eni.id, 0) for each in held),
        cooling=sum(stock.cooling.get(each.eni.id, 0) for each in held),
        assigning=assigning,
        making=sum(each.pods(state.shape) for each in state.making.values())
        + sum(each.unused(state.shape, state.used) for each in awaited),
        total=sum(each.pods(state.shape) for each in (*held, *awaited)),
        doubted=sum(_doubted(state, each) for each in state.enis.values()),
    )


def _doubted(state: State, held: Held) -> int:
    barred = held.barred(state.shape) - state.used
    return min(len(barred & addresses) for addresses in held.offer(state.shape).values()) if barred else 0


def shortage(state: State, tally: Tally) -> int:
    """Pods to be served by calls that are not under way yet.

    Who waits needs an address that is free now; the floor is of what is idle beyond that; warming up and the prefix
    count are of all there is.
    """
    shape = state.shape
    wanted = max(
        tally.waiting - tally.free,
        tally.waiting + shape.floor - tally.idle - tally.doubted,
        shape.least - tally.total,
        0 if state.is_warm else state.policy.warm_up_size - tally.total,
    )
    return max(wanted - tally.coming, 0)


def slack(state: State, tally: Tally) -> int:
    """Pods that calls may serve beyond the shortage, because it costs nothing: so many may be idle."""
    after = tally.idle + tally.doubted + tally.coming + shortage(state, tally) - tally.waiting
    return max(state.shape.ceiling - after, 0)


def surplus(state: State, tally: Tally) -> int:
    """Idle addresses above the ceiling; none while anybody waits or the pool warms up."""
    if tally.waiting or not state.is_warm:
        return 0
    return max(min(tally.idle - state.shape.ceiling, tally.total - state.shape.least), 0)
