"""What an operator must know of the pool."""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.core.models import Condition
from terway_edge.eni.demand import Tally
from terway_edge.eni.growth import candidates, security_groups
from terway_edge.eni.state import State


def conditions(state: State, is_short: bool, now: float) -> Iterator[Condition]:
    """:param is_short: pods wait, or the watermarks ask for more, and nothing more can be had."""
    instance = state.site.instance.id
    if is_short:
        yield Condition("InsufficientIP", instance, why_short(state, now))
    if is_short and not state.site.features.attaches_hot:
        yield Condition("BindMoreEnis", instance, _binding(state))
    for vswitch in state.vswitches.short(now):
        yield Condition("VSwitchExhausted", vswitch, "it has no address left, or cannot be used; others are tried")
    for held in state.enis.values():
        if not held.is_present:
            yield Condition("EniMissing", held.eni.id, "the cloud does not show it as attached; pods get none of it")
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
        return f"the {len(state.enis)} ENIs bound to the instance have all their addresses in use; {_binding(state)}"
    if not state.site.features.attaches_hot:
        return f"no ENI for pods is bound to the instance; {_binding(state)}"
    short = state.vswitches.short(now)
    wanted = candidates(state)
    if not wanted or set(wanted) <= set(short):
        listed = ", ".join(wanted or state.policy.vswitches) or "none"
        zone = state.site.instance.zone
        return f"no vSwitch of zone {zone} has an address left (known: {listed}); add another one to vswitches"
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
    return (len(state.enis) + len(state.making) + state.slots()) * state.shape.per_eni


def _binding(state: State) -> str:
    limit = state.site.limits.enis
    return (
        f"stop instance {state.site.instance.id}, bind an ENI of its network to it, and start it again "
        f"(at most {limit} ENIs with the primary one, {state.shape.per_eni} pods on each)"
    )
