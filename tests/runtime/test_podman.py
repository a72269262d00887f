"""podman, which knows neither pods' namespaces nor sandboxes, with the same conflist and shim."""

import pytest

from tests.runtime.node import assert_holds_only, reaches, serve
from tests.runtime.podman import Podman
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def podman_of_module(site, archive):
    machine, world = site
    return Podman(world, machine, archive)


@pytest.fixture
def podman(podman_of_module):
    podman_of_module.clear()
    return podman_of_module


def test_containers_have_the_addresses_of_their_leases_and_reach_each_other(machine, podman):
    one, two = podman.run("one"), podman.run("two")
    assert_holds_only(machine, one, two)
    assert {lease["pod"] for lease in machine.ask("leases")["leases"]} == {"one", "two"}
    for container, target in ((one, two.address), (two, one.address), (one, "192.0.2.10"), (two, "192.0.2.20")):
        assert podman.pings(container, target)
    assert machine.pings(machine.peer, one.address)


def test_a_stopped_container_holds_nothing_and_gets_its_network_anew(machine, podman):
    stays = podman.run("stays")
    podman.run("stopped")
    podman("stop", "--time=1", "stopped")
    assert_holds_only(machine, stays)
    podman("start", "stopped")
    again = podman.inspect("stopped")
    assert_holds_only(machine, stays, again)
    assert podman.pings(again, stays.address)
    podman("rm", "--force", "--time=1", "stopped")
    assert_holds_only(machine, stays)


def test_a_published_port_leads_to_the_container(machine, podman):
    container = podman.run("web", "--publish=8080:80")
    with serve(podman.netns(container)) as server:
        assert reaches(machine, 8080, server)
        podman("rm", "--force", "--time=1", "web")
        assert not reaches(machine, 8080, server)


def test_what_it_does_while_the_agent_is_away(machine, podman):
    podman.run("ends")
    stays = podman.run("stays")
    machine.kill()
    listed = podman("network", "ls", "--noheading")
    assert (listed.stdout.split()[1:], listed.stderr) == (["terway-edge"] * 2, ""), "the shim says its version alone"
    refused = podman("run", *podman.options, check=False)
    assert refused.returncode == 126
    assert "no terway-edge agent listens on /run/terway-edge/cni.sock" in refused.stderr
    podman("rm", "--force", "--time=1", "ends")
    assert podman.pings(stays, "192.0.2.20")
    machine.start()
    assert_holds_only(machine, stays)


def test_a_killed_container_is_unplugged_by_its_guardian(machine, podman):
    podman.run("killed")
    podman("kill", "killed")
    until(lambda: machine.ask("leases")["leases"] == [], "conmon has podman clean up")
    assert_holds_only(machine)
