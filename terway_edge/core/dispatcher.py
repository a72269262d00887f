"""The only place that calls hooks: one typed method for each, and the routing of calls to the plugin concerned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import TYPE_CHECKING, Any

import pluggy

from terway_edge.core.errors import Bug, EdgeError, Refused
from terway_edge.core.hookspecs import PROJECT
from terway_edge.core.models import (
    Attachment,
    Discrepancy,
    Lease,
    Node,
    NodeView,
    Report,
    RouteSet,
    Sandbox,
    Selection,
    StopReason,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FailureReport = Callable[[str, str, Exception], None]
"""Called with (plugin, hook, error) when an observer or a report fails; nobody else is disturbed."""


class Dispatcher:
    """Typed façade over the plugin manager. Thread-safe: hooks may be called from many threads at once."""

    def __init__(self, manager: pluggy.PluginManager, on_failure: FailureReport) -> None:
        self._manager = manager
        self._on_failure = on_failure
        self._callers: dict[tuple[str, str], Any] = {}
        self._calls: dict[object, tuple[str, str]] = {}

    @property
    def names(self) -> list[str]:
        """The names of all registered plugins."""
        return [name for name, plugin in self._manager.list_name_plugin() if plugin is not None]

    def has(self, name: str) -> bool:
        return self._manager.has_plugin(name)

    @property
    def advertisers(self) -> list[str]:
        """The names of the plugins that have the advertise hook."""
        return [each.plugin_name for each in self._manager.hook.terway_edge_advertise.get_hookimpls()]

    @property
    def under_way(self) -> list[tuple[str, str]]:
        """(plugin, hook) of every call that has not returned, the oldest first."""
        return list(self._calls.values())

    # --- selection and life ---------------------------------------------------------------------------------------

    def select_backend(self, node: Node) -> Selection | None:
        """The first answer of a plugin, the last registered being asked first; one that fails is passed over."""
        for implementation in reversed(self._manager.hook.terway_edge_select_backend.get_hookimpls()):
            plugin = implementation.plugin_name
            try:
                selection = self._one(plugin, "select_backend")(node=node)
            except Exception as error:  # noqa: BLE001 - one plugin must not decide whether the agent works
                self._on_failure(plugin, "select_backend", error)
                continue
            if isinstance(selection, Selection):
                return selection
            if selection is not None:
                answer = type(selection).__name__
                self._on_failure(plugin, "select_backend", Bug(f"answered {answer}, expected a Selection or None"))
        return None

    def start(self, plugin: str, view: NodeView) -> None:
        self._one(plugin, "start")(view=view)

    def stop(self, plugin: str, reason: StopReason) -> None:
        self._one(plugin, "stop")(reason=reason)

    # --- one pod ---------------------------------------------------------------------------------------------------

    def allocate(
        self,
        backend: str,
        sandbox: Sandbox,
        view: NodeView,
        deadline: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Lease:
        lease = self._one(backend, "allocate")(sandbox=sandbox, view=view, deadline=deadline, cancelled=cancelled)
        if not isinstance(lease, Lease):
            raise Bug(f"backend {backend} answered allocate with {type(lease).__name__}, expected a Lease")
        if (lease.key, lease.backend) != (sandbox.key, backend):
            raise Bug(f"backend {backend} answered allocate for {sandbox.key} with {lease}")
        return lease

    def attach(self, sandbox: Sandbox, lease: Lease, view: NodeView) -> Attachment:
        attachment = self._one(lease.backend, "attach")(sandbox=sandbox, lease=lease, view=view)
        if not isinstance(attachment, Attachment):
            raise Bug(
                f"backend {lease.backend} answered attach with {type(attachment).__name__}, expected an Attachment"
            )
        return attachment

    def check(self, sandbox: Sandbox, lease: Lease, *, repair: bool) -> Sequence[Discrepancy]:
        found = self._one(lease.backend, "check")(sandbox=sandbox, lease=lease, repair=repair) or ()
        if not (isinstance(found, Sequence) and all(isinstance(one, Discrepancy) for one in found)):
            raise Bug(f"backend {lease.backend} answered check with {found!r}, expected a sequence of Discrepancy")
        return found

    def detach(self, sandbox: Sandbox, lease: Lease) -> None:
        self._one(lease.backend, "detach")(sandbox=sandbox, lease=lease)

    def release(self, lease: Lease) -> None:
        self._one(lease.backend, "release")(lease=lease)

    def audit(self, backend: str, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Those of the backend's leases that lack something; none if it has no such hook."""
        found = self._one(backend, "audit")(leases=leases) or ()
        if not (isinstance(found, Sequence) and all(isinstance(one, Lease) for one in found)):
            raise Bug(f"backend {backend} answered audit with {found!r}, expected a sequence of Lease")
        return found

    # --- routes ----------------------------------------------------------------------------------------------------

    def advertise(self, plugin: str, routes: RouteSet, view: NodeView) -> None:
        self._one(plugin, "advertise")(routes=routes, view=view)

    def report(self, plugin: str) -> Report | None:
        """The plugin's report; None if it has none or cannot give it now."""
        try:
            answers = self._one(plugin, "report")()
            if answers and not isinstance(answers[0], Report):
                raise Bug(f"report answered with {type(answers[0]).__name__}, expected a Report")
        except Exception as error:  # noqa: BLE001 - a report must never break what asks for it
            self._on_failure(plugin, "report", error)
            return None
        return answers[0] if answers else None

    def query(self, plugin: str, words: Sequence[str]) -> Mapping[str, Any]:
        """Raises Refused if there is no such plugin, or it answers no questions."""
        answer = self._one(plugin, "query")(words=words)
        if answer is None:
            raise Refused(f"plugin {plugin!r} answers no questions")
        if not isinstance(answer, Mapping):
            raise Bug(f"plugin {plugin} answered query with {type(answer).__name__}, expected a mapping")
        return answer

    # --- observers -------------------------------------------------------------------------------------------------

    def lease_granted(self, lease: Lease) -> None:
        self._each("lease_granted", lease=lease)

    def lease_released(self, lease: Lease) -> None:
        self._each("lease_released", lease=lease)

    def cycle_done(self, routes: RouteSet, view: NodeView) -> None:
        self._each("cycle_done", routes=routes, view=view)

    def metrics(self, registry: CollectorRegistry) -> None:
        self._each("metrics", registry=registry)

    # --- routing ---------------------------------------------------------------------------------------------------

    def _one(self, plugin: str, hook: str) -> Any:
        """The hook as only `plugin` implements it. Building a caller takes longer than calling it: they are kept."""
        caller = self._callers.get((plugin, hook))
        if caller is None:
            caller = self._callers[plugin, hook] = self._subset(plugin, hook)
        return caller

    def _subset(self, plugin: str, hook: str) -> Any:
        if not self._manager.has_plugin(plugin):
            raise Refused(
                f"plugin {plugin!r} is not loaded (loaded: {', '.join(self.names) or 'none'}); "
                f"see 'terway-edge plugins'"
            )
        others = [other for name, other in self._manager.list_name_plugin() if other is not None and name != plugin]
        caller = self._manager.subset_hook_caller(f"{PROJECT}_{hook}", remove_plugins=others)

        def call(**arguments: Any) -> Any:
            token = object()
            self._calls[token] = plugin, hook
            try:
                return caller(**arguments)
            finally:
                del self._calls[token]

        return call

    def _each(self, hook: str, **arguments: Any) -> None:
        """Call each observer by itself: in one pluggy call, one that raises would silence those after it."""
        # Interned, for the interpreter keeps each name by which an attribute was looked up, thousands of them.
        for implementation in getattr(self._manager.hook, intern(f"{PROJECT}_{hook}")).get_hookimpls():
            try:
                self._one(implementation.plugin_name, hook)(**arguments)
            except Exception as error:  # noqa: BLE001 - one observer must not harm another
                self._on_failure(implementation.plugin_name, hook, error)


def explain(error: Exception) -> str:
    """One line for logs: our errors speak for themselves, others are named."""
    return str(error) if isinstance(error, EdgeError) else f"{type(error).__name__}: {error}"
