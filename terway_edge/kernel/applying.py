"""Plans on their way into the kernel: one batch per step, and what was added taken away again if one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from errno import EADDRNOTAVAIL, EBUSY, EEXIST, ENODEV, ENOENT, ESRCH
from itertools import groupby
from operator import itemgetter
from os import close
from pathlib import Path

from terway_edge.core.errors import EdgeError, KernelError
from terway_edge.core.plans import (
    HOST,
    Change,
    Failure,
    Item,
    LinkAddress,
    Netns,
    Plan,
    Rule,
    Step,
    Sysctl,
    Verb,
    Veth,
)
from terway_edge.kernel import decode, late, links, sysctls
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.netlink import BATCH, NetlinkSocket, Refusal
from terway_edge.kernel.netns import inside, open_pods
from terway_edge.kernel.packed import Encode, only
from terway_edge.kernel.sockets import HostSockets
from terway_edge.kernel.words import change_in_words, item_in_words

GONE = {ESRCH, ENOENT, ENODEV, EADDRNOTAVAIL}
"""What the kernel says when the thing to remove is not there."""

Done = tuple[int, Change]
"""(descriptor of the namespace, an ADD that was made in it)."""

_log = logging.getLogger(__name__)


class Applier:
    """Makes the changes of plans, for any number of threads at once."""

    def __init__(
        self, sockets: HostSockets, departing: Departing, encode: Encode, proc_sys_net: Path = sysctls.ROOT
    ) -> None:
        self._sockets = sockets
        self._departing = departing
        self._encode = encode
        self._proc_sys_net = proc_sys_net
        self._host_sysctls = sysctls.HostSysctls(sockets.netns, proc_sys_net)

    def close(self) -> None:
        self._host_sysctls.close()

    def apply(self, plan: Plan) -> tuple[Failure, ...]:
        """As ports.Kernel.apply."""
        netns: dict[Netns, int] = {}
        try:
            self._open_all(plan, netns)
            if plan.atomic:
                self._make_or_undo(plan, netns)
                return ()
            return tuple(failure for step in plan.steps for failure in self._make(step, netns, None))
        finally:
            for named, descriptor in netns.items():
                if named != HOST:
                    close(descriptor)

    def _open_all(self, plan: Plan, netns: dict[Netns, int]) -> None:
        """Descriptors of all namespaces of the plan, before anything is changed. Raises Refused."""
        netns[HOST] = self._sockets.netns
        for step in plan.steps:
            for named in (step.netns, *[item.netns for _, item in step.changes if type(item) is Veth]):
                if named not in netns:
                    netns[named] = open_pods(named, self._sockets.identity)

    def _make_or_undo(self, plan: Plan, netns: dict[Netns, int]) -> None:
        done: list[Done] = []
        try:
            for step in plan.steps:
                if failures := self._make(step, netns, done):
                    raise _error(failures[0])
            self._await_links(done)
        except BaseException as error:
            if left := self._undo(done):
                _log.error("%s; left behind: %s", error, "; ".join(left))
            raise

    def _make(self, step: Step, netns: dict[Netns, int], done: list[Done] | None) -> list[Failure]:
        """Make the changes of a step. With `done`, which takes what was added, stop at the first part that fails."""
        descriptor = netns[step.netns]
        failures: list[Failure] = []
        written = [change for change in step.changes if type(change.item) is Sysctl]
        if descriptor == self._sockets.netns and len(written) == len(step.changes):
            return self._write(written, descriptor)
        write = (lambda: failures.extend(self._write(written, descriptor))) if written else None
        with self._socket(descriptor, write) as endpoint:
            nameless: Change | None = None
            for batch in _batches(step.changes):
                if failures and done is not None:
                    break
                refused = self._send(endpoint, batch, netns, nameless)
                if nameless is not None and -1 in refused:
                    failures.append(_failure(endpoint, nameless, refused.pop(-1)))
                failures += [_failure(endpoint, batch[at], refusal) for at, refusal in refused.items()]
                made = [change for at, change in enumerate(batch) if change.verb is Verb.ADD and at not in refused]
                if done is not None:
                    done += [(descriptor, change) for change in made]
                nameless = made[-1] if made and isinstance(made[-1].item, Veth) else None
            if nameless is not None and not (failures and done is not None):
                refused = self._send(endpoint, [], netns, nameless)
                failures += [_failure(endpoint, nameless, refusal) for refusal in refused.values()]
            if done is not None and not failures:
                _await_addresses(endpoint, step)
        return failures

    def _send(
        self, endpoint: NetlinkSocket, batch: list[Change], netns: dict[Netns, int], nameless: Change | None
    ) -> dict[int, Refusal]:
        """What the kernel refused, by place in the batch.

        A veth that has just been made gets its alias with what follows (place -1), not with its creation: were its
        index or name taken, the alias would mark somebody else's link as ours.
        """
        encode = self._encode
        first = endpoint.reserve(len(batch) + 1) + 1
        messages = b""
        if nameless is not None and isinstance(nameless.item, Veth):
            messages = links.set_alias(nameless.item.link, nameless.item.alias, first - 1)
        if batch and isinstance(veth := batch[-1].item, Veth):
            batch = [*batch[:-1], Change(batch[-1].verb, veth._replace(netns=netns[veth.netns]))]
        messages += b"".join([encode(verb, item, seq) for seq, (verb, item) in enumerate(batch, first)])
        refusals = {refusal.seq - first: refusal for refusal in endpoint.change(messages)}
        return {at: refusal for at, refusal in refusals.items() if at < 0 or not _forgiven(batch[at], refusal.errno)}

    def _socket(
        self, descriptor: int, meanwhile: Callable[[], None] | None = None
    ) -> AbstractContextManager[NetlinkSocket]:
        """A socket in a namespace; `meanwhile` is done inside too, if it is a pod's, else where the thread is."""
        if descriptor != self._sockets.netns:
            return inside(descriptor, lambda: _open_after(meanwhile))
        if meanwhile is not None:
            meanwhile()
        return self._sockets.lend()

    def _write(self, changes: Iterable[Change], descriptor: int) -> list[Failure]:
        """Write sysctls, those of pods in the namespace of the calling thread."""
        failures = []
        is_hosts = descriptor == self._sockets.netns
        for change, sysctl in [(change, change.item) for change in changes if isinstance(change.item, Sysctl)]:
            only(Verb.REPLACE, change.verb, sysctl)
            try:
                if is_hosts:
                    self._host_sysctls.write(sysctl)
                else:
                    sysctls.write(sysctl, self._proc_sys_net)
            except OSError as error:
                failures.append(Failure(change, error.errno or 0, error.strerror or str(error)))
        return failures

    def _await_links(self, done: list[Done]) -> None:
        for descriptor, veth in [(at, item) for at, (_, item) in done if type(item) is Veth]:
            with self._socket(descriptor) as endpoint:
                if not late.await_link(endpoint, veth.link):
                    _log.warning("link %s has a carrier, but may lose what is sent to it", veth.name)

    def _undo(self, done: list[Done]) -> list[str]:
        """Remove what was added, last first; returns in words what could not be removed."""
        left: list[str] = []
        for descriptor, group in groupby(reversed(done), key=itemgetter(0)):
            items = [change.item for _, change in group]
            try:
                with self._socket(descriptor) as endpoint:
                    for at in range(0, len(items), BATCH):
                        left += self._remove(endpoint, items[at : at + BATCH])
            except EdgeError as error:
                left.append(str(error))
        return left

    def _remove(self, endpoint: NetlinkSocket, items: list[Item]) -> list[str]:
        first = endpoint.reserve(len(items))
        messages = b"".join([self._removal(item, seq) for seq, item in enumerate(items, first)])
        refusals = [refusal for refusal in endpoint.change(messages) if refusal.errno not in GONE]
        return [f"{item_in_words(items[refusal.seq - first])} ({refusal})" for refusal in refusals]

    def _removal(self, item: Item, seq: int) -> bytes:
        if isinstance(item, Veth):
            self._departing.add(item.link)
            return links.delete(item.link, seq)
        return self._encode(Verb.REMOVE, item, seq)


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Changes for one sendto(2) each. A veth ends a batch: what follows needs to know whether it came to be."""
    batch: list[Change] = []
    for change in changes:
        kind = type(change[1])
        if kind is not Sysctl:
            batch.append(change)
            if kind is Veth or len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _await_addresses(endpoint: NetlinkSocket, step: Step) -> None:
    for address in [item.address for _, item in step.changes if type(item) is LinkAddress]:
        if address.family == 6 and not late.await_address(endpoint, address):
            _log.warning("address %s is not in use yet, and may lose what is sent to it", address)


def _open_after(meanwhile: Callable[[], None] | None) -> NetlinkSocket:
    if meanwhile is not None:
        meanwhile()
    return NetlinkSocket()


def _forgiven(change: Change, errno: int) -> bool:
    if change.verb is Verb.REMOVE:
        return errno in GONE
    return change.verb is Verb.REPLACE and errno == EEXIST and isinstance(change.item, Rule)


def _failure(endpoint: NetlinkSocket, change: Change, refusal: Refusal) -> Failure:
    """The kernel says EEXIST both for a taken name and for a taken index; we say EBUSY for the index, as it does of a
    peer's."""
    if isinstance(change.item, Veth) and refusal.errno == EEXIST:
        _, taken = endpoint.ask(links.get(change.item.link, endpoint.reserve(1)), decode.link)
        if taken:
            return Failure(change, EBUSY, f"index {change.item.link} is taken by {taken[0].name}")
    return Failure(change, refusal.errno, refusal.message)


def _error(failure: Failure) -> KernelError:
    change, errno, message = failure
    return KernelError(f"cannot {change_in_words(change)}: {Refusal(0, errno, message)}", errno=errno, item=change.item)
