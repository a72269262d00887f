"""Self garbage collection: freeing what lost sandboxes left behind, for runtimes lose DELs. It takes two proofs and
some age.

Proof one: the host end of the sandbox's link is gone (the kernel deletes it with the pod's namespace). Proof two: the
namespace's path is gone. Both must hold in two rounds in a row, for a lease older than the grace period.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable

from terway_edge.agent.service import Service
from terway_edge.core.dispatcher import explain
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease
from terway_edge.core.names import Key, is_own_link, key_of_alias
from terway_edge.core.plans import Link
from terway_edge.core.ports import Clock, Kernel

log = logging.getLogger(__name__)


class LostSandboxes:
    """Remembers what one round suspected, so that the next can confirm it."""

    def __init__(self, grace: float, exists: Callable[[str], bool] = os.path.exists) -> None:
        self._grace = grace
        self._exists = exists
        self._suspects: dict[Key, float] = {}

    def confirmed(self, leases: Iterable[Lease], plugged: Collection[Key], now: float) -> list[Lease]:
        """The leases to free now. `plugged`: sandboxes whose host link exists."""
        lost = [lease for lease in leases if self.looks_lost(lease, plugged)]
        since = {lease.key: self._suspects.get(lease.key, now) for lease in lost}
        known, self._suspects = self._suspects, since
        return [
            lease
            for lease in lost
            if lease.key in known and now - max(since[lease.key], lease.granted_at) >= self._grace
        ]

    def looks_lost(self, lease: Lease, plugged: Collection[Key]) -> bool:
        """Both proofs, now."""
        return lease.key not in plugged and not (lease.sandbox.netns and self._exists(lease.sandbox.netns))


class Collector:
    """Compares leases with links, a round at a time."""

    def __init__(self, kernel: Kernel, ipam: Ipam, service: Service, clock: Clock, lost: LostSandboxes) -> None:
        self._kernel = kernel
        self._ipam = ipam
        self._service = service
        self._clock = clock
        self._lost = lost

    def run(self, *, with_links: bool = True) -> None:
        """One round. `with_links`: unplug links of ours without a lease, too. Raises KernelError."""
        links = self._plugged()
        for lease in self._lost.confirmed(self._ipam.leases(), links, self._clock.now()):
            self._free(lease)
        for key in links if with_links else ():
            if self._ipam.get(key) is None:
                self._service.drop_orphan(key)

    def _free(self, lease: Lease) -> None:
        container_id = lease.sandbox.container_id
        try:
            if self._service.drop_lost(lease, lambda: self._lost.looks_lost(lease, self._plugged())):
                log.warning(
                    "freed the lease of container %s: its link and namespace are gone, no DEL came", container_id
                )
        except Exception as error:  # noqa: BLE001 - the rest must be freed whatever a plugin does
            log.error("container %s is gone, and its lease is not freed yet: %s", container_id, explain(error))

    def _plugged(self) -> dict[Key, Link]:
        return plugged_sandboxes(self._kernel.dump(Link))


def plugged_sandboxes(links: Iterable[Link]) -> dict[Key, Link]:
    """The sandboxes whose host link, proven ours by name and alias, is there."""
    return {
        key: link
        for link in links
        if is_own_link(link.name, link.alias) and (key := key_of_alias(link.alias)) is not None
    }
