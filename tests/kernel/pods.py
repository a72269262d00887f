"""Pods for the tests of the real kernel."""

from __future__ import annotations

from terway_edge.core.addresses import Address
from terway_edge.core.datapath import attach_plan
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.plans import Netns, Plan

FIRST_LINK = 100_000


def pod(number: int, netns: Netns, *, ipv6: bool = False) -> tuple[Lease, Plan]:
    """A lease and the plan that plugs it in; different numbers share nothing but the namespace."""
    where = {"netns_fd": netns} if isinstance(netns, int) else {"netns": netns}
    sandbox = Sandbox(f"container-{number}", "eth0", **where)
    addresses = (Address(4, (10 << 24) + number + 1),)
    if ipv6:
        addresses += (Address(6, (0xFD << 120) + number + 1),)
    lease = Lease(sandbox, addresses, "test", ("pool",), 0.0)
    link = FIRST_LINK + 2 * number
    return lease, attach_plan(sandbox, lease, host_link=link, pod_link=link + 1, mtu=1400)
