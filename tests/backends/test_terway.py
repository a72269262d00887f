"""Cloud nodes: the laws of every backend, and what pods on ENIs need beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from terway_edge.backends.terway import Terway
from terway_edge.core.cloud import Api
from terway_edge.core.errors import Retry
from terway_edge.core.models import StopReason
from terway_edge.core.plans import PROTO, FibRoute, Link, LinkAddress, Rule, Where
from terway_edge.eni.policy_routing import pod_rules, table_of
from terway_edge.testing.fake_cloud import INSTANCE
from terway_edge.testing.fake_kernel import FakeKernel
from terway_edge.testing.harness import make_context, make_node
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.pytest_contract import BackendContract
from tests.backends.eni_node import LINKS, EniWorld, eni_cloud, eventually, node, settled, wire_enis, with_cloud


class NetnsEniWorld(NetnsWorld):
    def __init__(self) -> None:
        super().__init__()
        wire_enis(self)


class TestTerway(BackendContract):
    name = "terway"
    backend = staticmethod(settled(Terway, eni_cloud))
    world = EniWorld


@pytest.mark.root
class TestTerwayOnLinux(TestTerway):
    world = NetnsEniWorld


def rules(harness) -> set[Rule]:
    return set(harness.kernel.dump(Rule, Where(proto=PROTO)))


def link_of(pod) -> int:
    """By the ENI that the lease's pool is named after."""
    return LINKS[0] if pod.lease.pools[0].startswith("eni-x1") else LINKS[1]


def test_a_pod_is_steered_to_the_eni_that_has_its_address(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, clouds):
        pods = [harness.plug() for _ in range(16)]
        assert {link_of(pod) for pod in pods} == set(LINKS)
        for pod in pods:
            owner = clouds.cloud.enis()[pod.lease.pools[0].partition("/")[0]]
            assert set(pod.lease.addresses) <= set(owner.addresses)
            assert set(pod_rules(pod.lease.addresses, link_of(pod))) <= rules(harness)
        for link in LINKS:
            table = harness.kernel.dump(FibRoute, Where(table=table_of(link)))
            vswitch = clouds.cloud.vswitches(["vsw-a"], 0.0)[0]
            assert {route.via for route in table if route.prefix.length == 0} == {
                vswitch.gateway,
                vswitch.ipv6_gateway,
            }
            own = {(each.address, each.length) for each in harness.kernel.dump(LinkAddress, Where(link=link))}
            assert own == {(each, each.bits) for each in harness.view.node.addresses}


def test_warm_pods_cost_no_call(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, clouds):
        harness.plug()
        first_look = ("instance", "limits", "enis_of", "vswitches", "find_enis")
        eventually(lambda: all(map(clouds.cloud.made, first_look)), "a first look at everything")
        before = clouds.cloud.made()
        for _ in range(5):
            harness.unplug(harness.plug())
        assert clouds.cloud.made() == before
        assert clouds.opened == [Api.ECS]


def test_a_pods_rules_go_with_it_though_nobody_knows_its_eni(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, clouds):
        pod, other = harness.plug(), harness.plug()
        clouds.is_down = True
        harness.restart()
        harness.unplug(pod)
        assert rules(harness) == set(pod_rules(other.lease.addresses, link_of(other)))
        assert not harness.hooks.check(other.sandbox, other.lease, repair=False)


def test_flushed_routes_and_a_flapping_link_are_mended_at_once(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, _):
        pod = harness.plug()
        kernel, link = harness.world.kernel, link_of(pod)
        before = harness.world.picture()
        for family in (4, 6):
            kernel.flush_routes(table=table_of(link), family=family)
        name = next(each.name for each in kernel.dump(Link) if each.ifindex == link)
        kernel.set_link(name, up=False)
        assert harness.world.picture() == before
        assert not harness.hooks.check(pod.sandbox, pod.lease, repair=False)


def test_check_tells_of_what_its_eni_lacks(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, _):
        pod = harness.plug()
        link = link_of(pod)
        harness.stop(StopReason.UPGRADE)  # nobody listens
        kernel = harness.world.kernel
        kernel.flush_routes(table=table_of(link))
        kernel.foreign_remove(pod_rules(pod.lease.addresses, link)[1])
        found = [each.what for each in harness.hooks.check(pod.sandbox, pod.lease, repair=False)]
        assert len(found) == 2
        assert any(f"table {table_of(link)}" in each for each in found)
        assert any("rule 2048 from" in each for each in found)
        assert all(each.mended for each in harness.hooks.check(pod.sandbox, pod.lease, repair=True))
        assert not harness.hooks.check(pod.sandbox, pod.lease, repair=False)


def test_a_missing_link_is_a_retry_that_names_the_eni(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, _):
        lease = harness.allocate(sandbox := harness.sandbox())
        for name in ("eth1", "eth2"):
            harness.world.kernel.delete_link(name)
        with pytest.raises(Retry, match=r"ENI eni-x\d \(MAC 02:00:00:e0:00:0\d\)"):
            harness.hooks.attach(sandbox, lease, harness.view)


def test_uninstall_leaves_enis_attached_and_nothing_of_ours(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, clouds):
        pods = [harness.plug(), harness.plug()]
        attached = {eni.id for eni in clouds.cloud.enis().values() if eni.instance == INSTANCE.id}
        harness.stop(StopReason.UPGRADE)
        fresh = Terway(with_cloud(make_context(harness.kernel), clouds, tmp_path))
        fresh.terway_edge_stop(StopReason.UNINSTALL)
        assert rules(harness) == set()
        assert [route for route in harness.kernel.dump(FibRoute) if route.table > 255] == []
        assert [each for each in harness.kernel.dump(LinkAddress) if each.link in LINKS] == []
        assert {eni.id for eni in clouds.cloud.enis().values() if eni.instance == INSTANCE.id} == attached
        assert pods


def test_the_report_tells_capacity_and_what_is_wrong(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud) as (harness, _):
        harness.allocate()
        report = harness.hooks.report("terway")
        assert report is not None
        assert (report.plugin, report.in_sync, report.conditions) == ("terway", True, ())
        assert (report.details["capacity"], report.details["enis"]) == (30, 2)


def test_without_a_cloud_pods_are_told_why(tmp_path: Path) -> None:
    context = make_context(EniWorld().kernel)
    backend = Terway(replace(context, settings=context.settings.model_copy(update={"state_dir": tmp_path})))
    with node(Terway, tmp_path, eni_cloud) as (harness, _):
        backend.terway_edge_start(harness.view)
    try:
        conditions = backend.terway_edge_report
        eventually(lambda: "not configured" in str(conditions().conditions), "a condition that tells of it")
        with pytest.raises(Retry, match="not configured"):
            backend.terway_edge_allocate(harness.sandbox(netns=""), 0.0, lambda: False)
    finally:
        backend.terway_edge_stop(StopReason.UPGRADE)


@pytest.mark.parametrize(("provider_id", "wanted"), [("cn-hangzhou.i-abc", "i-abc"), ("", INSTANCE.id)])
def test_the_instance_is_that_of_the_node_or_else_of_the_metadata(provider_id: str, wanted: str) -> None:
    context = make_context(FakeKernel())
    clouds = eni_cloud(context.clock)
    found = make_node(1)._replace(provider_id=provider_id)
    assert Terway(replace(context, clouds=clouds)).instance_id(found, 0.0) == wanted
