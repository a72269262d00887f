"""Removing everything of ours from a node, by the marks that a process with no memory knows it by."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.agent.instance import instance_lock
from terway_edge.cni.installer import uninstall
from terway_edge.core.config import Settings
from terway_edge.core.plans import HOST, PROTO, Change, FibRoute, Link, Plan, Rule, Step, Verb, Where


def uninstall_node(settings: Settings) -> Iterator[str]:
    """Yields a line for each thing removed. Pods lose their network. Raises Refused while an agent runs."""
    from terway_edge.kernel.linux import LinuxKernel
    from terway_edge.kernel.nft import NftFirewall

    with instance_lock(settings.run_dir):
        for path in uninstall(settings.cni.bin_dir, settings.cni.conf_dir, conf_name=settings.cni.conf_name):
            yield f"removed {path}"
        kernel = LinuxKernel()
        try:
            links = plugged_sandboxes(kernel.dump(Link))
            kernel.unplug(links)
            kernel.settle()
            yield f"removed {len(links)} pod links"
            routes: list[FibRoute | Rule] = [
                *kernel.dump(FibRoute, Where(proto=PROTO)),
                *kernel.dump(Rule, Where(proto=PROTO)),
            ]
            kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, item) for item in routes)),), atomic=False))
            yield f"removed {len(routes)} routes and rules"
        finally:
            kernel.close()
        NftFirewall().remove()
        yield "removed nftables table inet terway_edge"
    for directory in (settings.run_dir, settings.state_dir):
        with suppress(FileNotFoundError):
            shutil.rmtree(directory)
        yield f"removed {directory}"
