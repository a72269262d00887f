"""What an uninstallation tells the plugins and takes out of the kernel; see uninstall.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.core.context import BackendContext
from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.models import StopReason
from terway_edge.core.plans import HOST, PROTO, Change, FibRoute, Item, Link, Plan, Rule, Step, Verb, Where
from terway_edge.core.plugins import Found, build_plugins
from terway_edge.core.ports import Kernel


class Told(NamedTuple):
    """A line for the operator; not `is_done` if something stays that should be gone."""

    text: str
    is_done: bool = True


def stop_plugins(found: Iterable[Found], context: BackendContext) -> Iterator[Told]:
    """Let every plugin that has the stop hook remove what only it knows of. None was started in this process."""
    manager, infos = build_plugins(found, context)
    dispatcher = Dispatcher(manager, lambda *_: None)  # which is told of observers and reports; none is called
    for info in infos:
        if info.error:
            yield Told(f"plugin {info.name} cannot be used and was not told: {info.error}", is_done=False)
        elif "stop" in info.hooks:
            try:
                dispatcher.stop(info.name, StopReason.UNINSTALL)
            except Exception as error:  # noqa: BLE001 - a stranger's code must not keep the rest from being removed
                yield Told(f"plugin {info.name} could not remove what is its own: {explain(error)}", is_done=False)
            else:
                yield Told(f"plugin {info.name} removed what is its own")


def unplug_pods(kernel: Kernel) -> Told:
    """Raises KernelError if the links cannot be listed."""
    links = plugged_sandboxes(kernel.dump(Link))
    kernel.unplug(links)
    kernel.settle()
    left = plugged_sandboxes(kernel.dump(Link))
    told = f"removed {len(links) - len(links.keys() & left)} pod links"
    if left:
        return Told(f"{told}, {len(left)} stay: {', '.join(link.name for link in left.values())}", is_done=False)
    return Told(told)


def routes_of_ours(kernel: Kernel) -> list[FibRoute | Rule]:
    """Raises KernelError."""
    return [*kernel.dump(FibRoute, Where(proto=PROTO)), *kernel.dump(Rule, Where(proto=PROTO))]


def _named(item: Item) -> str:
    if isinstance(item, FibRoute):
        return f"route {item.prefix}"
    return f"rule {item.priority}" if isinstance(item, Rule) else str(item)


def remove_routes(kernel: Kernel, before: int) -> Told:
    """:param before: how many there were before plugins and links went, and many routes with them."""
    changes = tuple(Change(Verb.REMOVE, item) for item in routes_of_ours(kernel))
    failures = kernel.apply(Plan((Step(HOST, changes),), atomic=False))
    told = f"removed {before - len(failures)} routes and rules"
    if failures:
        reasons = "; ".join(f"{_named(failure.change.item)}: {failure.message}" for failure in failures)
        return Told(f"{told}, {len(failures)} stay: {reasons}", is_done=False)
    return Told(told)
