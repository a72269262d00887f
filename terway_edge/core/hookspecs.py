"""The hooks, one specification each: the whole contract between Terway Edge and a plugin.

A plugin is a class named by an entry point of group `terway_edge.backends`. It is built once with a `BackendContext`
and its methods marked with `@hookimpl` are called by the agent. Implement the hooks you need; a hook implementation
may ask for fewer arguments than its specification, never for others. Hooks are synchronous: they run in worker
threads of the agent and may block for as long as the caller's deadline allows.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

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

PROJECT = "terway_edge"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Specifications in the order of a node's life."""

    # --- selection ---------------------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def terway_edge_select_backend(self, node: Node) -> Selection | None:
        """Called for a node that no configured node-pool rule matches, before the label defaults apply.

        :param node: the node whose pods want a backend.
        :returns: a Selection, or None for "not my concern".

        Stops at the first answer that is not None. Reaches every plugin.

        .. versionadded:: 0.1
        """

    # --- life ---------------------------------------------------------------------------------------------------

    @hookspec
    def terway_edge_start(self, view: NodeView) -> None:
        """Called before the first call of any other hook, and again when the node comes back to a backend after another
        one served it: all address pools are dropped then, so add those you need.

        Prepare what the node needs (pools, sysctls, tables); must be harmless when everything is already there.

        :param view: the node, its selection and the other nodes.
        :raises EdgeError: the plugin cannot work; it is reported, and the agent goes on without it unless the
            node's selection needs it.

        Reaches the selected backend, the active advertisers, and backends that still own leases.

        .. versionadded:: 0.1
        """

    @hookspec
    def terway_edge_stop(self, reason: StopReason) -> None:
        """Called once when the agent ends, in-flight calls drained, and by `terway-edge uninstall`, no start before.

        All plugins are called at once and have 4 seconds when the agent ends: what lasts longer is told in the log and
        left to itself.

        :param reason: UPGRADE: leave all kernel state as it is; UNINSTALL: remove everything of yours, by the marks
            that a process with no memory knows it by. Pods are unplugged afterwards.

        Reaches every started plugin, for UNINSTALL every plugin.

        .. versionadded:: 0.1
        """

    # --- one pod ------------------------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def terway_edge_allocate(
        self, sandbox: Sandbox, view: NodeView, deadline: float, cancelled: Callable[[], bool]
    ) -> Lease:
        """Called for CNI ADD: hold addresses for a sandbox.

        Idempotent per `sandbox.key`: a second call returns the same lease. `BackendContext.ipam` does all of this.

        :param sandbox: the sandbox that wants addresses.
        :param view: the node as last seen.
        :param deadline: seconds of `BackendContext.clock` by which the caller wants an answer.
        :param cancelled: tells, to the thread of the call, that nobody wants the answer any more: a DEL of the sandbox
            came in, or the caller went away. A backend that waits asks several times a second, and raises Retry.
        :returns: the lease, already in the store.
        :raises Retry: no address now (`after` says when), or a record could not be written.
        :raises Refused: never with this input.

        Reaches the selected backend only.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_attach(self, sandbox: Sandbox, lease: Lease, view: NodeView) -> Attachment:
        """Called after allocate: create the pod's link and make its addresses reachable on this node.

        Leaves nothing behind on failure. Is called again, after detach, for a sandbox whose first ADD was cut short.

        :param sandbox: as given to allocate; `netns` (or `netns_fd`) is valid during the call.
        :param lease: what allocate returned.
        :returns: what the CNI result needs.
        :raises EdgeError: nothing was changed.

        Reaches the backend named by `lease.backend`.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_check(self, sandbox: Sandbox, lease: Lease, repair: bool) -> Sequence[Discrepancy]:
        """Called for CNI CHECK (repair=False) and by the drift repair (repair=True).

        :param sandbox: `netns` is empty when the call does not come from the runtime: then only the host side
            can be looked at.
        :param repair: mend what can be mended on the host side.
        :returns: what differs from the lease; empty if all is well. With repair, whether each was mended.

        Reaches the backend named by `lease.backend`.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_detach(self, sandbox: Sandbox, lease: Lease) -> None:
        """Called for CNI DEL, for roll-back and by garbage collection: make the addresses unreachable, drop the link.

        What is missing is success; twice is harmless. The namespace may be gone.

        Reaches the backend named by `lease.backend`.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_release(self, lease: Lease) -> None:
        """Called after detach: give the addresses back (they cool down before another pod gets them).

        A lease that is already released is success.

        :raises Retry: the release could not be recorded; the lease is still held.

        Reaches the backend named by `lease.backend`.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_audit(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Called by the drift repair every resync period, and when events of the kernel were lost: compare what pods
        need beside their links, routes and neighbour entries, which the agent compares itself.

        Look at all of them together, in a few dumps; put right what concerns the node as a whole.

        :param leases: those of this backend whose pods are plugged in and lack nothing else.
        :returns: those that lack something: check is called for each of them, with repair.

        Reaches each backend that has leases. Not needed by a backend that adds nothing to the shared datapath.

        .. versionadded:: 0.1
        """

    # --- routes -------------------------------------------------------------------------------------------------

    @hookspec
    def terway_edge_advertise(self, routes: RouteSet, view: NodeView) -> None:
        """Called with the whole desired set of routes, never a difference. Equal input twice must change
        nothing (but may compare).

        A plugin that is not selected is given the empty set, even without having been started: it may have been
        selected in an earlier life.

        Returning means the set was accepted; whether it is in force is told by report. Each advertiser is called
        from a thread of its own and always with the newest set: a slow one delays nobody. An exception is logged
        and the same set is given again later.

        :param routes: every route this node should know; `in_sync` False means: add, but prune nothing yet.
        :param view: the node and its neighbours from which the set was computed.

        Reaches every plugin that has this hook.

        .. versionadded:: 0.1
        """

    @hookspec
    def terway_edge_report(self) -> Report:
        """Called for `terway-edge status`, metrics and after each cycle: the state of this plugin.

        Reaches every active plugin.

        .. versionadded:: 0.1
        """

    # --- observers ----------------------------------------------------------------------------------------------

    @hookspec
    def terway_edge_lease_granted(self, lease: Lease) -> None:
        """Called after a pod is plugged in. An exception is logged and silences no other observer.

        Reaches every plugin.

        .. versionadded:: 0.1
        """

    @hookspec
    def terway_edge_lease_released(self, lease: Lease) -> None:
        """Called after a lease was given back. An exception is logged and silences no other observer.

        Reaches every plugin.

        .. versionadded:: 0.1
        """

    @hookspec
    def terway_edge_cycle_done(self, routes: RouteSet, view: NodeView) -> None:
        """Called after a set of routes was computed and handed to the advertisers: what concerns this node has changed.

        :param view: the node and its neighbours from which the set was computed.

        Reaches every plugin.

        .. versionadded:: 0.1
        """

    # --- extensions ---------------------------------------------------------------------------------------------

    @hookspec
    def terway_edge_cli(self, parser: ArgumentParser) -> None:
        """Called when the command line is built: add sub-commands under the plugin's own name.

        :param parser: a parser of its own for each plugin; set `run` with `set_defaults`, a function of the parsed
            arguments that returns the exit code. The arguments have `ask`, a function of words that gives what the
            running agent's plugin answers them (the query hook), or raises Refused.

        Reaches every plugin, as a class-level hook: it must be a static method.

        .. versionadded:: 0.1
        """

    @hookspec(firstresult=True)
    def terway_edge_query(self, words: Sequence[str]) -> Mapping[str, Any]:
        """Called for a question of the plugin's own commands (the cli hook).

        :param words: the question, one word at least.
        :returns: the answer, a mapping that JSON can carry.
        :raises Refused: there is no such question; the message says which there are.

        Reaches the plugin that was asked.

        .. versionadded:: 0.1
        """

    @hookspec
    def terway_edge_metrics(self, registry: CollectorRegistry) -> None:
        """Called once at start: register the plugin's own Prometheus collectors.

        Reaches every plugin.

        .. versionadded:: 0.1
        """
