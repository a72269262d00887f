"""The API server in process: one call from request to reply, and what tests do to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from terway_edge.testing.apiserver.access.rbac import Rbac
from terway_edge.testing.apiserver.access.users import NOBODY, Tokens, User, impersonated
from terway_edge.testing.apiserver.call import Call, Target
from terway_edge.testing.apiserver.clock import Clock
from terway_edge.testing.apiserver.errors import ApiError, unauthorized
from terway_edge.testing.apiserver.faults.answers import prevented
from terway_edge.testing.apiserver.faults.fault_plan import FaultPlan, Fired
from terway_edge.testing.apiserver.faults.live_watch import Watches
from terway_edge.testing.apiserver.faults.script import Script
from terway_edge.testing.apiserver.log import CallLog, CallRecord
from terway_edge.testing.apiserver.options import unknown_parameters
from terway_edge.testing.apiserver.outside import Outside
from terway_edge.testing.apiserver.pages import page
from terway_edge.testing.apiserver.reply import Reply, as_status
from terway_edge.testing.apiserver.settings import Settings
from terway_edge.testing.apiserver.state import FIRST_NAMESPACES, State
from terway_edge.testing.apiserver.store import Snapshot
from terway_edge.testing.apiserver.verbs import Verbs


class ApiServer:
    """All state is in memory. Safe for many threads.

    :param wall: seconds since the epoch
    """

    def __init__(
        self, settings: Settings | None = None, *, faults: Script | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings or Settings()
        self.clock = Clock(wall)
        self._state = State(self.clock, self.settings.history)
        self.tokens, self.watches, self.log = Tokens(), Watches(), CallLog()
        self.objects = Outside(self._state)
        """Objects as others change them."""
        self._rbac = Rbac(self._state.store) if self.settings.rbac else None
        self._verbs = Verbs(self._state, self.settings, self.tokens, self._rbac, self.watches)
        self._faults = FaultPlan(faults or Script(), time.monotonic())
        for name in FIRST_NAMESPACES:
            self.objects.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def set_faults(self, script: Script) -> None:
        """Instead of those there were; `since` and `until` count from now."""
        self._faults = FaultPlan(script, time.monotonic())

    @property
    def revision(self) -> int:
        return self._state.store.revision

    def expire(self) -> None:
        """Older revisions and continue tokens are answered with 410; watches under way go on."""
        self._state.store.compact()

    def snapshot(self) -> Snapshot:
        return self._state.store.snapshot()

    def restore(self, snapshot: Snapshot, *, bump: int = 0) -> None:
        """As a restored etcd: the resourceVersion goes back. Watches under way stay, and hear of nothing.

        :param bump: what the resourceVersion is raised by, so that clients come with older ones and are told 410: the
            options --bump-revision and --mark-compacted of `etcdutl snapshot restore`
        """
        self._state.restore(snapshot, bump)

    def stop(self) -> None:
        """End all watches."""
        self._verbs.is_over = True
        self._state.store.wake()

    def resume(self) -> None:
        self._verbs.is_over = False

    def answer(self, call: Call) -> Reply:
        target = call.target
        fired = self._faults.fire(target, call.user_agent, time.monotonic())
        user = self.tokens.user(call.token)
        if fired.drops("before") or fired.holds:
            reply = Reply(0, b"", is_dropped=fired.drops("before"), is_held=fired.holds)
        else:
            reply = self._reply(call, target, user, fired)
        reply = replace(reply, delay=fired.delay, is_dropped=reply.is_dropped or fired.drops("after"))
        self._enter(call, target, user, fired, reply)
        return reply

    def _reply(self, call: Call, target: Target, user: User | None, fired: Fired) -> Reply:
        if fired.preventing:
            return prevented(fired.preventing)
        try:
            return self._admit(call, target, user, fired)
        except ApiError as error:
            return as_status(error)

    def _admit(self, call: Call, target: Target, user: User | None, fired: Fired) -> Reply:
        if user is None and not _is_open(target):
            raise unauthorized()
        if (user or NOBODY).is_master:
            user = impersonated(call) or user
        if self._rbac:
            self._rbac.check(user or NOBODY, target)
        if target.plural:
            return self._verbs.answer(call, target, user or NOBODY, fired)
        return page(call, self._state.catalog.kinds)

    def _enter(self, call: Call, target: Target, user: User | None, fired: Fired, reply: Reply) -> None:
        headers = {key: each for key, each in call.headers.items() if key != "authorization"}
        body = b"" if target.plural == "secrets" else call.body
        self.log.add(
            CallRecord(
                at=time.monotonic(),
                call=replace(call, headers=headers, body=body),
                target=target,
                user=(user or NOBODY).name,
                status=reply.status,
                reason=reply.reason,
                faults=fired.kinds,
                dropped=reply.is_dropped,
                unknown=unknown_parameters(call, target),
            )
        )


def _is_open(target: Target) -> bool:
    return target.path.startswith(("/healthz", "/livez", "/readyz", "/version"))
