"""How long the parts that speak with the API wait, in seconds; tests take less."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """`jitter` makes of a pause one that differs between nodes, so that a thousand do not ask at the same moment."""

    idle: float = 150.0
    """Silence after which a watch is dead: bookmarks come every minute."""
    watch_least: int = 300
    watch_most: int = 600
    relist: float = 3600.0
    """Between whole listings: a watch at a version from the future, of a restored etcd, is silent for ever."""
    list_gap: float = 5.0
    """Between the beginnings of two listings of a resource, whatever happens."""
    spread: float = 10.0
    """Within so long after a 410 a listing begins, each node's at a moment of its own: an API server that lost what it
    remembered says it to all of them at once. Twice as long after the next 410, and so on up to `longest_spread`."""
    longest_spread: float = 120.0
    short_lived: float = 5.0
    """A watch that ended earlier, and told nothing, has failed."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    absent: float = 60.0
    """Until a resource is asked for again that the cluster does not have, or does not let us see."""
    longest_retry_after: float = 300.0
    request: float = 30.0
    write: float = 10.0
    """For a request that changes something, behind which others wait; for a Secret, which news wait for."""
    connect: float = 5.0
    poll: float = 60.0
    """Between looks at a Secret."""
    grace: float = 10.0
    """Until an API server that is away is told as a condition."""
    gather: float = 0.1
    """Between two looks at a watch that had news: what comes meanwhile is read at once, which costs a third."""
    coalesce: float = 0.01
    """Changes within this time make one snapshot."""
    cache: float = 5.0
    """Between two writes of a file of the cache: flash wears out."""
    rewrite: float = 2.0
    """Between two writes of the same status entry, condition or annotation."""
    flush: float = 3.0
    """For the last writes, at the end."""
    with_cache: float = 1.0
    without_cache: float = 5.0
    """How long the agent's start waits for the API, with and without a usable cache."""

    def jitter(self, pause: float) -> float:
        return pause * random.uniform(0.8, 1.2)

    def wait(self, pause: float, asked: float) -> float:
        """A pause of one's own, but never shorter than what the server asked for, within reason."""
        return max(self.jitter(pause), min(asked, self.longest_retry_after) * random.uniform(1.0, 1.2))
