"""The inside of an agent on the kernel's twin: all is real but the kernel, the clock, the socket and the cluster."""

import threading
import time
from importlib.metadata import EntryPoint

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.gc import Collector, LostSandboxes
from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.mending import Mending, parts_of
from terway_edge.agent.repair import Repair
from terway_edge.agent.service import Node as ServiceNode
from terway_edge.agent.service import Service
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.config import Settings
from terway_edge.core.context import BackendContext
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.errors import EdgeError
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Node, NodeView, Sandbox, Selection, Uplink
from terway_edge.core.names import link_name
from terway_edge.core.plans import Link, LinkAddress
from terway_edge.core.plugins import GROUP, build_plugins, find_plugins
from terway_edge.core.plumbing import Plumbing
from terway_edge.testing import FakeClock, FakeKernel, MemoryFirewall, MemoryStore, RecordedEvents, RecordedStatuses

FLANNEL = EntryPoint("flannel_route", "terway_edge.backends.flannel_route:FlannelRoute", GROUP)
CIDRS = ("10.0.0.0/28", "fd00::/124")
HOST_ADDRESS = Address.parse("192.0.2.10")
GRACE = 120.0
WAIT = 10.0  # seconds a test waits for a thread before it fails


def make_kernel(**options):
    """A twin whose host has an uplink with an address."""
    kernel = FakeKernel(**options)
    uplink = kernel.create_link("up0")
    kernel.foreign_add(LinkAddress(uplink.ifindex, HOST_ADDRESS, 24))
    return kernel


def eventually(condition, what="the condition", timeout=WAIT):
    """Wait for what another thread or process brings about; returns the condition's value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(0.005)
    return value


class Caller:
    """A caller who goes away when `gone` is asked for the `leaves_at`th time, and may refuse the answer."""

    def __init__(self, leaves_at=None, takes=True):
        self.asked = 0
        self.answers = []
        self._leaves_at, self._takes = leaves_at, takes

    def gone(self):
        self.asked += 1
        return self._leaves_at is not None and self.asked >= self._leaves_at

    def keeps_waiting(self):
        return not self.gone()

    def deliver(self, attachment):
        if self._takes:
            self.answers.append(attachment)
        return self._takes


class Rig:
    """One process' worth of agent; `restarted` builds the next one on the same kernel and store."""

    def __init__(
        self, kernel=None, clock=None, store=None, stored=None, *, cidrs=CIDRS, locks=None, firewall=None, **settings
    ):
        self.kernel = make_kernel(unplug_at_once=True) if kernel is None else kernel
        self.clock = clock or FakeClock()
        self.store = store or MemoryStore()
        self.locks = locks or SandboxLocks()
        self.settings = Settings(node_name="n1", **settings)
        self.ipam = Ipam(self.store, self.clock, cooldown=self.settings.ipam.cooldown_seconds, lock=threading.Lock())
        self.ipam.load(self.store.stored if stored is None else stored)
        self.plumbing = Plumbing(self.kernel)
        self.events, self.firewall, self.telemetry = RecordedEvents(), firewall or MemoryFirewall(), Telemetry()
        self.statuses = RecordedStatuses()
        self.conditions = Conditions(self.events)
        self.failures = []
        self.pokes = 0
        context = BackendContext(
            "n1",
            self.kernel,
            self.plumbing,
            self.ipam,
            self.firewall,
            self.clock,
            self.events,
            self.statuses,
            self.settings,
        )
        self.manager, _ = build_plugins(find_plugins(candidates=[FLANNEL]), context)
        self.dispatcher = Dispatcher(self.manager, lambda *failure: self.failures.append(failure))
        self.why_not = ""
        self.set_cidrs(cidrs)
        self.dispatcher.start("flannel_route", self.view)
        self.ports = HostPorts(self.kernel, self.firewall, lock=threading.Lock())
        self.ports.restore(self.ipam.leases())
        self.sources = SourceGuard(self.firewall, on=self.settings.cni.anti_spoofing, lock=threading.Lock())
        self.sources.restore(self.ipam.leases())
        self.service = Service(
            *(self.dispatcher, self.ipam, self.kernel, self.plumbing, self.clock, self._node, self.locks),
            self.ports,
            self.sources,
        )
        self.mending = Mending(
            *(self.kernel, self.ipam, self.clock, self.telemetry, self.locks, self.plumbing.settings),
            parts_of(self.firewall, self.sources, self.ports),
        )
        self.mending.hurry = self.mending.mend_noted  # the twin tells when all is done: there is nothing to wait for
        self.repair = Repair(
            self.kernel,
            self.ipam,
            self.dispatcher,
            self.clock,
            self.telemetry,
            self.locks,
            self.mending,
            self.conditions,
            lambda: self.view,
            self._poked,
        )
        lost = LostSandboxes(GRACE, exists=self.netns_exists)
        self.collector = Collector(self.kernel, self.ipam, self.service, self.clock, lost)
        self._watch = self.kernel.subscribe(self.repair.on_event)

    def _node(self):
        return ServiceNode(self.view, self.why_not)

    def _poked(self):
        self.pokes += 1

    def set_cidrs(self, cidrs):
        """What the cluster says of this node's pod CIDRs from now on."""
        uplink = next(link for link in self.kernel.dump(Link) if link.name == "up0")
        self.view = NodeView(
            Node("n1", {}, (HOST_ADDRESS,), tuple(map(Prefix.parse, cidrs))),
            Selection("flannel_route", ("flannel_route",), "lan"),
            uplink=Uplink(uplink.ifindex, "up0", uplink.mtu, ((HOST_ADDRESS, 24),)),
        )

    def die(self):
        """SIGKILL: nothing is tidied up; only the dead process' ears are taken off the twin."""
        self._watch.close()

    def restarted(self, store=None, stored=None, cidrs=None):
        """The next process, on the same kernel and clock; what was pending in memory is forgotten."""
        self.die()
        self.kernel.pending.clear()
        self.kernel.released.clear()
        return Rig(
            self.kernel,
            self.clock,
            store or self.store,
            stored,
            cidrs=cidrs or tuple(map(str, self.view.node.pod_cidrs)),
            firewall=self.firewall,
        )

    # --- what a runtime does ---------------------------------------------------------------------------------------

    def sandbox(self, name, ifname="eth0", ports=()):
        return Sandbox(name, ifname, f"/run/netns/{name}", "default", name, f"uid-{name}", ports=ports)

    def netns_exists(self, path):
        return path in self.kernel._netns  # the twin has no files to look for

    def create(self, name):
        if not self.netns_exists(f"/run/netns/{name}"):
            self.kernel.create_netns(f"/run/netns/{name}")

    def add(self, name, caller=None, ports=()):
        """ADD; the result the runtime gets. Raises what the service raises."""
        self.create(name)
        caller = caller or Caller()
        self.service.add(self.sandbox(name, ports=ports), caller, self.clock.now() + 60, caller.deliver)
        return caller.answers[0]

    def delete(self, name):
        self.service.delete(self.sandbox(name), self.clock.now() + 25)

    def check(self, name):
        return self.service.check(self.sandbox(name), self.clock.now() + 5)[1]

    def collect(self, *names):
        return self.service.collect({(name, "eth0") for name in names}, self.clock.now() + 20)

    def collect_lost(self):
        """One round of our own garbage collection."""
        self.collector.run()

    # --- looking ---------------------------------------------------------------------------------------------------

    def lease(self, name):
        return self.ipam.get((name, "eth0"))

    def link(self, name):
        """The host link of a sandbox, or None."""
        wanted = link_name((name, "eth0"))
        return next((link for link in self.kernel.dump(Link) if link.name == wanted), None)

    def reaches(self, name):
        lease = self.lease(name)
        return all(self.kernel.trace("", address).arrived for address in lease.addresses)

    def nothing_of(self, name):
        """True if neither lease nor link of a sandbox is left."""
        return self.lease(name) is None and self.link(name) is None

    def assert_pools_add_up(self):
        for pool in self.ipam.pools():
            usage = self.ipam.usage(pool)
            assert usage.free + usage.used + usage.cooling + usage.reserved + usage.unavailable == usage.size


class InThread:
    """A call in a thread of its own; `result` waits for it."""

    def __init__(self, work):
        self._work, self.error = work, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._work()
        except EdgeError as error:
            self.error = error

    def join(self):
        self._thread.join(WAIT)
        assert not self._thread.is_alive(), "the call does not end"
        return self.error

    @property
    def running(self):
        return self._thread.is_alive()
