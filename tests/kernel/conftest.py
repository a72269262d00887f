"""Worlds in which the same contract tests run: the fake kernel, and the real one with each of its encoders.

Every world has a host namespace of its own with lo up and an uplink `up0` that is up with carrier and holds
192.0.2.1/24 and 2001:db8::1/64, and pod namespaces on demand.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.plans import (
    HOST,
    FibRoute,
    Item,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    RouteKind,
    Rule,
    Sysctl,
    Verb,
    Where,
)
from terway_edge.testing import FakeKernel
from tests.kernel.contract import Watcher

UPLINK, SPARE = 10, 11
HOST_ADDRESSES = (
    LinkAddress(UPLINK, Address.parse("192.0.2.1"), 24),
    LinkAddress(UPLINK, Address.parse("2001:db8::1"), 64),
)
ENDS = re.compile(r"(?:src|dst)=(\S+)")
_serial = itertools.count()


class FakeWorld:
    """The twin under test; strangers act through its own methods."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.kernel.create_link("up0", ifindex=UPLINK)
        self.kernel.create_link("spare0", ifindex=SPARE)
        for address in HOST_ADDRESSES:
            self.kernel.foreign_add(address)

    def create_netns(self) -> str:
        path = f"/run/netns/pod{next(_serial)}"
        self.kernel.create_netns(path)
        return path

    def delete_netns(self, path: str) -> None:
        self.kernel.delete_netns(path)

    def foreign(self, verb: Verb, item: Item, netns: Netns = HOST) -> None:
        acts = {
            Verb.ADD: self.kernel.foreign_add,
            Verb.REPLACE: self.kernel.foreign_replace,
            Verb.REMOVE: self.kernel.foreign_remove,
        }
        acts[verb](item, netns)

    def foreign_link(self, name: str, ifindex: int, alias: str = "") -> None:
        self.kernel.create_link(name, ifindex=ifindex, alias=alias)

    def set_link(self, name: str, *, up: bool) -> None:
        self.kernel.set_link(name, up=up)

    def delete_link(self, name: str) -> None:
        self.kernel.delete_link(name)

    def track(self, source: str, destination: str) -> None:
        self.kernel.foreign_flow(Address.parse(source), Address.parse(destination))

    def tracked(self) -> set[tuple[str, str]]:
        return {(str(source), str(destination)) for source, destination in self.kernel.conntrack}

    def reaches(self, netns: Netns, to: Address) -> bool:
        return self.kernel.trace(netns, to).arrived

    def sysctl(self, path: str, netns: Netns = HOST) -> str:
        return self.kernel.sysctl(path, netns)

    def picture(self) -> frozenset[object]:
        return self.kernel.snapshot()

    def close(self) -> None:
        self.kernel.close()


class RealWorld:
    """Namespaces of this machine's kernel; strangers act through ip(8)."""

    def __init__(self, encoder: str) -> None:
        self._names: list[str] = []
        self.kernel = None
        try:
            self._host = self._create()
            wire = self._create()
            commands = f"link set lo up\nlink add up0 index {UPLINK} type veth peer name wire0 netns {wire}\n"
            commands += f"link add spare0 index {SPARE} type veth peer name wire1 netns {wire}\n"
            commands += "link set up0 up\nlink set spare0 up\naddr add 192.0.2.1/24 dev up0\n"
            self._ip(commands + "addr add 2001:db8::1/64 dev up0 nodad\n", HOST)
            self._ip("link set wire0 up\nlink set wire1 up\n", f"/run/netns/{wire}")
            self.kernel = self._linux_kernel(encoder)
        except BaseException:
            self.close()
            raise

    def _linux_kernel(self, encoder: str):
        from terway_edge.kernel import LinuxKernel

        return LinuxKernel(netns=f"/run/netns/{self._host}", encoder=encoder)

    def create_netns(self) -> str:
        return f"/run/netns/{self._create()}"

    def delete_netns(self, path: str) -> None:
        name = os.path.basename(path)
        self._names.remove(name)
        _run("ip", "netns", "delete", name)

    def foreign(self, verb: Verb, item: Item, netns: Netns = HOST) -> None:
        if isinstance(item, Sysctl):
            _run(*self._enter(netns), "tee", f"/proc/sys/net/{item.path}", text=item.value)
        else:
            _run(*self._enter(netns), "ip", *_words(verb, item))

    def foreign_link(self, name: str, ifindex: int, alias: str = "") -> None:
        self._ip(f"link add {name} index {ifindex} up type bridge\n", HOST)
        if alias:
            self._ip(f'link set {name} alias "{alias}"\n', HOST)

    def set_link(self, name: str, *, up: bool) -> None:
        self._ip(f"link set {name} {'up' if up else 'down'}\n", HOST)

    def delete_link(self, name: str) -> None:
        self._ip(f"link delete {name}\n", HOST)

    def track(self, source: str, destination: str, zone: int = 0) -> None:
        """Put a connection into the host's table."""
        words = ["-I", "-s", source, "-d", destination, "-w", str(zone)]
        self.run("conntrack", *words, "-p", "udp", "--sport", "5000", "--dport", "53", "-t", "60")

    def tracked(self) -> set[tuple[str, str]]:
        """(source, destination), before translation, of each connection in the host's table."""
        tables = [self.run("conntrack", "-L", "-f", family) for family in ("ipv4", "ipv6")]
        return {tuple(ENDS.findall(line)[:2]) for table in tables for line in table.splitlines()}

    def run(self, *command: str, text: str = "") -> str:
        """Run a command on the host; its output."""
        return _run(*self._enter(HOST), *command, text=text)

    def reaches(self, netns: Netns, to: Address) -> bool:
        ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", str(to)]
        # Twice: on a busy machine the kernel takes up to a second to notice the carrier of a new link.
        return any(
            subprocess.run([*self._enter(netns), *ping], capture_output=True, check=False).returncode == 0
            for _ in range(2)
        )

    def sysctl(self, path: str, netns: Netns = HOST) -> str:
        return _run(*self._enter(netns), "cat", f"/proc/sys/net/{path}").strip()

    def picture(self) -> frozenset[object]:
        """Everything a dump shows, but for what the kernel does on its own account: link-local addresses, their
        connected routes, carrier, and a pod's own lo."""
        return frozenset((netns, thing) for netns in [HOST, *self._pods()] for thing in self._things(netns))

    def close(self) -> None:
        try:
            if self.kernel is not None:
                self.kernel.close()
        finally:
            for name in self._names:
                _run("ip", "netns", "delete", name)

    def _create(self) -> str:
        name = f"twt-{os.getpid()}-{next(_serial)}"
        _run("ip", "netns", "add", name)
        self._names.append(name)
        return name

    def _pods(self) -> list[str]:
        return [f"/run/netns/{name}" for name in self._names[2:]]

    def _things(self, netns: Netns) -> Iterator[object]:
        where = Where(netns=netns)
        yield from (link._replace(carrier=False) for link in self.kernel.dump(Link, where) if not link.loopback)
        yield from (a for a in self.kernel.dump(LinkAddress, where) if a.link != 1 and not _link_local(a.address))
        yield from self.kernel.dump(Neighbour, where)
        yield from (r for r in self.kernel.dump(FibRoute, where) if not _link_local(r.prefix.address))
        yield from self.kernel.dump(Rule, where)

    def _enter(self, netns: Netns) -> list[str]:
        return ["nsenter", f"--net={netns or f'/run/netns/{self._host}'}", "--"]

    def _ip(self, commands: str, netns: Netns) -> None:
        _run(*self._enter(netns), "ip", "-batch", "-", text=commands)


World = FakeWorld | RealWorld
REAL = [pytest.param(name, marks=pytest.mark.root) for name in ("packed", "pyroute2")]


@pytest.fixture(params=["fake", *REAL])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = FakeWorld() if request.param == "fake" else RealWorld(request.param)
    yield made
    made.close()


@pytest.fixture
def kernel(world: World):
    return world.kernel


@pytest.fixture
def pod_netns(world: World) -> Callable[[], str]:
    return world.create_netns


@pytest.fixture
def uplink(world: World) -> int:
    return UPLINK


@pytest.fixture
def watcher(kernel) -> Iterator[Watcher]:
    made = Watcher(kernel)
    yield made
    made.subscription.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition that another thread brings about; fails after two seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 2
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.002)

    return wait


@pytest.fixture
def real_world() -> Iterator[RealWorld]:
    made = RealWorld("packed")
    yield made
    made.close()


@pytest.fixture
def fake_world() -> FakeWorld:
    return FakeWorld()


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} (input: {text!r})"
    return done.stdout


def _link_local(address: Address) -> bool:
    return address.family == 6 and address.value >> 118 == 0xFE80 >> 6


def _words(verb: Verb, item: Item) -> list[str]:
    """The arguments of ip(8) that make a change; links are named by index (`if10`)."""
    word = {Verb.ADD: "add", Verb.REPLACE: "replace", Verb.REMOVE: "del"}[verb]
    match item:
        case FibRoute(prefix, via, link, onlink, kind, metric, table, proto, src):
            words = ["route", word, *(["unreachable"] if kind is RouteKind.UNREACHABLE else []), str(prefix)]
            words += ["via", str(via)] if via else []
            words += ["dev", f"if{link}"] if link else []
            words += ["src", str(src)] if src else []
            words += ["metric", str(metric)] if metric else []
            words += ["table", str(table), "proto", str(proto), *(["onlink"] if onlink else [])]
        case Neighbour(link, address, mac):
            words = ["neigh", word, str(address), "lladdr", mac.hex(":"), "dev", f"if{link}", "nud", "permanent"]
        case LinkAddress(link, address, length):
            words = [
                "addr",
                word,
                f"{address}/{length}",
                "dev",
                f"if{link}",
                *(["nodad"] if address.family == 6 else []),
            ]
        case LinkSetting(link=link, up=up):
            words = ["link", "set", f"if{link}", "up" if up else "down"]
        case Rule(priority, table, src, dst, family, proto):
            words = [f"-{family}", "rule", word, "pref", str(priority), "lookup", str(table), "proto", str(proto)]
            words += ["from", str(src)] if src else []
            words += ["to", str(dst)] if dst else []
        case _:
            raise AssertionError(f"ip(8) is not taught {item}")
    return words
