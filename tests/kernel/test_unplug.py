"""The reaper deletes what is provably ours, together, and nothing else."""

from __future__ import annotations

import logging
import threading

import pytest

from terway_edge.core.datapath import detach_plan
from terway_edge.core.names import link_name
from terway_edge.core.plans import HOST, Change, Link, Plan, Step, Verb, Where
from terway_edge.kernel import LinuxKernel, links
from tests.kernel.pods import pod

pytestmark = pytest.mark.root


def names(world) -> set[str]:
    return {link.name for link in world.kernel.dump(Link)}


@pytest.fixture
def plugged(real_world):
    """Forty pods in one namespace: more than a slice."""
    netns = real_world.create_netns()
    leases = []
    for number in range(40):
        lease, plan = pod(number, netns)
        veth = plan.steps[0].changes[0].item._replace(peer_name=f"eth{number}")
        real_world.kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, veth),)),)))
        leases.append(lease)
    return leases


def test_many_go_and_the_others_stay(real_world, plugged):
    going, staying = plugged[:35], plugged[35:]
    real_world.kernel.unplug(lease.key for lease in going)
    real_world.kernel.settle()
    assert names(real_world) == {"lo", "up0", "spare0"} | {link_name(lease.key) for lease in staying}


def test_each_waits_for_others_and_goes_without_settling(real_world, plugged, eventually):
    for lease in plugged:
        real_world.kernel.unplug([lease.key])
    eventually(lambda: names(real_world) == {"lo", "up0", "spare0"})


def test_missing_links_are_success(real_world):
    real_world.kernel.unplug([("nobody", "eth0"), ("no one", "eth0")])
    real_world.kernel.settle()
    assert names(real_world) == {"lo", "up0", "spare0"}


@pytest.mark.parametrize("alias", ["", "another eth0", "container-1 eth0x"])
def test_link_with_our_name_and_another_alias_stays(real_world, alias, caplog):
    name = link_name(("container-1", "eth0"))
    real_world.foreign_link(name, 77, alias)
    with caplog.at_level(logging.WARNING, "terway_edge.kernel"):
        real_world.kernel.unplug([("container-1", "eth0")])
        real_world.kernel.settle()
    assert f"link {name} is not ours" in caplog.text
    stayed = [link for link in real_world.kernel.dump(Link) if link.name == name]
    assert [(link.ifindex, link.alias, link.group) for link in stayed] == [(77, alias, 0)]


def test_a_link_whose_maker_was_killed_before_it_set_the_alias_goes(real_world):
    lease, plan = pod(1, real_world.create_netns())
    name = link_name(lease.key)
    real_world.kernel.apply(Plan((Step(HOST, plan.steps[0].changes[:1]),)))
    real_world.run("ip", "link", "set", name, "alias", "")
    assert [link.alias for link in real_world.kernel.dump(Link) if link.name == name] == [""]
    real_world.kernel.unplug([lease.key])
    real_world.kernel.settle()
    assert name not in names(real_world)


def test_stranger_in_our_group_stays(real_world, plugged):
    """Somebody else's link joins the very group that is about to be deleted: we move to another group."""
    kernel = real_world.kernel
    group = kernel._departing.group
    with kernel._sockets.lend() as endpoint:
        assert endpoint.change(links.set_group(11, group, endpoint.reserve(1))) == []
    kernel.unplug([lease.key for lease in plugged])
    kernel.settle()
    assert names(real_world) == {"lo", "up0", "spare0"}
    assert kernel._departing.group != group
    assert [link.group for link in kernel.dump(Link, Where(link=11))] == [group]


def test_pod_is_plugged_again_while_its_unplug_is_pending(real_world):
    netns = real_world.create_netns()
    lease, plan = pod(1, netns)
    kernel = real_world.kernel
    for _ in range(3):
        kernel.apply(plan)
        kernel.apply(detach_plan(lease))
        kernel.unplug([lease.key])
    kernel.apply(plan)
    kernel.settle()
    assert link_name(lease.key) in names(real_world)


def test_unplug_asked_for_before_the_link_was_made_spares_the_new_one(real_world):
    lease, plan = pod(1, real_world.create_netns())
    real_world.kernel.unplug([lease.key])
    real_world.kernel.apply(plan)
    real_world.kernel.settle()
    assert link_name(lease.key) in names(real_world)


def test_closing_finishes_what_was_asked_for(real_world):
    netns = real_world.create_netns()
    lease, plan = pod(1, netns)
    kernel = LinuxKernel(f"/run/netns/{real_world._host}")
    kernel.apply(plan)
    kernel.unplug([lease.key])
    kernel.close()
    assert link_name(lease.key) not in names(real_world)
    assert not [thread for thread in threading.enumerate() if thread.name == "terway-reaper"]


def test_pods_that_go_with_their_namespace_are_success(real_world, caplog):
    netns = real_world.create_netns()
    lease, plan = pod(1, netns)
    real_world.kernel.apply(plan)
    real_world.kernel.unplug([lease.key])
    real_world.delete_netns(netns)
    real_world.kernel.settle()
    assert link_name(lease.key) not in names(real_world)
    assert "cannot" not in caplog.text
