"""The kernel port in memory: stateful, strict, no root, no threads of its own.

It refuses what Linux refuses, with the same errno, and raises AssertionError for plans that break the rules of
core/plans.py. It can fail on purpose (`fail_next`, `fail_after`) and act as a stranger would (`foreign_*`, `set_link`,
`flush_routes`, `create_link`, `delete_netns`): strangers' changes reach subscribers before the call returns.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from terway_edge.core.addresses import Address
from terway_edge.core.errors import INVALID_NETNS, KernelError, Refused
from terway_edge.core.names import Key, is_own_link, link_name
from terway_edge.core.plans import (
    HOST,
    MAIN,
    Change,
    Failure,
    FibRoute,
    Item,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Plan,
    Rule,
    Sysctl,
    Verb,
    Veth,
    Where,
)
from terway_edge.core.ports import Closable, Dumped, Happening, KernelEvent
from terway_edge.testing.fake_links import LOOPBACK, FakeLink, add_veth
from terway_edge.testing.fake_netns import LOOPBACK_ADDRESSES, FakeNetns
from terway_edge.testing.fake_trace import Trace, follow
from terway_edge.testing.plan_rules import check, check_shape

Listener = Callable[[KernelEvent], None]
Match = Callable[[Change], bool]
FIRST_FD = 1_000_000  # no real descriptor is that high, so a mix-up shows


class FakeKernel:
    """`ports.Kernel` with a host namespace (lo up) and whatever else a test creates."""

    def __init__(self, *, unplug_at_once: bool = False) -> None:
        self.changes = 0
        """Changes of ours that were accepted: unchanged after a second, equal call means that nothing was sent."""
        self.pending: dict[Key, None] = {}
        """Sandboxes whose unplug was asked for and not done yet, oldest first."""
        self.conntrack: set[tuple[Address, Address]] = set()
        """Tracked connections, (source, destination) of each; only `foreign_flow` makes any."""
        self.released: set[Address] = set()
        """Addresses whose connections are to be forgotten and are not yet."""
        self._unplug_at_once = unplug_at_once
        self._lock = RLock()
        self._host = FakeNetns("")
        self._netns: dict[str, FakeNetns] = {"": self._host}
        self._descriptors: dict[int, str] = {}
        self._listeners: list[Listener] = []
        self._failures: list[tuple[int, Match, int]] = []
        self._host.set_up(self._host.link(LOOPBACK), True)
        self._host.consequences.clear()

    # --- the port ------------------------------------------------------------------------------------------------

    def apply(self, plan: Plan) -> tuple[Failure, ...]:
        check(plan)
        with self._telling():
            steps = [(self._at(step.netns), change) for step in plan.steps for change in step.changes]
            for _, change in steps:
                if isinstance(change.item, Veth):
                    self._at(change.item.netns)
            failures: list[Failure] = []
            for done, (netns, change) in enumerate(steps):
                try:
                    self._make_own(netns, change)
                except OSError as error:
                    number = error.errno or errno.EIO
                    if plan.atomic:
                        self._undo(steps[:done])
                        raise KernelError(_words(change, error), errno=number, item=change.item) from error
                    failures.append(Failure(change, number, error.strerror or ""))
            return tuple(failures)

    def dump(self, kind: type[Dumped], where: Where = Where()) -> list[Dumped]:  # noqa: B008 - an immutable tuple
        with self._lock:
            netns = self._at(where.netns)
            held: dict[type, Iterable[object]] = {
                FibRoute: netns.fib,
                Link: (link.shown for link in netns.links.values()),
                LinkAddress: netns.addresses,
                Neighbour: netns.neighbours.values(),
                Rule: netns.rules,
            }
            return [item for item in held[kind] if isinstance(item, kind) and _wanted(item, where)]

    def deviations(self, wanted: Iterable[Sysctl]) -> list[Sysctl]:
        with self._lock:
            return [each for each in wanted if self._host.deviates(each)]

    def prove(self, netns: Netns) -> None:
        with self._lock:
            if self._at(netns) is self._host:
                raise Refused("the pod's network namespace is the node's own", code=INVALID_NETNS)

    def unplug(self, keys: Iterable[Key]) -> None:
        with self._lock:
            self.pending.update(dict.fromkeys(keys))
        if self._unplug_at_once:
            self.settle()

    def forget(self, addresses: Iterable[Address]) -> None:
        with self._lock:
            self.released.update(addresses)
        if self._unplug_at_once:
            self.settle()

    def settle(self) -> None:
        with self._telling():
            for key in list(self.pending):
                self._finish_unplug(key)
            self.conntrack = {ends for ends in self.conntrack if self.released.isdisjoint(ends)}
            self.released.clear()

    def subscribe(self, listener: Listener) -> Closable:
        with self._lock:
            self._listeners.append(listener)
        return Subscription(self._listeners, listener)

    def close(self) -> None:
        """Nothing to give back; here because the real kernel has it."""

    # --- the world around ----------------------------------------------------------------------------------------

    def create_netns(self, path: str) -> None:
        with self._lock:
            assert path not in self._netns, f"{path} exists"
            self._netns[path] = FakeNetns(path)

    def delete_netns(self, path: str) -> None:
        """The namespace goes with its links; so do the other ends of its veths, as a stranger's doing."""
        with self._telling():
            netns = self._netns.pop(path)
            for link in [link for link in netns.links.values() if not link.loopback]:
                self._delete(link)

    def netns_fd(self, path: str) -> int:
        """A stand-in for an open descriptor of a namespace, for `Sandbox.netns_fd`."""
        number = FIRST_FD + len(self._descriptors)
        self._descriptors[number] = path
        return number

    def create_link(self, name: str, *, ifindex: int = 0, mtu: int = 1500, up: bool = True, alias: str = "") -> Link:
        """A link in the host namespace that somebody else made, such as an uplink or a hot-plugged ENI."""
        with self._telling():
            number = ifindex or max(self._host.links) + 1
            link = FakeLink(self._host, number, name, b"\x52\x54\0" + number.to_bytes(3, "big"), mtu, alias=alias)
            self._host.links[number] = link
            self._host.set_up(link, up)
            self._host.tell_link(link)
            return link.shown

    def delete_link(self, name: str) -> None:
        with self._telling():
            self._delete(self._named(name))

    def set_link(self, name: str, *, up: bool) -> None:
        """A stranger sets a link of the host namespace up or down."""
        self._make_foreign(HOST, Change(Verb.REPLACE, LinkSetting(self._named(name).ifindex, up=up)))

    def foreign_add(self, item: Item, netns: Netns = HOST) -> None:
        self._make_foreign(netns, Change(Verb.ADD, item))

    def foreign_replace(self, item: Item, netns: Netns = HOST) -> None:
        self._make_foreign(netns, Change(Verb.REPLACE, item))

    def foreign_remove(self, item: Item, netns: Netns = HOST) -> None:
        self._make_foreign(netns, Change(Verb.REMOVE, item))

    def foreign_flow(self, source: Address, destination: Address) -> None:
        """A packet between others passes and is tracked."""
        self.conntrack.add((source, destination))

    def flush_routes(self, *, table: int = MAIN, family: int = 4) -> None:
        """What `ip route flush table N` does."""
        for route in self.dump(FibRoute, Where(table=table, family=family)):
            self.foreign_remove(route)

    def overrun(self) -> None:
        """Tell subscribers that events were lost."""
        with self._telling():
            self._host.consequences.append(KernelEvent(Happening.OVERRUN))

    # --- failures ------------------------------------------------------------------------------------------------

    def fail_next(self, match: Match = lambda change: True, *, errno: int) -> None:
        """Refuse the next change of ours that matches, once."""
        self._failures.append((0, match, errno))

    def fail_after(self, changes: int, errno: int) -> None:
        """Let so many further changes of ours pass, then refuse one."""
        self._failures.append((self.changes + changes, lambda change: True, errno))

    # --- looking -------------------------------------------------------------------------------------------------

    def sysctl(self, path: str, netns: Netns = HOST) -> str:
        """The present value. Raises OSError ENOENT for a file that is not there."""
        return self._at(netns).sysctl(path)

    def trace(self, netns: Netns, to: Address) -> Trace:
        """Where a packet from this namespace to this address ends."""
        with self._lock:
            return follow(self._at(netns), to)

    def snapshot(self) -> frozenset[tuple[str, object]]:
        """(namespace path, thing) for everything there is; the difference of two tells what was left behind.

        A pod's own loopback is left out: setting it up is the one thing that a failed plan does not undo.
        """
        with self._lock:
            return frozenset((path, thing) for path, netns in self._netns.items() for thing in _things(netns))

    # --- inside --------------------------------------------------------------------------------------------------

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Hold the lock, then, without it, tell subscribers what happened in the host namespace."""
        try:
            with self._lock:
                yield
        finally:
            with self._lock:
                events = self._host.consequences[:]
                for netns in self._netns.values():
                    netns.consequences.clear()
                listeners = self._listeners[:]
            for event in events:
                for listener in listeners:
                    listener(event)

    def _at(self, netns: Netns) -> FakeNetns:
        path = self._descriptors.get(netns) if isinstance(netns, int) else netns
        if path is None or path not in self._netns:
            raise Refused(f"{netns!r} is no network namespace of this FakeKernel", code=INVALID_NETNS)
        return self._netns[path]

    def _named(self, name: str) -> FakeLink:
        link = self._host.link_named(name)
        assert link is not None, f"the host has no link {name}"
        return link

    def _make_own(self, netns: FakeNetns, change: Change) -> None:
        for failure in self._failures:
            passing, match, number = failure
            if self.changes >= passing and match(change):
                self._failures.remove(failure)
                raise OSError(number, "refused because a test asked for it")
        self._make(netns, change)
        self.changes += 1

    def _make(self, netns: FakeNetns, change: Change) -> KernelEvent | None:
        if not isinstance(change.item, Veth):
            return netns.make(change)
        for key in self.pending:
            if link_name(key) == change.item.name:
                self._finish_unplug(key)
                break
        return KernelEvent(Happening.LINK_CHANGED, add_veth(netns, self._at(change.item.netns), change.item))

    def _make_foreign(self, netns: Netns, change: Change) -> None:
        check_shape(change)
        with self._telling():
            event = self._make(self._at(netns), change)
            if event is not None:
                self._at(netns).consequences.append(event)

    def _undo(self, done: list[tuple[FakeNetns, Change]]) -> None:
        for netns, (verb, item) in reversed(done):
            if isinstance(item, Veth):
                self._delete(netns.link(item.link))
            elif verb is Verb.ADD:
                netns.make(Change(Verb.REMOVE, item))

    def _finish_unplug(self, key: Key) -> None:
        del self.pending[key]
        link = self._host.link_named(link_name(key))
        if link is not None and is_own_link(link.name, link.alias):
            self._delete(link)

    def _delete(self, link: FakeLink) -> None:
        for end in (link, link.peer):
            if end is not None:
                end.netns.remove_link(end)


class Subscription:
    def __init__(self, listeners: list[Listener], listener: Listener) -> None:
        self._listeners, self._listener = listeners, listener

    def close(self) -> None:
        if self._listener in self._listeners:
            self._listeners.remove(self._listener)


def _wanted(item: object, where: Where) -> bool:
    prefix_or_address = getattr(item, "prefix", None) or getattr(item, "address", None) or item
    filters = (
        (where.family or None, getattr(prefix_or_address, "family", None)),
        (where.table, getattr(item, "table", None)),
        (where.proto, getattr(item, "proto", None)),
        (where.link or None, getattr(item, "link", None)),
    )
    return all(wanted is None or has is None or wanted == has for wanted, has in filters)


def _things(netns: FakeNetns) -> Iterator[object]:
    yield from (link.shown for link in netns.links.values() if not link.loopback)
    yield from (address for address in netns.addresses if address not in LOOPBACK_ADDRESSES)
    yield from netns.neighbours.values()
    yield from netns.fib
    yield from netns.rules
    yield from netns.sysctls.written()
    yield from netns.shaping.values()


def _words(change: Change, error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0, "errno")
    return f"cannot {change.verb.name.lower()} {change.item}: {name} ({error.strerror})"
