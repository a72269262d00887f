"""Bringing leases and kernel together at start: a new process trusts the store, and the kernel if the store is hurt."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import NamedTuple

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.core.addresses import BITS, Address
from terway_edge.core.host_ports import mappings_to
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.plans import PROTO, FibRoute, Link, Neighbour, Where
from terway_edge.core.ports import Clock, Forward, Kernel, Stored

log = logging.getLogger(__name__)


class Rebuilt(NamedTuple):
    """Leases on record that the kernel disproves, and those that it proves and the record lacks."""

    disproved: list[Lease]
    found: list[Lease]


def doubts(kernel: Kernel, stored: Stored) -> str:
    """Damage that a sound store does not show: it ends too early, or was removed with all that tells of it.

    A lease is on record before its pod is plugged in, and until after its routes are gone: a sandbox that is plugged
    in, has a route and no lease is one whose lease was lost. Empty if there is none, or if damage is known anyway.
    """
    have = {lease.key for lease in stored.leases}
    routed = _routed(kernel)
    plugged = plugged_sandboxes(kernel.dump(Link))
    lost = [key for key, link in plugged.items() if key not in have and link.ifindex in routed]
    if stored.damage or not lost:
        return ""
    return f"lease store: {len(lost)} pods are plugged in whose leases are not on record, as container {lost[0][0]}"


def rebuild(
    kernel: Kernel, known: Sequence[Lease], backend: str, clock: Clock, forwards: Collection[Forward] = ()
) -> Rebuilt:
    """What a damaged store has wrong, read off links, routes and neighbour entries of ours, and ports off `forwards`.

    A lease whose sandbox is not plugged in, and whose address nobody else uses, is neither: it may be on its way.

    :param backend: the one that leases found are given to, for the kernel does not say.
    """
    held = _held(kernel)
    owners = {address: key for key, addresses in held.items() for address in addresses}
    disproved = [
        lease
        for lease in known
        if set(lease.addresses) != held.get(lease.key, set(lease.addresses))
        or any(owners.get(address, lease.key) != lease.key for address in lease.addresses)
    ]
    kept = {lease.key for lease in known} - {lease.key for lease in disproved}
    found = [
        Lease(Sandbox(*key, ports=mappings_to(addresses, forwards)), tuple(sorted(addresses)), backend, (), clock.now())
        for key, addresses in held.items()
        if key not in kept
    ]
    return Rebuilt(disproved, found)


def _held(kernel: Kernel) -> dict[Key, set[Address]]:
    """The addresses of every sandbox that is plugged in by us."""
    addresses = _routed(kernel)
    for neighbour in kernel.dump(Neighbour):
        addresses.setdefault(neighbour.link, set()).add(neighbour.address)
    plugged = plugged_sandboxes(kernel.dump(Link))
    return {key: addresses[link.ifindex] for key, link in plugged.items() if link.ifindex in addresses}


def _routed(kernel: Kernel) -> dict[int, set[Address]]:
    """The addresses that we route to each link."""
    addresses: dict[int, set[Address]] = {}
    for route in kernel.dump(FibRoute, Where(proto=PROTO)):
        if route.prefix.length == BITS[route.prefix.family]:
            addresses.setdefault(route.link, set()).add(route.prefix.address)
    return addresses


def orphans(kernel: Kernel, known: Sequence[Lease]) -> list[Key]:
    """Sandboxes that are plugged in by us but have no lease: a DEL was cut short after its release."""
    have = {lease.key for lease in known}
    return [key for key in plugged_sandboxes(kernel.dump(Link)) if key not in have]
