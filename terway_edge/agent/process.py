"""The agent as a process: real kernel, store and cluster source, until a signal ends it."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import ExitStack

from terway_edge.agent.agent import Agent
from terway_edge.agent.ending import end_on_signals
from terway_edge.agent.instance import instance_lock
from terway_edge.agent.recovery import doubts
from terway_edge.agent.sources import open_source
from terway_edge.agent.store import open_journal
from terway_edge.core import failpoints
from terway_edge.core.config import Settings
from terway_edge.kernel import core_files, heap
from terway_edge.kernel.linux import LinuxKernel
from terway_edge.kernel.nft import NftFirewall

log = logging.getLogger(__name__)

GIVE_BACK = 60.0  # seconds


def run(settings: Settings) -> int:
    """Be the agent until SIGTERM or SIGINT; the exit status."""
    core_files.leave_none()
    heap.prepare()
    failpoints.arm(os.environ)
    ended = end_on_signals()
    with ExitStack() as stack:
        # Held until the process ends, for what a stop leaves to itself may still work.
        instance_lock(settings.run_dir, settings.state_dir)
        store, stored = open_journal(settings)
        kernel = LinuxKernel(proc_sys_net=settings.proc_sys_net)
        stack.callback(kernel.close)
        if doubt := doubts(kernel, stored):
            store.distrust(doubt)
            stored = stored._replace(damage=doubt)
        source = open_source(settings, stack)
        firewall = NftFirewall()
        stack.callback(firewall.close)
        agent = Agent(settings, kernel, firewall, store, stored, source)
        stack.callback(agent.stop)
        agent.start()
        # What the start made lives as long as the agent: the collector need not look at it ever again.
        gc.collect()
        gc.freeze()
        # A cycle of routes makes a tuple for each of thousands of nodes, hardly any of which is garbage.
        gc.set_threshold(10_000, 20, 20)
        while not ended.wait(GIVE_BACK):
            heap.give_back()
        log.info("stopping; pods and routes stay as they are")
    return 0
