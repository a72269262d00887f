"""Laws of attach, check and detach: a pod is plugged in whole or not at all, watched, and unplugged without a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import EdgeError
from terway_edge.core.models import Discrepancy, Sandbox
from terway_edge.core.names import is_own_link, link_name
from terway_edge.core.plans import (
    HOST,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Verb,
    Where,
)
from terway_edge.core.ports import Dumped
from terway_edge.testing.expectations import expect_same, expect_unchanged, host_routes, raising
from terway_edge.testing.harness import IFNAME, Harness, Plugged

MOST_CHANGES = 1000  # of one attach; a plan has some twenty
Damage = Callable[[Harness, Plugged], None]


def attach_describes_what_it_made(harness: Harness) -> None:
    pod = harness.plug()
    said, link = pod.attachment, _host_link(harness, pod)
    assert is_own_link(link.name, link.alias), f"name and alias of {link} do not prove that it is ours (core.names)"
    assert (said.host_link, said.host_mac, said.mtu) == (link.name, link.mac, link.mtu), f"{said} is about {link}"
    inside = _pod_link(harness, pod)
    assert (said.pod_mac, said.mtu) == (inside.mac, inside.mtu), f"{said}, but the pod has {inside}"
    assert said.addresses == pod.lease.addresses, f"{said} is about the lease of {pod.lease.addresses}"


def attach_makes_the_pod_reachable(harness: Harness) -> None:
    first, second = harness.plug(), harness.plug()
    _expect_reachable(harness, first)
    _expect_reachable(harness, second)
    for address in second.lease.addresses:
        assert harness.world.reaches(first.sandbox.netns, address), f"a pod does not reach its neighbour at {address}"


def attach_leaves_nothing_on_failure(harness: Harness) -> None:
    sandbox = harness.sandbox()
    lease = harness.allocate(sandbox)
    before = harness.world.picture()
    for passing in range(MOST_CHANGES):
        harness.kernel.refuse_after(passing)
        try:
            harness.hooks.attach(sandbox, lease, harness.view)
        except EdgeError:
            what = f"attach failed at its change number {passing + 1}"
        else:
            if harness.kernel.trust():
                return  # it made fewer changes than that
            harness.hooks.detach(sandbox, lease)
            what = f"attach went on without its change number {passing + 1}, then detach was called"
        harness.kernel.settle()
        expect_same(before, harness.world.picture(), what)
    raise AssertionError(f"attach makes more than {MOST_CHANGES} changes")


def attach_without_a_namespace_leaves_nothing(harness: Harness) -> None:
    sandbox = harness.sandbox()
    lease = harness.allocate(sandbox)
    harness.world.delete_netns(sandbox.netns)
    before = harness.world.picture()
    with raising(EdgeError, "attach to a namespace that is gone"):
        harness.hooks.attach(sandbox, lease, harness.view)
    expect_same(before, harness.world.picture(), "attach failed")


def attach_works_after_detach(harness: Harness) -> None:
    pod = harness.plug()
    harness.hooks.detach(pod.sandbox, pod.lease)
    harness.hooks.attach(pod.sandbox, pod.lease, harness.view)
    harness.kernel.settle()
    _expect_reachable(harness, pod)


def check_finds_nothing_after_attach(harness: Harness) -> None:
    pod = harness.plug()
    for sandbox in (pod.sandbox, _without_netns(pod)):
        found = harness.hooks.check(sandbox, pod.lease, repair=False)
        assert not found, f"nothing is wrong, but check says {_told(found)}"


def check_finds_each_damage(harness: Harness) -> None:
    for what, damage in {**HOST_DAMAGES, **POD_DAMAGES}.items():
        pod = harness.plug()
        damage(harness, pod)
        assert harness.hooks.check(pod.sandbox, pod.lease, repair=False), f"check overlooks: {what}"


def check_finds_damage_of_the_host_without_a_namespace(harness: Harness) -> None:
    for what, damage in HOST_DAMAGES.items():
        pod = harness.plug()
        damage(harness, pod)
        assert harness.hooks.check(_without_netns(pod), pod.lease, repair=False), f"check overlooks: {what}"


def check_changes_nothing(harness: Harness) -> None:
    for damage in HOST_DAMAGES.values():
        pod = harness.plug()
        damage(harness, pod)
        check = partial(harness.hooks.check, pod.sandbox, pod.lease, repair=False)
        expect_unchanged(harness.world, "check without repair must only look", check)


def check_mends_the_host(harness: Harness) -> None:
    for what, damage in HOST_DAMAGES.items():
        if damage is _host_link_deleted:
            continue  # a link takes the pod's end with it: only a new ADD brings it back
        pod = harness.plug()
        damage(harness, pod)
        found = harness.hooks.check(_without_netns(pod), pod.lease, repair=True)
        assert found, f"check with repair does not tell of: {what}"
        assert all(one.mended for one in found), f"{what}: check with repair did not mend {_told(found)}"
        left = harness.hooks.check(_without_netns(pod), pod.lease, repair=False)
        assert not left, f"{what}: after the repair check still says {_told(left)}"
        _expect_reachable(harness, pod)


def detach_makes_addresses_unreachable_at_once(harness: Harness) -> None:
    pod = harness.plug()
    harness.hooks.detach(pod.sandbox, pod.lease)
    routes = [route for route in host_routes(harness.kernel) if route.prefix in _host_prefixes(pod)]
    assert not routes, f"detach has returned, but the host still has {', '.join(map(str, routes))}"


def detach_leaves_nothing(harness: Harness) -> None:
    harness.unplug(harness.plug())  # what a first pod brings about once and for all (sysctls) does not count
    sandbox = harness.sandbox()
    before = harness.world.picture()
    harness.unplug(harness.plug(sandbox))
    expect_same(before, harness.world.picture(), "a pod was plugged in and out")


def detach_twice_is_harmless(harness: Harness) -> None:
    pod, other = harness.plug(), harness.plug()
    harness.unplug(pod)
    harness.unplug(pod)
    harness.hooks.detach(_without_netns(pod), pod.lease)
    harness.kernel.settle()
    _expect_reachable(harness, other)


def detach_works_without_the_namespace(harness: Harness) -> None:
    harness.unplug(harness.plug())
    pod = harness.plug()
    harness.world.delete_netns(pod.sandbox.netns)
    harness.unplug(pod)
    names = {link.name for link in harness.kernel.dump(Link)}
    assert link_name(pod.lease.key) not in names, "the namespace was gone, and detach left the host link"
    routes = [route for route in host_routes(harness.kernel) if route.prefix in _host_prefixes(pod)]
    assert not routes, f"the namespace was gone, and detach left {', '.join(map(str, routes))}"


def restart_leaves_pods_alone(harness: Harness) -> None:
    pod = harness.plug()
    expect_unchanged(harness.world, "an upgrade must not touch a pod", harness.restart)
    found = harness.hooks.check(pod.sandbox, pod.lease, repair=False)
    assert not found, f"after a restart check says {_told(found)}"
    _expect_reachable(harness, harness.plug())
    harness.unplug(pod)


POD_LAWS = (
    attach_describes_what_it_made,
    attach_makes_the_pod_reachable,
    attach_leaves_nothing_on_failure,
    attach_without_a_namespace_leaves_nothing,
    attach_works_after_detach,
    check_finds_nothing_after_attach,
    check_finds_each_damage,
    check_finds_damage_of_the_host_without_a_namespace,
    check_changes_nothing,
    check_mends_the_host,
    detach_makes_addresses_unreachable_at_once,
    detach_leaves_nothing,
    detach_twice_is_harmless,
    detach_works_without_the_namespace,
    restart_leaves_pods_alone,
)

# --- damages -----------------------------------------------------------------------------------------------------


def _host_routes_removed(harness: Harness, pod: Plugged) -> None:
    link = _host_link(harness, pod).ifindex
    for route in host_routes(harness.kernel, link=link):
        if route.prefix in _host_prefixes(pod):
            harness.world.interfere(Change(Verb.REMOVE, route))


def _host_neighbours_removed(harness: Harness, pod: Plugged) -> None:
    _remove(harness, Neighbour, HOST, _host_link(harness, pod))


def _host_link_down(harness: Harness, pod: Plugged) -> None:
    harness.world.interfere(Change(Verb.REPLACE, LinkSetting(_host_link(harness, pod).ifindex, up=False)))


def _host_link_deleted(harness: Harness, pod: Plugged) -> None:
    harness.world.delete_link(pod.lease.key)


def _pod_link_down(harness: Harness, pod: Plugged) -> None:
    setting = LinkSetting(_pod_link(harness, pod).ifindex, up=False)
    harness.world.interfere(Change(Verb.REPLACE, setting), netns=pod.sandbox.netns)


def _pod_addresses_removed(harness: Harness, pod: Plugged) -> None:
    _remove(harness, LinkAddress, pod.sandbox.netns, _pod_link(harness, pod))


def _pod_default_routes_removed(harness: Harness, pod: Plugged) -> None:
    link = _pod_link(harness, pod)
    for route in harness.kernel.dump(FibRoute, Where(netns=pod.sandbox.netns, link=link.ifindex)):
        if route.prefix.length == 0:
            harness.world.interfere(Change(Verb.REMOVE, route), netns=pod.sandbox.netns)


HOST_DAMAGES: dict[str, Damage] = {
    "the host routes to the pod are gone": _host_routes_removed,
    "the host's neighbour entries of the pod are gone": _host_neighbours_removed,
    "the host link is down": _host_link_down,
    "the host link is gone": _host_link_deleted,
}
POD_DAMAGES: dict[str, Damage] = {
    "the link in the pod is down": _pod_link_down,
    "the pod's addresses are gone": _pod_addresses_removed,
    "the pod's default routes are gone": _pod_default_routes_removed,
}

# --- looking -----------------------------------------------------------------------------------------------------


def _remove(harness: Harness, kind: type[Dumped], netns: Netns, link: Link) -> None:
    for item in harness.kernel.dump(kind, Where(netns=netns, link=link.ifindex)):
        if isinstance(item, Neighbour | LinkAddress):
            harness.world.interfere(Change(Verb.REMOVE, item), netns=netns)


def _host_link(harness: Harness, pod: Plugged) -> Link:
    return _link(harness, HOST, link_name(pod.lease.key))


def _pod_link(harness: Harness, pod: Plugged) -> Link:
    return _link(harness, pod.sandbox.netns, IFNAME)


def _link(harness: Harness, netns: Netns, name: str) -> Link:
    links = {link.name: link for link in harness.kernel.dump(Link, Where(netns=netns))}
    assert name in links, f"attach has returned, but {netns or 'the host'} has no link {name}, only {sorted(links)}"
    return links[name]


def _host_prefixes(pod: Plugged) -> set[Prefix]:
    return {address.host for address in pod.lease.addresses}


def _without_netns(pod: Plugged) -> Sandbox:
    """As the agent's own repair knows the sandbox."""
    return replace(pod.sandbox, netns="")


def _expect_reachable(harness: Harness, pod: Plugged) -> None:
    for address in pod.lease.addresses:
        assert harness.world.reaches(HOST, address), f"the host does not reach the pod at {address}"
    uplink = harness.view.uplink
    for address, _ in uplink.addresses if uplink else ():
        if address.family in {own.family for own in pod.lease.addresses}:
            assert harness.world.reaches(pod.sandbox.netns, address), f"the pod does not reach its host at {address}"


def _told(found: Sequence[Discrepancy]) -> str:
    return "; ".join(one.what for one in found)
