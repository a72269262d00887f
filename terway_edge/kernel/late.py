"""Waiting for what the kernel does a moment after it has answered, so that a pod's first packets arrive.

A veth's ends get their carrier when the second one is set up. That one sends from then on; the first drops what it is
given until a work item has opened its queue, microseconds later or milliseconds. A question about the link has that
work done first (Linux 6.8: "net: core: synchronize link-watch when carrier is queried"). Before that version one waits
for the operational state, which the same work sets under the same lock.

An IPv6 address takes no packets until another work item has seen that it needs no duplicate address detection, and has
added the route that makes it local.
"""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from terway_edge.core.addresses import Address
from terway_edge.kernel import decode, links
from terway_edge.kernel.netlink import Decode, NetlinkSocket
from terway_edge.kernel.packed import find_route

BOUND = 0.1  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 20e-6, 1e-3  # seconds: a work item that waits for our processor runs in the first one


def await_link(endpoint: NetlinkSocket, link: int) -> bool:
    """Wait until a link sends, if it has a carrier. False if it does not in time. Raises KernelError."""
    return _await(endpoint, lambda seq: links.get(link, seq), decode.is_late)


def await_address(endpoint: NetlinkSocket, address: Address) -> bool:
    """Wait until packets to an address stay in this namespace. False if they do not in time. Raises KernelError."""
    return _await(endpoint, lambda seq: find_route(address, seq), decode.leads_away)


def _await(endpoint: NetlinkSocket, question: Callable[[int], bytes], is_late: Decode[bool]) -> bool:
    """What the kernel knows nothing of is not waited for."""
    pause, slept = FIRST_PAUSE, 0.0
    while endpoint.find(question(endpoint.reserve(1)), is_late):
        if slept >= BOUND:
            return False
        sleep(pause)
        slept += pause
        pause = min(2 * pause, LONGEST_PAUSE)
    return True
