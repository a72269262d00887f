"""The agent process as a black box: routes follow the cluster, and what others do to them is mended or told."""

import json

import pytest

from tests.system.machine import node_manifest, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FOLLOWS = 1.0  # seconds
MENDS = 1.0  # seconds


def has(machine, prefix, words):
    return lambda: words in machine.routes().get(prefix, "")


def lacks(machine, prefix):
    return lambda: prefix not in machine.routes()


@pytest.fixture
def follow(machine):
    """Wait until the kernel follows; fails after FOLLOWS seconds."""
    until(has(machine, "10.64.2.0/24", "via 192.0.2.20 dev lan0"), "the first routes")
    return lambda condition, what: until(condition, what, FOLLOWS)


def test_routes_follow_the_cluster(machine, follow):
    machine.write("n3", node_manifest("n3", "192.0.2.21", "10.64.3.0/24"))
    follow(has(machine, "10.64.3.0/24", "via 192.0.2.21 dev lan0"), "a node was added")
    machine.write("n3", node_manifest("n3", "192.0.2.99", "10.64.3.0/24"))
    follow(has(machine, "10.64.3.0/24", "via 192.0.2.99"), "it got another address")
    machine.write("n3", node_manifest("n3", "192.0.2.99", "10.64.33.0/24"))
    follow(has(machine, "10.64.33.0/24", "via 192.0.2.99"), "it got another pod CIDR")
    follow(lacks(machine, "10.64.3.0/24"), "the old pod CIDR is gone")
    machine.write("n3", node_manifest("n3", "192.0.2.99", "10.64.33.0/24", **{"alibabacloud.com/nodepool-id": "np2"}))
    follow(has(machine, "10.64.33.0/24", "via 192.0.2.20"), "it moved to another pool: via the gateway")
    machine.remove("n3")
    follow(lacks(machine, "10.64.33.0/24"), "it was removed")
    assert has(machine, "10.64.2.0/24", "via 192.0.2.20 dev lan0")()


def test_a_bad_manifest_takes_no_route_away(machine, follow):
    (machine.manifests / "n2.json").write_text("{ this is no JSON")
    until(lambda: "InvalidObject" in json.dumps(machine.ask("status")), "it is told")
    assert has(machine, "10.64.2.0/24", "via 192.0.2.20 dev lan0")()


def test_the_cover_never_shadows_a_pod_and_stops_loops(machine, follow):
    _pod, address = machine.add()
    assert machine.routes()["10.64.1.0/24"].startswith("unreachable")
    assert machine.pings(machine.peer, address)
    got = machine.enter("ip", "route", "get", address).stdout
    assert "dev tw" in got
    assert machine.enter("ip", "route", "get", "10.64.1.250", check=False).returncode != 0


def test_flushed_routes_come_back(machine, follow):
    _pod, address = machine.add()
    for flush in (["proto", "158"], ["table", "main", "proto", "158"], ["dev", machine.links()[0]]):
        machine.enter("ip", "route", "flush", *flush)
        until(has(machine, address, "dev tw"), f"the pod's route after {flush}", MENDS)
        until(has(machine, "10.64.2.0/24", "via 192.0.2.20"), f"the node's route after {flush}", MENDS)
        until(has(machine, "10.64.1.0/24", "unreachable"), f"the cover after {flush}", MENDS)
    assert machine.pings(machine.peer, address)
    assert sum(machine.ask("status")["repairs"].values()) > 0


def test_a_link_that_flaps_gets_its_routes_back(machine, follow):
    _pod, address = machine.add()
    machine.ip("link set lan0 down")
    until(lacks(machine, "10.64.2.0/24"), "the kernel dropped it")
    machine.ip("link set lan0 up", "route replace default via 192.0.2.99")
    until(has(machine, "10.64.2.0/24", "via 192.0.2.20 dev lan0"), "the route is back", 2.0)
    assert machine.pings(machine.peer, address)


def test_a_pods_link_set_down_comes_up_again(machine, follow):
    _pod, address = machine.add()
    machine.ip(f"link set {machine.links()[0]} down")
    until(has(machine, address, "dev tw"), "the pod's route is back", MENDS)
    until(lambda: machine.pings(machine.peer, address), "the pod answers")


def test_a_removed_neighbour_entry_comes_back(machine, follow):
    _pod, address = machine.add()
    link = machine.links()[0]
    machine.ip(f"neigh del {address} dev {link}")
    until(lambda: "PERMANENT" in machine.enter("ip", "neigh", "show", address).stdout, "it is back", MENDS)


def test_a_foreign_route_is_left_alone_and_told(stopped):
    stopped.ip("route add 10.64.2.0/24 via 192.0.2.21 proto static")
    stopped.start()
    status = stopped.ask("status")
    (condition,) = [c for c in status["conditions"] if c["reason"] == "ForeignRoute"]
    assert condition["subject"] == "10.64.2.0/24"
    assert "10.64.2.0/24 via 192.0.2.21" in stopped.enter("ip", "route").stdout
    assert stopped.cli("routes", "--diff", check=False).returncode == 1


def test_a_stale_route_of_ours_from_before_is_removed_and_a_restart_changes_nothing(machine, follow):
    machine.kill()
    machine.ip("route add 10.77.0.0/24 via 192.0.2.20 proto 158")
    before = machine.routes()
    machine.start()
    until(lacks(machine, "10.77.0.0/24"), "a route nobody wants any more")
    del before["10.77.0.0/24"]
    assert machine.routes() == before


def test_a_new_pod_cidr_of_this_node_serves_new_pods_and_keeps_old_ones(machine, follow):
    old, old_address = machine.add()
    machine.write("n1", node_manifest("n1", "192.0.2.10", "10.64.9.0/24"))
    follow(has(machine, "10.64.9.0/24", "unreachable"), "the new cover")
    follow(lacks(machine, "10.64.1.0/24"), "the old cover is gone")
    new, new_address = machine.add()
    assert new_address.startswith("10.64.9.")
    assert machine.pings(new, old_address)
    assert machine.pings(machine.peer, old_address)
    machine.delete(old)
    assert machine.add()[1].startswith("10.64.9.")
