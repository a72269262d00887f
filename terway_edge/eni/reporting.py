"""What an operator must know of the pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from terway_edge.core.models import Condition
from terway_edge.eni.demand import Tally
from terway_edge.eni.growth import candidates, has_space, security_groups
from terway_edge.eni.state import State


class Standing(NamedTuple):
    """What whoever sends pods here should know.

    `capacity`: pods that the node can have, 0 while that is unknown. `lack`: why no further pod can have an address
    though the node would take it: no vSwitch has one left. Empty if that is not so, None while it is unknown.
    """

    capacity: int = 0
    lack: str | None = None


def conditions(state: State, is_short: bool, now: float) -> Iterator[Condition]:
    """:param is_short: pods wait, or the watermarks ask for more, and nothing more can be had."""
    instance = state.site.instance.id
    if is_short:
        yield Condition("InsufficientIP", instance, why_short(state, now))
    if is_short and not state.site.features.attaches_hot:
        yield Condition("BindMoreEnis", instance, binding(state))
    for vswitch in state.vswitches.short(now):
        yield Condition("VSwitchExhausted", vswitch, "it has no address left, or cannot be used; others are tried")
    for held in state.enis.values():
        if not held.is_present:
            yield Condition("EniMissing", held.eni.id, "the cloud does not show it as attached; pods get none of it")
        elif not state.knows_way(held) and not state.awaits_way(held):
            told = f"the API does not show its vSwitch {held.eni.vswitch}, so no gateway is known; pods get none of it"
            yield Condition("VSwitchUnknown", held.eni.id, told)
    for address, eni in state.lost.items():
        told = f"somebody took it from ENI {eni}, but a pod has it: delete the pod"
        yield Condition("AddressLost", str(address), told)
    for error, _ in state.troubles.values():
        yield Condition("CloudCallFails", error.action or "cloud", str(error))
    if state.shape.lost_ipv6:
        told = f"ENIs of instance type {state.site.instance.type} take too few IPv6 addresses: pods get IPv4 only"
        yield Condition("Ipv6Off", instance, told)


def why_short(state: State, now: float) -> str:
    """Why no more addresses can be had."""
    if state.enis and not state.site.features.attaches_hot:
        return f"the {len(state.enis)} ENIs bound to the instance have all their addresses in use; {binding(state)}"
    if not state.site.features.attaches_hot:
        return f"no ENI for pods is bound to the instance; {binding(state)}"
    short = state.vswitches.short(now)
    wanted = candidates(state)
    if not wanted or set(wanted) <= set(short):
        return _no_vswitch(state, wanted)
    if not security_groups(state):
        return "no security group is known for new ENIs; set security_groups"
    shape = state.shape
    return (
        f"all {shape.max_enis} ENIs that this node may have are full or on their way ({shape.per_eni} pods each); "
        f"take a larger instance type, or raise max_eni"
    )


def details(state: State, tally: Tally, capacity: int) -> dict[str, str | int | float]:
    return {
        "enis": len(state.enis),
        "enis on their way": len(state.making),
        "enis leaving": len(state.leaving),
        "addresses": tally.total,
        "free": tally.free,
        "cooling": tally.cooling,
        "coming": tally.coming,
        "waiting": len(state.waiting),
        "capacity": capacity,
    }


def capacity(state: State) -> int:
    """Pods that the node can have: on what is bound, or could be made beside the ENIs of others."""
    return max(len(state.enis) + len(state.making), state.most_enis()) * state.shape.per_eni


def lack(state: State, tally: Tally, growable: int) -> str | None:
    """As in `Standing`. A node that is full lacks nothing: its capacity says so.

    :param growable: pods that could be served by growing
    """
    if state.surveyed_at < 0:
        return None
    if growable or tally.idle + tally.coming > tally.waiting or not has_space(state):
        return ""
    if state.site.features.attaches_hot:
        return _no_vswitch(state, candidates(state))
    known = ", ".join(sorted({held.eni.vswitch for held in state.enis.values()}))
    return f"the vSwitches of the ENIs bound to the instance have no address left ({known}); {binding(state)}"


def _no_vswitch(state: State, wanted: tuple[str, ...]) -> str:
    listed = ", ".join(wanted or state.policy.vswitches) or "none"
    zone = state.site.instance.zone
    return f"no vSwitch of zone {zone} has an address left (known: {listed}); add another one to vswitches"


def binding(state: State) -> str:
    """How pods get more ENIs where none can be attached to a running instance."""
    instance, limit, pods = state.site.instance, state.site.limits.enis, state.shape.per_eni
    most = f"({limit} - 1) x {pods} = {(limit - 1) * pods} pods"
    room = limit - len(state.enis) - max(len(state.strangers), 1)
    if room <= 0:
        return f"instance {instance.id} has all {limit} ENIs that it takes, which carry {most}; use another node"
    more = min(max(-(-len(state.waiting) // max(pods, 1)), 1), room)
    return (
        f"stop instance {instance.id} (a running one takes no ENI), bind {more} more to it, of network "
        f"{instance.network} in {instance.zone} such as of vSwitch {instance.vswitch}, and start it again; "
        f"each carries {pods} pods, all {limit} with the primary one {most}"
    )
