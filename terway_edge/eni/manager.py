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

from terway_edge.core.cloud import Cause, CloudError, Eni, VSwitch
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.ports import Clock
from terway_edge.eni.actions import Action
from terway_edge.eni.keeper import CALL, Keeper, is_shortage
from terway_edge.eni.policy import Site
from terway_edge.eni.reporting import Standing

LISTEN = 0.1  # seconds between two questions whether a wait is still wanted
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
        tell: Callable[[], float] = lambda: math.inf,
        follow: Callable[[Keeper], None] = lambda keeper: None,
        recall: Callable[[], Site | None] = lambda: None,
    ) -> None:
        """
        :param find_site: asks what the instance is, until a deadline of the clock; raises CloudError
        :param build: makes the keeper, with this lock
        :param tell: is called after each turn, to tell others how the pool stands; gives when the next turn is due
        :param follow: is called before each turn, to tell the keeper what the operator wants now
        :param recall: the site as an earlier process found it, without a call: pods are served from stock meanwhile
        """
        self._ipam = ipam
        self._clock = clock
        self._find_site = find_site
        self._build = build
        self._tell = tell
        self._follow = follow
        self._recall = recall
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._wake = threading.Condition(self._lock)
        self._keeper: Keeper | None = None
        self._is_found = False
        self._trouble = "the agent has not learnt yet what its instance is"
        self._turn_at = -math.inf
        self._stamp = 0
        self._told: dict[Key, str] = {}
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

    def acquire(
        self, sandbox: Sandbox, backend: str, deadline: float, cancelled: Callable[[], bool] = lambda: False
    ) -> Lease:
        """Addresses for a sandbox, at once or by `deadline` (the clock's seconds). Idempotent per sandbox.

        Raises Retry: there was none in time, there can be none, the record cannot be written, or it was cancelled.
        :param cancelled: asked now and then whether the wait has become pointless
        """
        lease, _ = self._try(sandbox, backend)
        if lease is not None:
            self.turn_soon()
            return lease
        with self._waiting(sandbox.key):
            while True:
                stamp = self._stamp
                lease, shortage = self._try(sandbox, backend)
                if lease is not None:
                    return lease
                if cancelled():
                    raise Retry(f"nobody waits for an address of container {sandbox.container_id} any more")
                self._await(sandbox.key, stamp, deadline, shortage, cancelled)

    def release(self, lease: Lease) -> None:
        """Raises Retry if it cannot be recorded. Twice is harmless."""
        keeper = self._keeper
        if keeper is None:
            self._ipam.release(lease)
            return
        keeper.release(lease)
        self._announce()
        self.turn_soon()

    def turn_now(self) -> None:
        """What the operator wants may have changed."""
        self._turn_by(self._clock.now())

    def turn_soon(self) -> None:
        """Something changed that a turn should see; nobody waits for it."""
        self._turn_by(self._clock.now() + LULL)

    # --- what is so -----------------------------------------------------------------------------------------------

    def eni_of(self, lease: Lease) -> Eni | None:
        """The ENI that a lease's addresses are of; None while that is unknown, or if it is gone."""
        return None if self._keeper is None else self._keeper.eni_of(lease)

    def vswitch_of(self, eni: Eni) -> VSwitch | None:
        """None until it was read."""
        return None if self._keeper is None else self._keeper.vswitch(eni.vswitch)

    def standing(self) -> Standing:
        """What is not known yet is told so."""
        return Standing() if self._keeper is None else self._keeper.standing

    def conditions(self) -> list[Condition]:
        if self._keeper is None or not self._is_found:
            return [Condition("InstanceUnknown", "cloud", self._trouble)]
        return self._keeper.conditions()

    def details(self) -> dict[str, str | int | float]:
        """For a plugin's report. Before the instance is known nothing was counted."""
        return self._keeper.details if self._keeper is not None and self._is_found else {}

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
        try:
            yield
        finally:
            with self._lock:
                self._told.pop(key, None)
                if self._keeper is not None:
                    self._keeper.stop_waiting(key)
            self.turn_soon()

    def _await(self, key: Key, stamp: int, deadline: float, shortage: Retry, cancelled: Callable[[], bool]) -> None:
        """Return when it may be worth another try, or nobody wants it. Raises Retry if it is not."""
        with self._lock:
            if self._keeper is not None and self._keeper.wait(key):
                self._told.pop(key, None)
                self._turn_by(self._clock.now())
            self._raise_if_over(key, deadline, shortage)
            rest = deadline - self._clock.now()
            if shortage.details == "addresses cooling down":
                rest = min(rest, shortage.after)
            end = time.monotonic() + rest
            while not self._news.wait_for(lambda: self._stamp != stamp or self._is_over(key), min(LISTEN, rest)):
                if cancelled() or time.monotonic() >= end:
                    return

    def _is_over(self, key: Key) -> bool:
        return self._is_closed or key in self._told

    def _raise_if_over(self, key: Key, deadline: float, shortage: Retry) -> None:
        if self._is_closed:
            raise Retry("the agent is stopping")
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
        self._attempt(self._serve)
        while not self._is_closed:
            self._turn_at = math.inf
            for work in (self._round, self._tell):
                self._turn_by(self._attempt(work))
            with self._lock:
                while not self._is_closed and (rest := self._turn_at - self._clock.now()) > 0:
                    self._wake.wait(min(rest, threading.TIMEOUT_MAX))

    def _attempt(self, work: Callable[[], float]) -> float:
        """When it is due again."""
        try:
            return work()
        except Exception:
            log.exception("the ENI pool stumbled; it goes on in %.0f s", PAUSE)
            return self._clock.now() + PAUSE

    def _round(self) -> float:
        """When the next one is due."""
        if not self._is_found and not self._begin():
            return self._clock.now() + PAUSE
        assert self._keeper is not None
        self._follow(self._keeper)
        return self._turn(self._keeper)

    def _serve(self) -> float:
        """From what an earlier process left; nothing is due then but the first round."""
        site = self._recall()
        if site is not None:
            keeper = self._build(site, self._lock)
            keeper.serve()
            self._keeper = keeper
            self._announce()
            self._tell()
        return -math.inf

    def _begin(self) -> bool:
        """Learn what the instance is. False: not yet."""
        try:
            site = self._find_site(self._clock.now() + CALL)
        except CloudError as error:
            log.warning("%s", error)
            self._trouble = str(error)
            return False
        if self._keeper is None:
            self._keeper = self._build(site, self._lock)
        else:
            self._keeper.found(site)
        self._is_found = True
        self._announce()  # pods that came before become demand
        return True

    def _turn(self, keeper: Keeper) -> float:
        arrivals = keeper.arrivals
        for action in keeper.turn():
            self._start(keeper, action)
        with self._lock:
            self._told = keeper.hopeless()
            if self._told or keeper.arrivals != arrivals:
                self._announce()
        return keeper.next_at

    def _start(self, keeper: Keeper, action: Action) -> None:
        """Where there is no room for one more thread the call has failed, and is made again."""
        thread = threading.Thread(target=self._carry_out, args=(keeper, action), name="eni-call", daemon=True)
        try:
            with self._lock:
                if self._is_closed:
                    return  # what was not begun is written down: the next process does it
                thread.start()
                self._calls.add(thread)
        except RuntimeError as error:
            told = (
                f"{action.verb} of {action.subject}: no thread for the call: {error}; look at the limits of the agent"
            )
            keeper.hear(action, CloudError(told, action="", cause=Cause.UNAVAILABLE))

    def _carry_out(self, keeper: Keeper, action: Action) -> None:
        try:
            keeper.carry_out(action)
        finally:
            with self._lock:
                self._calls.discard(threading.current_thread())
            self._turn_by(self._clock.now())
