"""What the CNI verbs do with leases: the pod-start flow and its undoing (CNI specification 1.1.0, section 2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from terway_edge.agent.locks import SandboxLocks
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.errors import Conflict, KernelError, Refused, Retry
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Attachment, Discrepancy, Lease, NodeView, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.plans import Link, Netns, Where
from terway_edge.core.plumbing import Plumbing
from terway_edge.core.ports import Clock, Kernel

log = logging.getLogger(__name__)


class Client(Protocol):
    """The caller of one request."""

    def gone(self) -> bool:
        """True if nobody waits for the answer any more."""

    def keeps_waiting(self) -> bool:
        """Asked while the request waits for something slow, so that others are served meanwhile; False if it should
        end: nobody waits for the answer any more, or the agent stops."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the service knows of this node now; `why_not` says why pods cannot be added, empty if they can."""

    view: NodeView | None
    why_not: str = ""


class Service:
    """Thread-safe; every method holds the lock of the sandbox it works on."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        ipam: Ipam,
        kernel: Kernel,
        plumbing: Plumbing,
        clock: Clock,
        node: Callable[[], Node],
        locks: SandboxLocks,
        ports: HostPorts,
        sources: SourceGuard,
    ) -> None:
        self._dispatcher = dispatcher
        self._ipam = ipam
        self._kernel = kernel
        self._plumbing = plumbing
        self._clock = clock
        self._node = node
        self._locks = locks
        self._ports = ports
        self._sources = sources

    def add(self, sandbox: Sandbox, client: Client, deadline: float, deliver: Callable[[Attachment], bool]) -> None:
        """Plug a sandbox in and `deliver` the result; if nobody takes it, or a DEL came meanwhile, undo it all.

        `deadline` is in the clock's seconds. Raises EdgeError, having left nothing behind.
        """
        key = sandbox.key
        with self._locks.adding(key) as ticket, self._locks.hold(key, deadline - self._clock.now()):
            view = self._ready()
            if ticket.cancelled or client.gone():
                raise Retry("not begun: the sandbox was deleted, or its caller went away, while it waited")
            netns = sandbox.netns_fd if sandbox.netns_fd >= 0 else sandbox.netns
            self._kernel.prove(netns)  # before anything is written
            resumed = self._resume(sandbox, netns)
            self._ports.refuse_taken(sandbox)
            lease = resumed or self._dispatcher.allocate(
                view.selection.backend, sandbox, view, deadline, lambda: ticket.cancelled or not client.keeps_waiting()
            )
            try:
                # That the pod has a link of the name is told by this: to look first costs every ADD 17 system calls.
                self._sources.admit(lease)
                attachment = self._dispatcher.attach(sandbox, lease, view)
                self._ports.open(lease)
                taken = not client.gone() and not ticket.cancelled and deliver(attachment)
            except BaseException:
                self._give_back(sandbox, lease)
                raise
            if not taken:
                self._undo(sandbox, lease)
                raise Retry("undone: the sandbox was deleted, or its caller went away, while it was being added")
            self._dispatcher.lease_granted(lease)

    def delete(self, sandbox: Sandbox, deadline: float) -> None:
        """Unplug a sandbox. An unknown one is success. Raises EdgeError if the release could not be recorded."""
        key = sandbox.key
        self._locks.cancel_adds(key)
        with self._locks.hold(key, deadline - self._clock.now()):
            lease = self._ipam.get(key)
            if lease is None:
                return
            self._undo(sandbox, lease)
            self._dispatcher.lease_released(lease)

    def check(self, sandbox: Sandbox, deadline: float) -> tuple[Lease, list[Discrepancy]]:
        """The sandbox's lease and what of its datapath is missing. Raises Refused if it has no lease."""
        with self._locks.hold(sandbox.key, deadline - self._clock.now()):
            lease = self._ipam.get(sandbox.key)
            if lease is None:
                raise Refused(f"container {sandbox.container_id} has no lease for {sandbox.ifname}")
            found = self._dispatcher.check(sandbox, lease, repair=False)
            return lease, [*found, *self._ports.check(lease), *self._sources.check(lease)]

    def collect(self, valid: Collection[Key], deadline: float) -> list[str]:
        """CNI GC: unplug every sandbox that is not `valid`; goes on after failures and returns them.

        Leases granted after the call began are not touched: the caller's list cannot know them.
        """
        began = self._clock.now()
        failures = []
        for lease in self._ipam.leases():
            if lease.key in valid or lease.granted_at >= began:
                continue
            try:
                with self._locks.hold(lease.key, deadline - self._clock.now()):
                    self._drop(lease)
            except Exception as error:  # noqa: BLE001 - the rest must be freed whatever a plugin does
                failures.append(f"container {lease.sandbox.container_id}: {explain(error)}")
        return failures

    def why_not(self) -> str:
        """Why an ADD could not be served now; empty if it could. Exhausted addresses are no reason."""
        return self._node().why_not

    def drop_lost(self, lease: Lease, is_lost: Callable[[], bool]) -> bool:
        """Free the lease of a sandbox that is gone; False if it has come back, as `is_lost` says under the lock.

        Raises EdgeError, Retry as well if a call for the sandbox is in flight: it is not lost, or the next round
        finds it.
        """
        with self._locks.hold(lease.key, timeout=0):
            return is_lost() and self._drop(lease)

    def drop_orphan(self, key: Key) -> None:
        """Unplug a link of ours that has no lease; under the lock, for an ADD may be about to need the name.

        With a call in flight for the sandbox nothing is done: it is no orphan, or the next round finds it.
        """
        with suppress(Retry), self._locks.hold(key, timeout=0):
            if self._ipam.get(key) is None:
                self._kernel.unplug([key])

    def _ready(self) -> NodeView:
        node = self._node()
        if node.view is None or node.why_not:
            raise Retry(node.why_not or "the agent has not seen its node yet")
        return node.view

    def _resume(self, sandbox: Sandbox, netns: Netns) -> Lease | None:
        """The lease of an earlier ADD that was cut short; its remains are removed first. One that was for something
        else is given back: it says what ports and rates the sandbox has, and where it is.

        Raises Conflict if that ADD was completed: the link is there (CNI specification, ADD).
        """
        lease = self._ipam.get(sandbox.key)
        if lease is None:
            return None
        if any(link.name == sandbox.ifname for link in self._kernel.dump(Link, Where(netns=netns))):
            raise Conflict(f"container {sandbox.container_id} is attached already as {sandbox.ifname}; DEL it first")
        if _wanted(lease.sandbox) != _wanted(sandbox):
            self._undo(lease.sandbox, lease)
            self._dispatcher.lease_released(lease)
            return None
        self._detach(sandbox, lease)
        return lease

    def _drop(self, lease: Lease) -> bool:
        """Free a lease that was listed; False if it is not that sandbox's any more."""
        if self._ipam.get(lease.key) != lease:
            return False
        self._undo(lease.sandbox, lease)
        self._dispatcher.lease_released(lease)
        return True

    def _undo(self, sandbox: Sandbox, lease: Lease) -> None:
        self._detach(sandbox, lease)
        self._release(lease)

    def _give_back(self, sandbox: Sandbox, lease: Lease) -> None:
        """After a failed attach: what it left against its promise goes too. The first error matters, not one here."""
        try:
            self._undo(sandbox, lease)
        except Exception as error:  # noqa: BLE001 - the caller is raising what came before
            log.error("lease of container %s stays until its DEL: %s", lease.sandbox.container_id, explain(error))

    def _detach(self, sandbox: Sandbox, lease: Lease) -> None:
        """No new connection comes in or goes out when the backend lets go of the sandbox and forgets the old ones."""
        try:
            self._mute(lease)
            self._ports.close(lease)
        finally:
            if self._dispatcher.has(lease.backend):
                self._dispatcher.detach(sandbox, lease)
            else:
                log.warning("backend %s is not loaded: its sandbox is unplugged without it", lease.backend)
                self._plumbing.detach(lease)

    def _mute(self, lease: Lease) -> None:
        try:
            self._sources.dismiss(lease)
        except KernelError as error:
            # Its link goes in a moment; no reason to keep the address.
            log.warning("container %s is not muted, the next comparison does it: %s", lease.sandbox.container_id, error)

    def _release(self, lease: Lease) -> None:
        if self._dispatcher.has(lease.backend):
            self._dispatcher.release(lease)
        else:
            self._ipam.release(lease)


def _wanted(sandbox: Sandbox) -> tuple[object, ...]:
    return sandbox, sandbox.ports, sandbox.bandwidth
