"""Unplugging: veths deleted in the background, many at the cost of one.

RTM_DELLINK waits 16-20 ms for an RCU barrier without using the CPU. One RTM_DELLINK for a *group* of links waits once,
so links are marked with a group number of this process and deleted together. A slice is small while pods are being
plugged in, because deleting a group holds the lock that they need.

Connections of the addresses are forgotten when no link waits any more: a pod whose link is there may still start some,
and one reading of the table serves a whole burst.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from errno import ENODEV
from itertools import islice

from terway_edge.core.addresses import Address
from terway_edge.core.names import Key, link_alias, link_macs, link_name
from terway_edge.core.plans import Link, Where
from terway_edge.kernel import decode, links
from terway_edge.kernel.alarm import AT_ONCE, Alarm
from terway_edge.kernel.conntrack import Conntrack
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.dumps import dump
from terway_edge.kernel.netlink import NetlinkSocket
from terway_edge.kernel.sockets import HostSockets

COLLECT = 0.05  # seconds to wait for more
SLICE = 32
SLICE_WHILE_PLUGGING = 8
GROUP_TRIES = 3

_log = logging.getLogger(__name__)


class Reaper:
    """Deletes host links of sandboxes after proving that each is ours."""

    def __init__(self, sockets: HostSockets, departing: Departing, plugging: Callable[[], bool]) -> None:
        self._sockets = sockets
        self._departing = departing
        self._plugging = plugging
        self._conntrack = Conntrack(sockets.netns)
        self._changed = threading.Condition()
        self._waiting: dict[str, Key] = {}
        self._going: dict[str, Key] = {}
        self._released: set[Address] = set()
        self._forgetting: set[Address] = set()
        self._hurry = False
        self._closing = False
        self._alarm = Alarm()
        self._is_set = False  # the alarm is set, or nothing is to be begun any more
        self._thread: threading.Thread | None = None

    def unplug(self, keys: Iterable[Key]) -> None:
        with self._changed:
            self._waiting.update((link_name(key), key) for key in keys)
            self._wake()

    def forget(self, addresses: Iterable[Address]) -> None:
        with self._changed:
            self._released.update(addresses)
            self._wake()

    def settle(self) -> None:
        """Wait until everything asked for so far is done."""
        with self._changed:
            self._wait_for(self._waiting.keys() | self._going.keys(), self._released | self._forgetting)

    def finish(self, name: str) -> None:
        """Wait until no link of this name is about to be unplugged: who makes a new one must not lose it."""
        with self._changed:
            self._wait_for({name}, set())

    def close(self) -> None:
        """Finish what was asked for and end the thread."""
        with self._changed:
            if self._closing:
                return
            self._closing = self._is_set = True
            self._alarm.set(AT_ONCE)
        if self._thread is not None:
            self._thread.join()
        self._alarm.close()

    def _wake(self) -> None:
        """Let the thread see to what is asked for, a little later: whoever asks is in a hurry, and more may come."""
        if self._is_set or not (self._waiting or self._released):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="terway-reaper", daemon=True)
            self._thread.start()
        self._alarm.set(COLLECT)
        self._is_set = True

    def _wait_for(self, names: set[str], addresses: set[Address]) -> None:
        while (
            names & self._waiting.keys()
            or names & self._going.keys()
            or addresses & self._released
            or addresses & self._forgetting
        ):
            self._hurry = True
            self._alarm.set(AT_ONCE)
            self._changed.wait()

    def _run(self) -> None:
        while self._collect():
            try:
                self._reap(self._going.values())
            except Exception:  # noqa: BLE001 - without this thread no ADD that waits for a name would ever go on
                # The links stay; the garbage collection will ask for them again.
                _log.exception("cannot unplug %d links", len(self._going))
            finally:
                with self._changed:
                    self._going = {}
                    self._changed.notify_all()
            self._forget()

    def _forget(self) -> None:
        """Forget the released addresses, unless links wait that are to go first."""
        with self._changed:
            if not self._waiting:
                self._forgetting, self._released = self._released, set()
        try:
            if self._forgetting:
                self._conntrack.forget(self._forgetting)
        finally:
            with self._changed:
                self._forgetting = set()
                self._changed.notify_all()

    def _collect(self) -> bool:
        """Wait for work and move a slice of links to `_going`; False when there is nothing and never will be."""
        self._alarm.wait()
        with self._changed:
            size = SLICE_WHILE_PLUGGING if self._plugging() else SLICE
            self._going = dict(islice(self._waiting.items(), size))
            for name in self._going:
                del self._waiting[name]
            self._is_set = bool(self._waiting) or self._closing
            if self._is_set:
                self._alarm.set(AT_ONCE if self._hurry or self._closing else COLLECT)
            else:
                self._hurry = False
            return bool(self._going or self._released) or not self._closing

    def _reap(self, keys: Iterable[Key]) -> None:
        with self._sockets.lend() as endpoint:
            proven = _prove(endpoint, keys)
            for _ in range(GROUP_TRIES):
                if not proven:
                    return
                members = self._mark(endpoint, proven)
                if members <= proven.keys():
                    break
                self._departing.renew()
            else:
                _log.error("links of others keep joining our group; links left: %s", sorted(proven))
                return
            if members:
                self._delete(endpoint, members)

    def _mark(self, endpoint: NetlinkSocket, proven: dict[int, Link]) -> set[int]:
        """Put the links into our group; returns its members that are not provably ours too."""
        group = self._departing.group
        for link in proven:
            self._departing.add(link)
        first = endpoint.reserve(len(proven))
        endpoint.change(b"".join(links.set_group(link, group, seq) for seq, link in enumerate(proven, first)))
        members = [link for link in dump(endpoint, Link, Where()) if link.group == group]
        return {link.ifindex if _same(link, proven.get(link.ifindex)) else -link.ifindex for link in members}

    def _delete(self, endpoint: NetlinkSocket, members: set[int]) -> None:
        refusals = endpoint.change(links.delete_group(self._departing.group, endpoint.reserve(1)))
        if refusals and refusals[0].errno != ENODEV:  # which says that all went by themselves, with their pods
            _log.warning("cannot delete links %s together: %s", sorted(members), refusals[0])
            first = endpoint.reserve(len(members))
            endpoint.change(b"".join(links.delete(link, seq) for seq, link in enumerate(members, first)))


def _prove(endpoint: NetlinkSocket, keys: Iterable[Key]) -> dict[int, Link]:
    """The existing links of these sandboxes, by index; a link with our name and another alias is somebody else's."""
    asked = {link_name(key): key for key in keys}
    first = endpoint.reserve(len(asked))
    _, found = endpoint.ask(
        b"".join(links.get_by_name(name, seq) for seq, name in enumerate(asked, first)), decode.link
    )
    proven = {link.ifindex: link for link in found if link.name in asked and _is_of(link, asked[link.name])}
    for link in found:
        if link.ifindex not in proven:
            _log.warning("link %s is not ours: its alias is %r; it stays", link.name, link.alias)
    return proven


def _is_of(link: Link, key: Key) -> bool:
    """By its alias; or by its MAC, if whoever made it was killed before the alias was set: that takes a second call."""
    return link.alias == link_alias(key) or (not link.alias and link.mac == link_macs(key)[0])


def _same(link: Link, proven: Link | None) -> bool:
    return proven is not None and (link.name, link.alias) == (proven.name, proven.alias)
