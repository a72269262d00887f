"""Bringing leases and kernel together at start: a new process trusts the store, and the kernel if the store is hurt."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.core.addresses import BITS
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.plans import PROTO, FibRoute, Link, Where
from terway_edge.core.ports import Clock, Kernel

log = logging.getLogger(__name__)


def leases_from_kernel(kernel: Kernel, known: Sequence[Lease], backend: str, clock: Clock) -> list[Lease]:
    """Leases of sandboxes that are plugged in but that a damaged store forgot, read off links and routes of ours.

    :param backend: the one they are given to, for the kernel does not say.
    """
    have = {lease.key for lease in known}
    taken = {address for lease in known for address in lease.addresses}
    found = []
    for key, link in plugged_sandboxes(kernel.dump(Link)).items():
        if key in have:
            continue
        routes = kernel.dump(FibRoute, Where(proto=PROTO, link=link.ifindex))
        addresses = tuple(
            sorted({r.prefix.address for r in routes if r.prefix.length == BITS[r.prefix.family]} - taken)
        )
        if addresses:
            found.append(Lease(Sandbox(*key), addresses, backend, (), clock.now()))
    return found


def orphans(kernel: Kernel, known: Sequence[Lease]) -> list[Key]:
    """Sandboxes that are plugged in by us but have no lease: a DEL was cut short after its release."""
    have = {lease.key for lease in known}
    return [key for key in plugged_sandboxes(kernel.dump(Link)) if key not in have]
