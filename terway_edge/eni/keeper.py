"""The pool's decisions carried out: in memory, on disk, in the IPAM, and last in the cloud. No threads of its own.

Order of a turn: the IPAM gets what the pool offers; the pool decides; what it gives up leaves the IPAM; that no pod has
it is proved; what is about to be done is written down. Only then may the actions be carried out.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from terway_edge.core.cloud import Cause, Cloud, CloudError, Eni, VSwitch
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.ports import Clock, Events
from terway_edge.eni.actions import READS, Action, Delete, Detach, Unassign
from terway_edge.eni.calls import Outcome, call
from terway_edge.eni.feeding import Feeder, lease_eni
from terway_edge.eni.intents import Intents, Memory
from terway_edge.eni.policy import Policy, Site
from terway_edge.eni.pool import EniPool
from terway_edge.eni.reporting import Standing

CALL = 30.0  # seconds that a call may take, its repetitions included
SHORTAGES = ("pool exhausted", "addresses cooling down")
"""`details` of the IPAM's refusals that more addresses would cure."""

log = logging.getLogger(__name__)


class Keeper:
    """Any thread may call if `lock` is given, one at a time `turn`. The lock is never held during a cloud call."""

    def __init__(
        self,
        cloud: Callable[[], Cloud],
        ipam: Ipam,
        clock: Clock,
        intents: Intents,
        events: Events,
        policy: Policy,
        site: Site,
        rng: random.Random,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """:param cloud: asked at each call; raises CloudError"""
        self._cloud = cloud
        self._ipam = ipam
        self._clock = clock
        self._intents = intents
        self._events = events
        self._policy, self._site, self._rng = policy, site, rng
        self._lock = nullcontext() if lock is None else lock
        self._saved: Memory = intents.load(clock.now())
        self._pool = self._new_pool()
        self._feeder = Feeder(ipam)

    # --- what is to be done ---------------------------------------------------------------------------------------

    def follow(self, policy_of: Callable[[str], Policy]) -> None:
        """Do as the policy of the node's zone says from now on."""
        policy = policy_of(self._site.instance.zone)
        with self._lock:
            self._policy = policy
            self._pool.follow(policy, self._clock.now())

    def serve(self) -> None:
        """Give pods what an earlier process remembered. Nothing is decided: whether the site is as it was, the cloud
        has not said yet."""
        with self._lock:
            self._feed()

    def found(self, site: Site) -> None:
        """The cloud has said where the pool is; turns may begin. Who waits registers again."""
        with self._lock:
            self._site = site
            self._pool = self._new_pool()

    def turn(self) -> list[Action]:
        """What is to be carried out now; each action once, in any order and at the same time."""
        with self._lock:
            self._feed()
            stock = self._feeder.stock()
            self._forget_served()
            actions = self._pool.decide(stock, self._clock.now())
            self._feed()
            kept = [action for action in actions if self._is_used(action)]
            for action in kept:
                assert isinstance(action, Unassign | Detach | Delete)
                self._pool.keep(action)
            if kept:
                self._feed()
            memory = self._pool.memory
        actions = [action for action in actions if action not in kept]
        actions = self._write_down(memory, actions)
        self._tell()
        return actions

    def carry_out(self, action: Action) -> None:
        """Make the call and take in what became of it. Raises nothing that the cloud does."""
        self.hear(action, self.ask(action))

    def ask(self, action: Action) -> Outcome | CloudError:
        """Make the call."""
        try:
            return call(self._cloud(), self._site.instance.id, action, self._clock.now() + CALL)
        except CloudError as error:
            return error
        except Exception as error:
            log.exception("%s of %s broke", action.verb, action.subject)
            return CloudError(f"{type(error).__name__}: {error}", action="", cause=Cause.UNAVAILABLE)

    def hear(self, action: Action, outcome: Outcome | CloudError) -> None:
        """Take in what became of a call."""
        if isinstance(outcome, CloudError):
            self._fail(action, outcome)
        else:
            with self._lock:
                outcome(self._pool, self._clock.now())
        self._tell()

    @property
    def next_at(self) -> float:
        """When the next turn is due at the latest."""
        return self._pool.next_at

    @property
    def arrivals(self) -> int:
        """Changes whenever pods that wait should try again."""
        return self._feeder.arrivals

    # --- pods -----------------------------------------------------------------------------------------------------

    def allocate(self, sandbox: Sandbox, backend: str) -> Lease:
        """An address of each family from one ENI, without any call of the cloud's.

        Raises Retry; `is_shortage` tells whether more addresses would help.
        """
        lease = self._ipam.get(sandbox.key)
        if lease is not None:
            return lease
        shortage: Retry | None = None
        for names in self._candidates():
            try:
                return self._ipam.allocate(sandbox, backend, names)
            except Refused:
                continue  # the ENI has just gone
            except Retry as error:
                if not is_shortage(error):
                    raise
                shortage = error if shortage is None or error.after < shortage.after else shortage
        raise shortage or Retry("no ENI of this node has an address for pods yet", details=SHORTAGES[0])

    def release(self, lease: Lease) -> None:
        """Raises Retry if it cannot be recorded. Twice is harmless."""
        self._ipam.release(lease)
        with self._lock:
            self._pool.released(lease.addresses, self._clock.now())

    def wait(self, key: Key) -> bool:
        """Register as demand; False if it is already."""
        with self._lock:
            return self._pool.wait(key, self._clock.now())

    def stop_waiting(self, key: Key) -> None:
        with self._lock:
            self._pool.stop_waiting(key)

    def hopeless(self) -> dict[Key, str]:
        """Of those who wait, who cannot be served, and why."""
        with self._lock:
            return self._pool.hopeless(self._clock.now())

    # --- what is so -----------------------------------------------------------------------------------------------

    def eni_of(self, lease: Lease) -> Eni | None:
        """The ENI that a lease's addresses are of, while the pool has it."""
        with self._lock:
            name = lease_eni(lease)
            return self._pool.eni(name) if name else self._pool.eni_at(lease.addresses[0])

    def vswitch(self, vswitch: str) -> VSwitch | None:
        with self._lock:
            return self._pool.vswitch(vswitch)

    def conditions(self) -> list[Condition]:
        with self._lock:
            return self._pool.conditions(self._clock.now())

    @property
    def details(self) -> dict[str, str | int | float]:
        with self._lock:
            return self._pool.details

    @property
    def standing(self) -> Standing:
        with self._lock:
            return self._pool.standing

    # --- within ---------------------------------------------------------------------------------------------------

    def _new_pool(self) -> EniPool:
        return EniPool(self._policy, self._site, self._saved, self._rng, self._clock.now())

    def _feed(self) -> None:
        self._feeder.feed(self._pool.offers, self._pool.barred)

    def _forget_served(self) -> None:
        """Who was served a moment ago may not have said yet that it waits no more: nothing is bought for it."""
        for key in self._pool.waiting:
            if self._ipam.get(key) is not None:
                self._pool.stop_waiting(key)

    def _is_used(self, action: Action) -> bool:
        """Whether a pod has an address that the action would take away."""
        if not isinstance(action, Unassign | Detach | Delete):
            return False
        return any(self._feeder.is_used(action.eni, address) for address in self._pool.protected(action))

    def _write_down(self, memory: Memory, actions: list[Action]) -> list[Action]:
        """The actions that may be carried out: what is not written down must not change anything."""
        if memory == self._saved:
            return actions
        try:
            self._intents.save(memory)
        except Retry as error:
            failure = CloudError(str(error), action="", cause=Cause.UNAVAILABLE)
            for action in actions:
                if not isinstance(action, READS):
                    self._fail(action, failure)
            return [action for action in actions if isinstance(action, READS)]
        self._saved = memory
        return actions

    def _fail(self, action: Action, error: CloudError) -> None:
        log.warning("%s", error)
        with self._lock:
            self._pool.failed(action, error, self._clock.now())

    def _candidates(self) -> Iterator[tuple[str, ...]]:
        """Pools by ENI; those without a free address are last: a pod may have its own again while it rests."""
        rest = []
        for names in self._feeder.order:
            if self._has_free(names):
                yield names
            else:
                rest.append(names)
        yield from rest

    def _has_free(self, names: tuple[str, ...]) -> bool:
        try:
            return self._feeder.has_free(names)
        except Refused:
            return False

    def _tell(self) -> None:
        with self._lock:
            events = self._pool.events()
        for event in events:
            self._events.emit(event)


def is_shortage(error: Retry) -> bool:
    """Whether more addresses would cure it."""
    return error.details in SHORTAGES
