"""Removing everything of ours from a node, by the marks that a process with no memory knows it by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from terway_edge.agent.clock import BootClock
from terway_edge.agent.directories import remove_directory
from terway_edge.agent.events import LoggedEvents
from terway_edge.agent.instance import instance_lock
from terway_edge.agent.leaving import Told, remove_routes, routes_of_ours, stop_plugins, unplug_pods
from terway_edge.agent.sources import open_source
from terway_edge.agent.store import open_journal
from terway_edge.cni.installer import uninstall
from terway_edge.core.config import Settings
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import KernelError
from terway_edge.core.ipam import Ipam
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE
from terway_edge.core.plugins import find_plugins
from terway_edge.core.plumbing import Plumbing
from terway_edge.core.ports import ClusterSource, Kernel, StatusEntry

if TYPE_CHECKING:
    from terway_edge.kernel.nft import NftFirewall

IN_RUN = ("cni.sock", "heartbeat", ".heartbeat.tmp", "agent.lock", "leases.*")
IN_STATE = ("leases.*", "bgp.json", "bgp.json.tmp", "eni.json", "eni.json.tmp")
IN_SPOOL = ("*.del", "*.bad", "*.tmp", ".lock")
IN_CACHE = ("*.json", ".*.tmp")


def uninstall_node(settings: Settings) -> Iterator[Told]:
    """What was removed and what stays, as it happens. Pods lose their network.

    Raises Refused while an agent runs, or if a directory is not the agent's alone; OSError, KernelError.
    """
    from terway_edge.kernel.linux import LinuxKernel
    from terway_edge.kernel.nft import NftFirewall

    with ExitStack() as stack:
        stack.enter_context(instance_lock(settings.run_dir, settings.state_dir))
        kernel = LinuxKernel(proc_sys_net=settings.proc_sys_net)
        stack.callback(kernel.close)
        firewall = NftFirewall()
        stack.callback(firewall.close)
        sources = stack.enter_context(ExitStack())
        context = _context(settings, kernel, firewall, open_source(settings, sources), stack)
        for path in uninstall(settings.cni.bin_dir, settings.cni.conf_dir, conf_name=settings.cni.conf_name):
            yield Told(f"removed {path}")
        routes = len(routes_of_ours(kernel))
        had_table = _has_table(firewall)
        yield from stop_plugins(find_plugins(settings.plugins.disabled), context)
        context.statuses.write_status(StatusEntry("Node", settings.node_name, NETWORK_UNAVAILABLE, None))
        yield unplug_pods(kernel)
        yield remove_routes(kernel, routes)
        yield from _remove_table(firewall, had_table)
        sources.close()  # what plugins wrote to the cluster gets there; then nothing writes into state_dir any more
        spool, cache = settings.state_dir / "spool", settings.state_dir / "cluster"
        for directory, ours in (
            (spool, IN_SPOOL),
            (cache, IN_CACHE),
            (settings.state_dir, IN_STATE),
            (settings.run_dir, IN_RUN),
        ):
            if line := remove_directory(directory, ours):
                yield Told(line)


def _context(
    settings: Settings, kernel: Kernel, firewall: NftFirewall, source: ClusterSource, stack: ExitStack
) -> BackendContext:
    """What plugins are built with: the leases as the last agent left them, the pools empty."""
    journal, stored = open_journal(settings)
    stack.callback(journal.close)
    clock = BootClock()
    ipam = Ipam(journal, clock, cooldown=settings.ipam.cooldown_seconds)
    ipam.load(stored)
    events = LoggedEvents(source)
    return BackendContext(
        settings.node_name,
        kernel,
        Plumbing(kernel),
        ipam,
        firewall,
        clock,
        events,
        source,
        settings,
        annotations=source,
    )


def _has_table(firewall: NftFirewall) -> bool:
    with suppress(KernelError):  # which remove() meets as well, and tells
        return firewall.is_present()
    return False


def _remove_table(firewall: NftFirewall, was_there: bool) -> Iterator[Told]:
    """Nothing is told of a table that was not there even before the plugins removed what is theirs."""
    try:
        firewall.remove()
    except KernelError as error:
        yield Told(f"nftables tables terway_edge may stay: {error}", is_done=False)
    else:
        if was_there:
            yield Told("removed nftables tables terway_edge")
