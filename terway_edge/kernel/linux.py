"""The kernel port on a real Linux kernel."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from terway_edge.core.addresses import Address
from terway_edge.core.names import Key
from terway_edge.core.plans import HOST, Failure, Netns, Plan, Sysctl, Veth, Where
from terway_edge.core.ports import Closable, Dumped, KernelEvent
from terway_edge.kernel import link_conf, packed, sysctls
from terway_edge.kernel.applying import Applier
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.dumps import dump
from terway_edge.kernel.monitor import Monitor
from terway_edge.kernel.netlink import NetlinkSocket, broken
from terway_edge.kernel.netns import inside, open_netns, open_pods
from terway_edge.kernel.packed import Encode
from terway_edge.kernel.reaper import Reaper
from terway_edge.kernel.sockets import HostSockets

WHERE_ALL = Where()
MANY = 100
"""Sysctls that are read by a dump of the links, as far as it tells of them."""


class LinuxKernel:
    """`ports.Kernel` for one network namespace, called the host's here.

    Threads may call anything at any time, whichever namespace they are in. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to
    enter pods' namespaces.
    """

    def __init__(
        self,
        netns: Netns = HOST,
        *,
        encoder: Literal["packed", "pyroute2"] = "packed",
        proc_sys_net: Path = sysctls.ROOT,
    ) -> None:
        """Raises Refused if `netns` (a path, a descriptor or HOST, the calling thread's) is not a namespace.

        :param proc_sys_net: where the sysctls of the network can be written
        """
        self._netns = open_netns(netns)
        self._sockets = HostSockets(self._netns)
        self._departing = Departing()
        self._proc_sys_net = proc_sys_net
        self._applier = Applier(self._sockets, self._departing, _encoder(encoder), proc_sys_net)
        self._reaper = Reaper(self._sockets, self._departing, self._is_plugging)
        self._monitor: Monitor | None = None
        self._watching = threading.Lock()
        self._lock = threading.Lock()
        self._plugging = 0

    def apply(self, plan: Plan) -> tuple[Failure, ...]:
        """As the port says. A veth whose index is taken, here or in the pod's namespace, raises KernelError with errno
        EBUSY (choose another index); one whose name is taken, with EEXIST."""
        if not plan.atomic:
            return self._applier.apply(plan)
        for name in _veths(plan):
            self._reaper.finish(name)
        with self._lock:
            self._plugging += 1
        try:
            return self._applier.apply(plan)
        finally:
            with self._lock:
                self._plugging -= 1

    def dump(self, kind: type[Dumped], where: Where = WHERE_ALL) -> list[Dumped]:
        if where.netns == HOST:
            with self._sockets.lend() as endpoint:
                return dump(endpoint, kind, where)
        netns = open_netns(where.netns)
        try:
            endpoint = inside(netns, NetlinkSocket)
        finally:
            os.close(netns)
        try:
            return dump(endpoint, kind, where)
        finally:
            endpoint.close()

    def deviations(self, wanted: Iterable[Sysctl]) -> list[Sysctl]:
        every = list(wanted)
        told: link_conf.Told = {}
        if len(every) > MANY:
            with self._sockets.lend() as endpoint:
                told = link_conf.told(endpoint)
        return inside(self._netns, lambda: [each for each in every if self._deviates(each, told)])

    def prove(self, netns: Netns) -> None:
        os.close(open_pods(netns, self._sockets.identity))

    def unplug(self, keys: Iterable[Key]) -> None:
        self._reaper.unplug(keys)

    def forget(self, addresses: Iterable[Address]) -> None:
        self._reaper.forget(addresses)

    def settle(self) -> None:
        self._reaper.settle()

    def subscribe(self, listener: Callable[[KernelEvent], None]) -> Closable:
        with self._watching:
            if self._monitor is None:
                self._monitor = Monitor(self._sockets, self._departing)
            return self._monitor.listen(listener)

    def close(self) -> None:
        """Finish what was asked for, end all threads, close all descriptors. No other call may be under way."""
        if self._monitor is not None:
            self._monitor.close()
        self._reaper.close()
        self._applier.close()
        self._sockets.close()
        if self._netns >= 0:
            os.close(self._netns)
            self._netns = -1

    def _deviates(self, sysctl: Sysctl, told: link_conf.Told) -> bool:
        found = link_conf.value(sysctl, told)
        if found is not None:
            return sysctls.differs(sysctl, found)
        try:
            return sysctls.deviates(sysctl, self._proc_sys_net)
        except OSError as error:
            raise broken(f"cannot read sysctl {sysctl.path}", error) from error

    def _is_plugging(self) -> bool:
        return self._plugging > 0


def _veths(plan: Plan) -> list[str]:
    return [item.name for step in plan.steps for _, item in step.changes if type(item) is Veth]


def _encoder(name: str) -> Encode:
    if name == "packed":
        return packed.encode
    from terway_edge.kernel import pyroute

    return pyroute.encode
