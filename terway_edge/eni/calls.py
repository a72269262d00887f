"""Actions as calls of the cloud port."""

from __future__ import annotations

from collections.abc import Callable

from terway_edge.core.cloud import Cloud
from terway_edge.eni.actions import (
    Action,
    Assign,
    Attach,
    Create,
    Delete,
    Detach,
    Look,
    OpenSource,
    Survey,
    Sweep,
    Unassign,
)
from terway_edge.eni.policy import marks
from terway_edge.eni.pool import EniPool

Outcome = Callable[[EniPool, float], None]
"""Tells the pool what happened, and the time when it is told."""


def call(cloud: Cloud, instance: str, action: Action, deadline: float) -> Outcome:
    """Make the call. Raises CloudError."""
    match action:
        case Look():
            enis = cloud.enis_of(instance, deadline)
            return lambda pool, now: pool.looked(action, enis, now)
        case Sweep():
            found = cloud.find_enis(deadline, tags=marks(instance))
            return lambda pool, now: pool.swept(action, found, now)
        case Survey():
            vswitches = cloud.vswitches(action.ids, deadline)
            return lambda pool, now: pool.surveyed(action, vswitches, now)
        case Create():
            made = cloud.create_eni(action.wish, deadline)
            return lambda pool, _: pool.created(action, made)
        case Assign():
            items = cloud.assign(action.wish, deadline)
            return lambda pool, now: pool.assigned(action, items, now)
        case Attach():
            cloud.attach(action.eni, instance, deadline)
            return lambda pool, now: pool.attached(action, now)
        case Unassign():
            cloud.unassign(action.eni, action.items, deadline)
            return lambda pool, now: pool.unassigned(action, now)
        case Detach():
            cloud.detach(action.eni, instance, deadline)
            return lambda pool, now: pool.detached(action, now)
        case Delete():
            cloud.delete_eni(action.eni, deadline)
            return lambda pool, now: pool.deleted(action, now)
        case OpenSource():
            cloud.disable_source_check(action.eni, deadline)
            return lambda pool, _: pool.opened(action)
