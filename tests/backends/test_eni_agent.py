"""A backend on ENIs inside the agent: waits that end, drift that is mended, configuration and selection that change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.mending import Mending, parts_of
from terway_edge.agent.repair import Repair
from terway_edge.agent.service import Node, Service
from terway_edge.agent.telemetry import Telemetry
from terway_edge.backends.ens_eni import EnsEni
from terway_edge.backends.terway import Terway
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.cloud import AddressWish, CloudAccess, Limits
from terway_edge.core.drift import BURST, PERSISTENT, TOLERATED, WINDOW
from terway_edge.core.errors import Retry
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.models import Bandwidth, Lease, Report, RouteSet, Sandbox, Selection, StopReason
from terway_edge.core.plans import PROTO, FibRoute, Link, LinkAddress, Rule, Sysctl, Where
from terway_edge.core.secret import Secret
from terway_edge.eni.policy_routing import pod_rules, table_of
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import FakeCloud
from terway_edge.testing.harness import Harness, Plugged, make_context
from tests.backends.eni_node import LINKS, MACS, PER_ENI, OneCloud, configure, eni_cloud, eventually, node, with_cloud

SOON = 10.0  # seconds; far more than needed, so that a busy machine is no failure


class Caller:
    def __init__(self) -> None:
        self.left = threading.Event()

    def gone(self) -> bool:
        return self.left.is_set()

    def keeps_waiting(self) -> bool:
        return not self.left.is_set()


class Agent:
    """What the agent has around a backend, on the harness' kernel: its CNI service and its repair."""

    def __init__(self, harness: Harness, clouds: OneCloud) -> None:
        self.harness, self.clouds = harness, clouds
        self.kernel = harness.world.kernel
        self.conditions, self.telemetry = Conditions(harness.events), Telemetry()
        ipam, locks = harness.context.ipam, SandboxLocks()
        ports, sources = HostPorts(harness.kernel, harness.firewall), SourceGuard(harness.firewall)
        plumbing, clock = harness.context.plumbing, harness.clock
        self.service = Service(
            *(harness.hooks, ipam, harness.kernel, plumbing, clock), lambda: Node(harness.view), locks, ports, sources
        )
        tables = parts_of(harness.firewall, sources, ports)
        mending = Mending(harness.kernel, ipam, clock, self.telemetry, locks, plumbing.settings, tables)
        mending.hurry = mending.mend_noted
        self.repair = Repair(
            *(harness.kernel, ipam, harness.hooks, clock, self.telemetry, locks, mending, self.conditions),
            lambda: harness.view,
            lambda: None,
        )
        self.ears = harness.kernel.subscribe(self.repair.on_event)

    def add(self, sandbox: Sandbox, caller: Caller) -> None:
        self.service.add(sandbox, caller, self.harness.clock.now() + 60, lambda _: True)

    def look(self) -> None:
        """What the cluster says of this node has changed, or the ConfigMaps have and the next turn is due."""
        self.harness.hooks.cycle_done(RouteSet(), self.harness.view)

    def later(self) -> Report:
        """A second has passed."""
        self.harness.clock.advance(1)
        self.look()
        return self.report

    @property
    def report(self) -> Report:
        report = self.harness.hooks.report(self.harness.name)
        assert report is not None
        return report

    @property
    def reasons(self) -> set[str]:
        return {condition.reason for condition in self.report.conditions}

    @property
    def rules(self) -> set[Rule]:
        return set(self.kernel.dump(Rule, Where(proto=PROTO)))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with node(Terway, tmp_path, eni_cloud) as (harness, clouds):
        yield Agent(harness, clouds)


@pytest.fixture
def pods(agent: Agent) -> list[Plugged]:
    return [agent.harness.plug() for _ in range(16)]


def few_addresses(clock: FakeClock) -> OneCloud:
    """Two ENIs with an address of each family; more can be had."""
    cloud = FakeCloud(clock, Limits(3, PER_ENI, PER_ENI))
    for mac in MACS:
        eni = cloud.add_eni(1, mac=mac)
        cloud.assign(AddressWish(eni.id, eni.id, ipv6=1), 0.0)
    cloud.calls.clear()
    return OneCloud(cloud)


def link_of(lease: Lease) -> int:
    return LINKS[0] if lease.pools[0].startswith("eni-x1") else LINKS[1]


def whole(pods: list[Plugged]) -> set[Rule]:
    return {rule for pod in pods for rule in pod_rules(pod.lease.addresses, link_of(pod.lease))}


# --- waits ------------------------------------------------------------------------------------------------------------


@contextmanager
def one_that_waits(directory: Path) -> Iterator[tuple[Agent, Sandbox, Caller, Future[None]]]:
    """A third pod, while the cloud does not answer."""
    with node(Terway, directory, few_addresses) as (harness, clouds), ThreadPoolExecutor(1) as threads:
        agent, caller = Agent(harness, clouds), Caller()
        for _ in range(2):
            harness.plug()
        clouds.cloud.outage = Fault.BEFORE
        sandbox = harness.sandbox()
        adding = threads.submit(agent.add, sandbox, caller)
        try:
            eventually(lambda: agent.report.details["waiting"] == 1, "a pod that waits")
            yield agent, sandbox, caller, adding
        finally:
            caller.left.set()


def test_a_del_ends_the_wait_of_its_add_at_once(tmp_path: Path) -> None:
    with one_that_waits(tmp_path) as (agent, sandbox, _, adding):
        agent.service.delete(sandbox, agent.harness.clock.now() + SOON)
        with pytest.raises(Retry, match=f"nobody waits for an address of container {sandbox.container_id}"):
            adding.result(SOON)
        assert agent.report.details["waiting"] == 0


def test_a_caller_who_leaves_ends_the_wait_of_its_add(tmp_path: Path) -> None:
    with one_that_waits(tmp_path) as (agent, sandbox, caller, adding):
        caller.left.set()
        with pytest.raises(Retry, match=f"nobody waits for an address of container {sandbox.container_id}"):
            adding.result(SOON)
        assert agent.report.details["waiting"] == 0


# --- drift ------------------------------------------------------------------------------------------------------------


def test_flushed_rules_come_back_at_once(agent: Agent, pods: list[Plugged]) -> None:
    assert agent.rules == whole(pods)
    for rule in whole(pods):
        agent.kernel.foreign_remove(rule)
    assert agent.rules == whole(pods)
    assert agent.telemetry.repairs == {"event": len(whole(pods))}


def test_rules_of_a_pod_that_has_gone_stay_away(agent: Agent, pods: list[Plugged]) -> None:
    agent.harness.unplug(pods[0])
    for rule in pod_rules(pods[0].lease.addresses, LINKS[0]):
        agent.kernel.foreign_add(rule)
        agent.kernel.foreign_remove(rule)
    assert agent.rules == whole(pods[1:])


def test_a_fight_about_a_rule_is_given_up_for_a_while_and_told(agent: Agent, pods: list[Plugged]) -> None:
    rule = pod_rules(pods[0].lease.addresses, link_of(pods[0].lease))[0]
    for _ in range(TOLERATED + 3):
        agent.kernel.foreign_remove(rule)
        agent.harness.clock.advance(2 * BURST)
    assert rule not in agent.rules
    agent.harness.clock.advance(2)
    agent.repair.catch_up()
    assert rule in agent.rules
    assert [(each.reason, each.subject) for each in agent.conditions.all()] == [
        ("DatapathFight", f"rule 512 of {rule.dst}")
    ]


def test_a_fight_about_an_eni_is_given_up_for_a_while_and_told(agent: Agent, pods: list[Plugged]) -> None:
    table = table_of(LINKS[0])
    for _ in range(TOLERATED + 3):
        agent.kernel.flush_routes(table=table)
        agent.harness.clock.advance(2 * BURST)
    assert agent.kernel.dump(FibRoute, Where(table=table, family=4)) == []
    assert agent.reasons == {"LinkFight"}
    agent.harness.clock.advance(2)
    agent.look()  # a clock that stands still wakes nobody
    eventually(lambda: agent.kernel.dump(FibRoute, Where(table=table, family=4)) != [], "put back after the pause")


@pytest.mark.parametrize("has_turn_within", [False, True])
def test_a_fight_about_an_eni_that_is_given_up_has_its_turn_when_the_pause_is_over(
    agent: Agent, pods: list[Plugged], has_turn_within: bool
) -> None:
    """The first fight may be ended by the turn that sees the ENI for the first time."""

    def is_whole() -> bool:
        return agent.kernel.dump(FibRoute, Where(table=table_of(LINKS[0]), family=4)) != []

    def fight() -> None:
        while is_whole():
            agent.kernel.flush_routes(table=table_of(LINKS[0]))
            agent.harness.clock.advance(2 * BURST)

    fight()
    agent.harness.clock.advance(2)
    agent.look()
    eventually(is_whole, "put back after the pause")
    fight()
    agent.harness.clock.advance(3)
    if has_turn_within:
        pod = agent.harness.plug().sandbox.pod_name
        agent.look()
        eventually(lambda: agent.harness.annotations.of("Pod", pod, "default"), "a turn within the pause")
    agent.harness.clock.advance(1)
    eventually(is_whole, "put back after the pause")


def test_who_empties_the_table_of_an_eni_once_a_minute_is_told_in_the_end(agent: Agent, pods: list[Plugged]) -> None:
    table = table_of(LINKS[0])
    for _ in range(PERSISTENT):
        assert agent.reasons == set()
        agent.kernel.flush_routes(table=table)
        assert agent.kernel.dump(FibRoute, Where(table=table, family=4)) != []
        agent.harness.clock.advance(WINDOW)
    assert agent.reasons == {"LinkFight"}


DAMAGES = {
    "rules": lambda kernel, rule: kernel.foreign_remove(rule),
    "a rule to another table": lambda kernel, rule: kernel.foreign_add(pod_rules([rule.dst.address], 4711)[1]),
    "routes of ENIs": lambda kernel, _: kernel.flush_routes(table=table_of(LINKS[0]), family=6),
    "an ENI down": lambda kernel, _: kernel.set_link("eth1", up=False),
    "the node's address": lambda kernel, _: [
        kernel.foreign_remove(each) for each in kernel.dump(LinkAddress, Where(link=LINKS[0]))
    ],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_nobody_heard_of_is_found_by_the_audit(agent: Agent, pods: list[Plugged], damage: str) -> None:
    before = agent.harness.world.picture()
    agent.harness.stop(StopReason.UPGRADE)
    agent.ears.close()
    DAMAGES[damage](agent.kernel, pod_rules(pods[0].lease.addresses, LINKS[0])[0])
    assert agent.harness.world.picture() != before
    agent.repair.audit()
    assert agent.harness.world.picture() == before
    assert agent.repair.audit() == 0


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("ipv4/ip_forward", "0"),
        ("ipv6/conf/all/forwarding", "0"),
        ("ipv4/conf/eth1/forwarding", "0"),
        ("ipv4/conf/eth1/rp_filter", "1"),
        ("ipv4/conf/all/rp_filter", "1"),
        ("ipv6/conf/eth1/accept_ra", "1"),
    ],
)
def test_t37_settings_of_the_node_and_its_enis_are_put_right_at_once_or_by_the_audit_and_counted(
    agent: Agent, pods: list[Plugged], path: str, wrong: str
) -> None:
    before = agent.telemetry.repairs.total()
    agent.kernel.foreign_replace(Sysctl(path, wrong))
    if not path.endswith("accept_ra"):
        assert agent.kernel.sysctl(path) != wrong
    agent.repair.audit()
    assert agent.kernel.sysctl(path) != wrong
    assert agent.telemetry.repairs.total() > before


def test_t37_the_link_that_gets_the_name_of_an_eni_that_went_is_left_alone(agent: Agent, pods: list[Plugged]) -> None:
    agent.kernel.delete_link("eth1")
    agent.kernel.create_link("eth1")
    for key, value in (("forwarding", "0"), ("rp_filter", "1")):
        agent.kernel.foreign_replace(Sysctl(f"ipv4/conf/eth1/{key}", value))
    agent.repair.audit()
    assert (agent.kernel.sysctl("ipv4/conf/eth1/forwarding"), agent.kernel.sysctl("ipv4/conf/eth1/rp_filter")) == (
        "0",
        "1",
    )


def test_lost_events_mean_looking_at_rules_too(agent: Agent, pods: list[Plugged]) -> None:
    agent.ears.close()
    for rule in whole(pods):
        agent.kernel.foreign_remove(rule)
    agent.harness.kernel.subscribe(agent.repair.on_event)
    agent.kernel.overrun()
    assert agent.rules == whole(pods)


def test_a_look_at_all_pods_is_one_dump_of_rules(
    agent: Agent, pods: list[Plugged], monkeypatch: pytest.MonkeyPatch
) -> None:
    dumped: list[type] = []
    real = agent.harness.kernel.dump
    monkeypatch.setattr(agent.harness.kernel, "dump", lambda kind, *where: dumped.append(kind) or real(kind, *where))
    assert agent.repair.audit() == 0
    assert dumped.count(Rule) == 1
    assert len(dumped) < len(pods)


def test_after_a_restart_enis_are_watched_again_though_no_pod_comes(agent: Agent, pods: list[Plugged]) -> None:
    before = agent.harness.world.picture()
    agent.harness.restart()
    assert agent.harness.world.picture() == before
    after = Agent(agent.harness, agent.clouds)
    eventually(lambda: after.report.details.get("enis") == 2, "the list of ENIs")
    eventually(lambda: len(agent.harness.context.ipam.pools()) == 4, "their vSwitch")
    after.repair.audit()
    agent.kernel.flush_routes(table=table_of(link_of(pods[0].lease)))
    assert agent.harness.world.picture() == before


# --- configuration ----------------------------------------------------------------------------------------------------


def test_a_changed_config_map_is_followed_without_a_restart(agent: Agent) -> None:
    eventually(lambda: agent.report.details.get("addresses") == 30, "all addresses")
    configure(agent.clouds, max_pool_size=0, ip_pool_sync_period="1s")
    eventually(lambda: agent.later().details["addresses"] == 2, "the primary addresses alone")


def test_the_label_of_the_node_is_followed(agent: Agent) -> None:
    eventually(lambda: agent.report.details.get("addresses") == 30, "all addresses")
    configure(agent.clouds, "small", max_pool_size=0, ip_pool_sync_period="1s")
    view = agent.harness.view
    labels = {**view.node.labels, "terway-config": "small"}
    agent.harness.view = replace(view, node=view.node._replace(labels=labels))
    eventually(lambda: agent.later().details["addresses"] == 2, "the primary addresses alone")


def test_what_waits_for_a_restart_or_is_wrong_is_a_condition(agent: Agent, pods: list[Plugged]) -> None:
    configure(agent.clouds, ip_stack="ipv4")
    agent.look()
    eventually(lambda: agent.reasons == {"ConfigWaits"}, "a condition")
    assert {address.family for address in agent.harness.allocate().addresses} == {4, 6}
    configure(agent.clouds, vswitches=7)
    agent.look()
    eventually(lambda: agent.reasons == {"ConfigWrong"}, "a condition")
    configure(agent.clouds)
    agent.look()
    eventually(lambda: agent.reasons == set(), "peace")


def test_an_mtu_is_for_the_next_pod(agent: Agent) -> None:
    assert agent.harness.plug().attachment.mtu == 1500
    configure(agent.clouds, cni={"mtu": 1400})
    agent.look()
    eventually(lambda: agent.harness.plug().attachment.mtu == 1400, "the new MTU")
    assert 1400 in {each.mtu for each in agent.kernel.dump(Link) if each.ifindex in LINKS}


@pytest.mark.parametrize("is_on", [True, False])
def test_bandwidth_annotations_count_unless_the_capability_is_off(tmp_path: Path, is_on: bool) -> None:
    with node(Terway, tmp_path, eni_cloud, cni={"capabilities": {"bandwidth": is_on}}) as (harness, _):
        harness.plug(replace(harness.sandbox(), bandwidth=Bandwidth(egress_rate=10**6)))
        shaped = [thing for _, thing in harness.world.picture() if type(thing).__name__ == "Shaping"]
        assert bool(shaped) is is_on


def test_the_way_to_the_cloud_is_told(tmp_path: Path) -> None:
    keys = {"access_key": "id", "access_secret": "secret", "region_id": "cn-x", "rate_limit": {"DescribeVSwitches": 9}}
    with node(Terway, tmp_path, eni_cloud, **keys) as (harness, clouds):
        eventually(lambda: clouds.accesses, "the first call")
        pair = (Secret(b"id"), Secret(b"secret"))
        assert clouds.accesses == [CloudAccess("cn-x", pair, None, {"DescribeVSwitches": 9})]
        assert harness


def test_credentials_that_are_mended_are_used_before_the_first_success(tmp_path: Path) -> None:
    def silent(clock: FakeClock) -> OneCloud:
        clouds = eni_cloud(clock)
        clouds.is_down = True
        return clouds

    with node(Terway, tmp_path, silent, region_id="cn-wrong") as (harness, clouds):
        agent = Agent(harness, clouds)
        eventually(lambda: [access.region for access in clouds.accesses] == ["cn-wrong"], "a call")
        configure(clouds, region_id="cn-right")
        agent.look()
        eventually(lambda: clouds.accesses[-1].region == "cn-right", "a call with what was mended")
        clouds.is_down = False
        agent.look()
        eventually(lambda: agent.report.details, "the instance")
        assert agent.reasons == set()


# --- selection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", [Terway, EnsEni])
def test_a_backend_that_is_not_selected_any_more_keeps_what_pods_have(
    tmp_path: Path, plugin: type[Terway] | type[EnsEni]
) -> None:
    with node(plugin, tmp_path, eni_cloud, ip_pool_sync_period="1s", min_pool_size=30) as (harness, clouds):
        pods = [harness.plug() for _ in range(4)]
        agent = Agent(harness, clouds)
        eventually(lambda: agent.report.details["addresses"] == 30, "all addresses")
        harness.view = replace(harness.view, selection=Selection("another"))
        eventually(lambda: agent.later().details["addresses"] < 8, "fewer addresses")
        owned = clouds.cloud.owned()
        assert all(set(pod.lease.addresses) <= owned for pod in pods)
        assert agent.repair.audit() == 0
        harness.view = replace(harness.view, selection=Selection(plugin.name))
        harness.hooks.start(plugin.name, harness.view)
        eventually(lambda: agent.later().details["addresses"] == 30, "a full pool again")


def test_a_backend_that_starts_for_its_old_pods_only_does_not_fill_its_pool(tmp_path: Path) -> None:
    with node(Terway, tmp_path, few_addresses) as (harness, clouds):
        harness.plug()
        configure(clouds, min_pool_size=30)
        harness.view = replace(harness.view, selection=Selection("another"))
        harness.restart()
        agent = Agent(harness, clouds)
        eventually(lambda: agent.report.details.get("addresses") == 2, "a list")
        eventually(lambda: len(harness.context.ipam.pools()) == 4, "the vSwitch")
        harness.view = replace(harness.view, selection=Selection("terway"))
        agent.look()
        eventually(lambda: clouds.cloud.made("assign"), "growth, once it is selected again")
        assert clouds.cloud.calls[-1].verb == "assign"


# --- the end ----------------------------------------------------------------------------------------------------------


def test_nothing_is_told_of_the_cloud_after_an_uninstallation(agent: Agent, pods: list[Plugged]) -> None:
    agent.harness.stop(StopReason.UPGRADE)
    context = with_cloud(make_context(agent.harness.kernel), agent.clouds, agent.harness.settings.state_dir)
    fresh, calls = Terway(context), agent.clouds.cloud.made()
    fresh.terway_edge_stop(StopReason.UNINSTALL)
    agent.kernel.set_link("eth1", up=False)
    assert agent.rules == set()
    assert [each for each in agent.kernel.dump(FibRoute) if each.table == table_of(LINKS[0])] == []
    assert agent.clouds.cloud.made() == calls
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("eni-")] == []
    assert pods
