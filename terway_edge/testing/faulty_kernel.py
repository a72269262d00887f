"""A kernel port around another one that counts what is changed and can refuse one change, on the fake and on Linux."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from terway_edge.core.addresses import Address
from terway_edge.core.names import Key
from terway_edge.core.plans import Change, Failure, Neighbour, Netns, Plan, Step, Sysctl, Verb, Where
from terway_edge.core.ports import Closable, Dumped, Kernel, KernelEvent

IMPOSSIBLE = Change(Verb.ADD, Neighbour(2**31 - 2, Address.parse("192.0.2.255"), b"\x02\0\0\0\0\xff"))
"""No link has this index: the kernel itself refuses, with ENODEV, and undoes what an atomic plan did before."""


class FaultyKernel:
    """`ports.Kernel`; `changes` counts what was accepted: unchanged after a call means that nothing was sent.

    Sysctls do not count: to write the value that is there already changes nothing, and costs less than to look.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.changes = 0
        self._kernel = kernel
        self._passing: int | None = None

    def refuse_after(self, passing: int) -> None:
        """Let so many further changes pass, then refuse one."""
        self._passing = passing

    def trust(self) -> bool:
        """Refuse nothing any more; True if the refusal asked for had not come yet."""
        pending, self._passing = self._passing is not None, None
        return pending

    def apply(self, plan: Plan) -> tuple[Failure, ...]:
        size = sum(len(step.changes) for step in plan.steps)
        if self._passing is None or self._passing >= size:
            failures = self._kernel.apply(plan)
            if self._passing is not None:
                self._passing -= size
        else:
            position, self._passing = self._passing, None
            failures = self._refuse(plan, position)
        failed = {failure.change for failure in failures}
        changes = (change for step in plan.steps for change in step.changes)
        self.changes += sum(not isinstance(change.item, Sysctl) and change not in failed for change in changes)
        return failures

    def dump(self, kind: type[Dumped], where: Where = Where()) -> list[Dumped]:  # noqa: B008 - an immutable tuple
        return self._kernel.dump(kind, where)

    def deviations(self, wanted: Iterable[Sysctl]) -> list[Sysctl]:
        return self._kernel.deviations(wanted)

    def prove(self, netns: Netns) -> None:
        self._kernel.prove(netns)

    def unplug(self, keys: Iterable[Key]) -> None:
        self._kernel.unplug(keys)

    def forget(self, addresses: Iterable[Address]) -> None:
        self._kernel.forget(addresses)

    def settle(self) -> None:
        self._kernel.settle()

    def subscribe(self, listener: Callable[[KernelEvent], None]) -> Closable:
        return self._kernel.subscribe(listener)

    def _refuse(self, plan: Plan, position: int) -> tuple[Failure, ...]:
        if plan.atomic:
            self._kernel.apply(_cut(plan, position))
            raise AssertionError(f"the kernel accepted {IMPOSSIBLE}")
        rest, refused = _without(plan, position)
        return (*self._kernel.apply(rest), Failure(refused, errno.ENOBUFS, "refused because a test asked for it"))


def _cut(plan: Plan, position: int) -> Plan:
    """The plan up to a change, and then one that must fail in its place."""
    steps: list[Step] = []
    for netns, changes in plan.steps:
        if position < len(changes):
            return Plan((*steps, Step(netns, (*changes[:position], IMPOSSIBLE))))
        steps.append(Step(netns, changes))
        position -= len(changes)
    raise IndexError(position)


def _without(plan: Plan, position: int) -> tuple[Plan, Change]:
    """The plan without a change, and that change."""
    steps = list(plan.steps)
    for index, (netns, changes) in enumerate(steps):
        if position < len(changes):
            steps[index] = Step(netns, changes[:position] + changes[position + 1 :])
            return Plan(tuple(steps), atomic=False), changes[position]
        position -= len(changes)
    raise IndexError(position)
