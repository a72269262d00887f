"""The threads around the keeper: one that takes turns, one for each call under way; and pods that wait.

A pod that finds an address waits for nobody. One that does not registers as demand and waits until its deadline; what
arrives after that is stock.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from terway_edge.core.cloud import CloudError, Eni, VSwitch
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.ports import Clock
from terway_edge.eni.actions import Action
from terway_edge.eni.keeper import CALL, Keeper, is_shortage
from terway_edge.eni.policy import Site

LULL = 0.5  # seconds between a change that nobody waits for and the turn that looks at it
PAUSE = 5.0  # seconds until what failed as a whole is tried again

log = logging.getLogger(__name__)


class Manager:
    """Any thread may call. `start` begins the work, `close` ends it; what is under way then goes on after a restart."""

    def __init__(
        self,
        ipam: Ipam,
        clock: Clock,
        find_site: Callable[[float], Site],
        build: Callable[[Site, AbstractContextManager[object]], Keeper],
    ) -> None:
        """
        :param find_site: asks what the instance is, until a deadline of the clock; raises CloudError
        :param build: makes the keeper, with this lock
        """
        self._ipam = ipam
        self._clock = clock
        self._find_site = find_site
        self._build = build
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._wake = threading.Condition(self._lock)
        self._keeper: Keeper | None = None
        self._trouble = "the agent has not learnt yet what its instance is"
        self._turn_at = -math.inf
        self._stamp = 0
        self._told: dict[Key, str] = {}
        self._waiters: set[Key] = set()
        self._cancelled: set[Key] = set()
        self._calls: set[threading.Thread] = set()
        self._is_closed = False
        self._loop = threading.Thread(target=self._run, name="eni-pool", daemon=True)

    def start(self) -> None:
        self._loop.start()

    def close(self, timeout: float = 5.0) -> None:
        """Waits for calls under way no longer than `timeout` seconds. Twice is harmless."""
        with self._lock:
            self._is_closed = True
            self._news.notify_all()
            self._wake.notify_all()
            threads = [self._loop, *self._calls]
        end = time.monotonic() + timeout
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(end - time.monotonic(), 0))

    # --- pods -----------------------------------------------------------------------------------------------------

    def acquire(self, sandbox: Sandbox, backend: str, deadline: float) -> Lease:
        """Addresses for a sandbox, at once or by `deadline` (the clock's seconds). Idempotent per sandbox.

        Raises Retry: there was none in time, there can be none, the record cannot be written, or it was cancelled.
        """
        lease, _ = self._try(sandbox, backend)
        if lease is not None:
            self._turn_by(self._clock.now() + LULL)
            return lease
        with self._waiting(sandbox.key):
            while True:
                stamp = self._stamp
                lease, shortage = self._try(sandbox, backend)
                if lease is not None:
                    return lease
                self._await(sandbox.key, stamp, deadline, shortage)

    def cancel(self, key: Key) -> None:
        """Let the acquire of a sandbox end now, if it waits."""
        with self._lock:
            if key in self._waiters:
                self._cancelled.add(key)
                self._news.notify_all()

    def release(self, lease: Lease) -> None:
        """Raises Retry if it cannot be recorded. Twice is harmless."""
        keeper = self._keeper
        if keeper is None:
            self._ipam.release(lease)
            return
        keeper.release(lease)
        self._announce()
        self._turn_by(self._clock.now() + LULL)

    # --- what is so -----------------------------------------------------------------------------------------------

    def eni_of(self, lease: Lease) -> Eni | None:
        """The ENI that a lease's addresses are of; None while that is unknown, or if it is gone."""
        return None if self._keeper is None else self._keeper.eni_of(lease)

    def vswitch_of(self, eni: Eni) -> VSwitch | None:
        """None until it was read."""
        return None if self._keeper is None else self._keeper.vswitch(eni.vswitch)

    def capacity(self) -> int:
        """Pods that the node can have; 0 until that is known."""
        return 0 if self._keeper is None else self._keeper.capacity

    def conditions(self) -> list[Condition]:
        if self._keeper is None:
            return [Condition("InstanceUnknown", "cloud", self._trouble)]
        return self._keeper.conditions()

    def details(self) -> dict[str, str | int | float]:
        """For a plugin's report."""
        return {} if self._keeper is None else self._keeper.details

    # --- waiting --------------------------------------------------------------------------------------------------

    def _try(self, sandbox: Sandbox, backend: str) -> tuple[Lease | None, Retry]:
        """A lease, or why there is none now; raises what no address would cure."""
        if self._keeper is None:
            return None, Retry(self._trouble)
        try:
            return self._keeper.allocate(sandbox, backend), Retry("")
        except Retry as error:
            if not is_shortage(error):
                raise
            return None, error

    @contextmanager
    def _waiting(self, key: Key) -> Iterator[None]:
        with self._lock:
            self._waiters.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._waiters.discard(key)
                self._cancelled.discard(key)
                self._told.pop(key, None)
                if self._keeper is not None:
                    self._keeper.stop_waiting(key)
            self._turn_by(self._clock.now() + LULL)

    def _await(self, key: Key, stamp: int, deadline: float, shortage: Retry) -> None:
        """Return when it may be worth another try. Raises Retry if it is not."""
        with self._lock:
            if self._keeper is not None and self._keeper.wait(key):
                self._told.pop(key, None)
                self._turn_by(self._clock.now())
            self._raise_if_over(key, deadline, shortage)
            rest = deadline - self._clock.now()
            if shortage.details == "addresses cooling down":
                rest = min(rest, shortage.after)
            self._news.wait_for(lambda: self._stamp != stamp or self._is_over(key), rest)

    def _is_over(self, key: Key) -> bool:
        return self._is_closed or key in self._cancelled or key in self._told

    def _raise_if_over(self, key: Key, deadline: float, shortage: Retry) -> None:
        if self._is_closed:
            raise Retry("the agent is stopping")
        if key in self._cancelled:
            raise Retry(f"container {key[0]} is not wanted any more")
        if key in self._told:
            if shortage.details == "addresses cooling down":
                raise shortage
            raise Retry(f"{shortage}; {self._told[key]}", after=10.0, details=shortage.details)
        if self._clock.now() >= deadline:
            why = "; ".join(condition.message for condition in self.conditions()) or "more addresses are on their way"
            raise Retry(f"no address in time for container {key[0]}: {why}", details=shortage.details)

    def _announce(self) -> None:
        """Pods that wait try again."""
        with self._lock:
            self._stamp += 1
            self._news.notify_all()

    # --- turns ----------------------------------------------------------------------------------------------------

    def _turn_by(self, at: float) -> None:
        if self._turn_at <= at:
            return
        with self._lock:
            self._turn_at = min(self._turn_at, at)
            self._wake.notify_all()

    def _run(self) -> None:
        while not self._is_closed:
            self._turn_at = math.inf
            try:
                due = self._round()
            except Exception:
                log.exception("the ENI pool stumbled; it goes on in %.0f s", PAUSE)
                due = self._clock.now() + PAUSE
            self._turn_by(due)
            with self._lock:
                while not self._is_closed and (rest := self._turn_at - self._clock.now()) > 0:
                    self._wake.wait(min(rest, threading.TIMEOUT_MAX))

    def _round(self) -> float:
        """When the next one is due."""
        if self._keeper is None and not self._begin():
            return self._clock.now() + PAUSE
        assert self._keeper is not None
        return self._turn(self._keeper)

    def _begin(self) -> bool:
        """Learn what the instance is. False: not yet."""
        try:
            site = self._find_site(self._clock.now() + CALL)
        except CloudError as error:
            log.warning("%s", error)
            self._trouble = str(error)
            return False
        self._keeper = self._build(site, self._lock)
        self._announce()  # pods that came before become demand
        return True

    def _turn(self, keeper: Keeper) -> float:
        arrivals = keeper.arrivals
        for action in keeper.turn():
            thread = threading.Thread(target=self._carry_out, args=(keeper, action), name="eni-call", daemon=True)
            with self._lock:
                self._calls.add(thread)
            thread.start()
        with self._lock:
            self._told = keeper.hopeless()
            if self._told or keeper.arrivals != arrivals:
                self._announce()
        return keeper.next_at

    def _carry_out(self, keeper: Keeper, action: Action) -> None:
        try:
            keeper.carry_out(action)
        finally:
            with self._lock:
                self._calls.discard(threading.current_thread())
            self._turn_by(self._clock.now())
