"""Freeing what lost sandboxes left behind. Runtimes lose DELs; nothing is freed without two proofs and some age.

Proof one: the host end of the sandbox's link is gone (the kernel deletes it with the pod's namespace). Proof two: the
namespace's path is gone. Both must hold in two rounds in a row, for a lease older than the grace period.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable

from terway_edge.core.models import Lease
from terway_edge.core.names import Key, is_own_link, key_of_alias
from terway_edge.core.plans import Link


class LostSandboxes:
    """Remembers what one round suspected, so that the next can confirm it."""

    def __init__(self, grace: float, exists: Callable[[str], bool] = os.path.exists) -> None:
        self._grace = grace
        self._exists = exists
        self._suspects: dict[Key, float] = {}

    def confirmed(self, leases: Iterable[Lease], plugged: Collection[Key], now: float) -> list[Lease]:
        """The leases to free now. `plugged`: sandboxes whose host link exists."""
        lost = [lease for lease in leases if self._looks_lost(lease, plugged)]
        since = {lease.key: self._suspects.get(lease.key, now) for lease in lost}
        known, self._suspects = self._suspects, since
        return [
            lease
            for lease in lost
            if lease.key in known and now - max(since[lease.key], lease.granted_at) >= self._grace
        ]

    def _looks_lost(self, lease: Lease, plugged: Collection[Key]) -> bool:
        return lease.key not in plugged and not (lease.sandbox.netns and self._exists(lease.sandbox.netns))


def plugged_sandboxes(links: Iterable[Link]) -> dict[Key, Link]:
    """The sandboxes whose host link, proven ours by name and alias, is there."""
    return {
        key: link
        for link in links
        if is_own_link(link.name, link.alias) and (key := key_of_alias(link.alias)) is not None
    }
