"""The agent process as a black box: start, death, restart, stop, the spool, and what an operator asks it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.machine import POD_CIDR, node_manifest, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"


def test_pods_reach_each_other_their_node_and_the_lan(machine):
    one, address1 = machine.add()
    two, address2 = machine.add()
    for source, target in ((one, address2), (two, address1), (one, "192.0.2.10"), (one, "192.0.2.20")):
        assert machine.pings(source, target), f"{source} -> {target}"
    assert machine.pings(machine.peer, address1)
    assert machine.cni("CHECK", one)[0] == 0
    machine.delete(one)
    until(lambda: len(machine.links()) == 1, "the link is unplugged")
    assert not machine.pings(machine.peer, address1)


def test_many_pods_come_and_go_at_once(machine):
    pods = [machine.new_pod() for _ in range(20)]
    with ThreadPoolExecutor(10) as runtime:
        added = list(runtime.map(machine.add, pods))
        addresses = {address for _, address in added}
        assert len(addresses) == 20
        assert all(runtime.map(lambda address: machine.pings(machine.peer, address), addresses))
        halves = [runtime.submit(machine.delete, pod) for pod in pods[:10]]
        more = list(runtime.map(machine.add, [machine.new_pod() for _ in range(5)]))
        for half in halves:
            half.result()
    assert {address for _, address in more}.isdisjoint(addresses)
    left = {address for pod, address in added if pod in pods[10:]} | {address for _, address in more}
    assert {lease["addresses"][0] for lease in machine.ask("leases")["leases"]} == left
    until(lambda: len(machine.links()) == 15, "the links are unplugged")
    assert all(machine.pings(machine.peer, address) for address in left)
    assert machine.cli("routes", "--diff").stdout == "no differences\n"
    assert "ERROR" not in machine.log.read_text()


def test_a_killed_agent_costs_no_pod_and_no_lease(machine):
    pod, address = machine.add()
    machine.kill()
    assert machine.pings(pod, "192.0.2.20"), "pods need no agent"
    machine.start()
    assert [lease["addresses"] for lease in machine.ask("leases")["leases"]] == [[address]]
    assert machine.pings(machine.peer, address)
    assert machine.add()[1] != address
    status, error = machine.cni("ADD", pod)
    assert (status, error["code"]) == (1, 104)


def test_t09_a_del_that_came_while_the_agent_was_down_is_carried_out_before_it_serves(machine):
    pod, _address = machine.add()
    machine.kill()
    machine.delete(pod)
    assert list((machine.directory / "state" / "spool").glob("*.del"))
    assert machine.pings(pod, "192.0.2.20")
    machine.start()
    assert machine.ask("leases")["leases"] == []
    assert not list((machine.directory / "state" / "spool").glob("*.del"))
    until(lambda: machine.links() == [], "the link is unplugged")


@pytest.mark.parametrize("damage", ["torn", "cut", "gone", "gone with its marker", "garbage", "empty"])
def test_t04_a_damaged_lease_store_costs_no_pod_its_address(stopped, damage):
    stopped.settings["ipam"] = {"cooldown_seconds": 2}
    stopped.start()
    held = dict(stopped.add() for _ in range(3))
    stopped.kill()
    journal = stopped.directory / "state" / "leases.journal"
    if damage == "torn":
        journal.write_bytes(journal.read_bytes()[:-300])
    elif damage == "cut":  # after a whole line: nothing of the file itself tells that more was there
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    elif damage.startswith("gone"):
        journal.unlink()
        if damage != "gone":
            (stopped.directory / "run" / "leases.marker").unlink()
    else:
        journal.write_bytes(b"\0" * 500 if damage == "garbage" else b"")
    began = time.monotonic()
    stopped.start()
    assert not FULL or time.monotonic() - began < 2, "it serves within 2 s"
    assert bool(list(journal.parent.glob("*.damaged-*"))) == (damage in ("torn", "garbage", "empty"))
    leases = stopped.ask("leases")["leases"]
    assert {lease["container"]: lease["addresses"] for lease in leases} == {pod: [held[pod]] for pod in held}
    status, error = stopped.cni("ADD", next(iter(held)), container="new")
    assert (status, error["code"]) == (1, 11), "free addresses rest: nobody knows who had them a moment ago"
    assert all(stopped.pings(stopped.peer, address) for address in held.values())
    new = []
    until(lambda: new or stopped.try_add(new), "the quarantine ends")
    assert new[0][1] not in held.values()
    for pod in held:
        stopped.delete(pod)
    until(lambda: len(stopped.links()) == 1, "the links are unplugged")


def test_sigterm_ends_it_well_and_leaves_pods_and_routes(machine):
    pod, _address = machine.add()
    before = machine.routes()
    assert machine.terminate() == 0
    assert machine.routes() == before
    assert machine.pings(pod, "192.0.2.20")
    assert not (machine.directory / "run" / "cni.sock").exists()
    assert "Traceback" not in machine.log.read_text()


def test_directories_where_the_shim_does_not_look_are_told(machine):
    told = machine.log.read_text()
    assert "the CNI shim looks in /run/terway-edge and /var/lib/terway-edge, not where" in told
    assert f"Set TERWAY_EDGE_RUN={machine.directory}/run TERWAY_EDGE_STATE={machine.directory}/state in" in told


def test_a_second_agent_is_refused_in_clear_words(machine):
    second = machine.cli("agent", check=False)
    assert second.returncode == 1
    assert "another agent holds" in second.stderr
    assert "Traceback" not in second.stderr
    assert machine.serves()


def test_metrics_and_health_answer(machine):
    _pod, _ = machine.add()
    text = machine.enter("python3", "-c", GET.format("metrics")).stdout
    found = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples if not s.labels}
    assert found["terway_edge_leases"] == 1
    assert machine.enter("python3", "-c", GET.format("healthz")).stdout == "ok\n"
    assert machine.enter("python3", "-c", GET.format("readyz")).stdout == "ok\n"
    machine.remove("n1")
    until(lambda: "503" in machine.enter("python3", "-c", GET.format("readyz"), check=False).stderr, "not ready")


GET = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9797/{}').read().decode(), end='')"


def test_what_an_operator_asks(machine):
    pod, address = machine.add()
    status = machine.cli("status").stdout
    for words in ("ready", "flannel_route", "lan0", "10.64.1.0/24"):
        assert words in status
    leases = machine.cli("leases").stdout
    assert address in leases
    assert f"default/{pod}" in leases
    assert "flannel_route" in machine.cli("plugins").stdout
    assert machine.cli("routes", "--diff").stdout == "no differences\n"
    routes = machine.ask("routes")
    assert routes["in_sync"]
    assert {row["prefix"] for row in routes["routes"]} == {"10.64.1.0/24", "10.64.2.0/24", f"{address}/32"}
    assert machine.cli("config", "validate").stdout == "the configuration is valid\n"
    assert '"node_name": "n1"' in machine.cli("config", "show", "--running").stdout


def test_questions_without_an_agent_say_what_to_do(stopped):
    for query in ("status", "leases", "routes"):
        asked = stopped.cli(query, check=False)
        assert asked.returncode == 1
        assert "is the agent running on this node" in asked.stderr


def test_t11_a_pod_whose_del_was_lost_is_collected_and_half_a_proof_is_none(stopped):
    stopped.settings["gc"] = {"period_seconds": 1, "grace_seconds": 1}
    stopped.start()
    half, _ = stopped.add()
    stopped.ip(f"link delete {stopped.links()[0]}")
    lost, _ = stopped.add()
    alive, address = stopped.add()
    stopped.forget_pod(lost)
    until(lambda: len(stopped.ask("leases")["leases"]) == 2, "the lost one is freed", 15.0)
    assert {lease["container"] for lease in stopped.ask("leases")["leases"]} == {half, alive}
    assert stopped.pings(stopped.peer, address)


def test_uninstall_removes_everything_of_ours_and_nothing_else(machine):
    machine.ip("route add 10.99.0.0/24 via 192.0.2.20 proto static", "link add twother type veth peer name twpeer")
    machine.enter("nft", "add table inet stranger")
    _pod, _ = machine.add()
    refused = machine.cli("uninstall", check=False)
    assert refused.returncode == 1
    assert "another agent holds" in refused.stderr
    assert machine.terminate() == 0
    other = machine.directory / "net.d" / "99-other.conflist"
    other.write_text("{}")
    foreign = [machine.directory / "run" / "other.sock", machine.directory / "state" / "spool" / "notes"]
    for path in foreign:
        path.write_text("precious")
    told = machine.cli("uninstall").stdout.splitlines()
    assert "plugin flannel_route removed what is its own" in told
    assert "removed 1 pod links" in told
    assert "removed nftables tables terway_edge" in told
    for home in ("run", "state", "state/spool"):
        assert f"kept {machine.directory / home}: it holds files of others" in told
    for path in foreign:
        assert path.read_text() == "precious"
        assert list(path.parent.iterdir()) == [path]
        path.unlink()
    again = machine.cli("uninstall").stdout.splitlines()
    assert not [line for line in again if "nftables" in line]
    assert "removed 0 routes and rules" in again
    assert machine.routes() == {}
    assert set(machine.links()) == {"twother", "twpeer"}
    assert machine.enter("nft", "list", "tables").stdout.split() == ["table", "inet", "stranger"]
    assert "10.99.0.0/24" in machine.enter("ip", "route").stdout
    assert "192.0.2.99" in machine.enter("ip", "route").stdout
    assert [path.name for path in (machine.directory / "net.d").iterdir()] == [other.name]
    for gone in ("run", "state", "bin/terway-edge"):
        assert not (machine.directory / gone).exists()


def test_a_pod_leaves_with_the_nodes_address_unless_the_other_side_is_excluded(machine):
    pod, address = machine.add()
    for target, seen in (("203.0.113.1", "192.0.2.10"), ("198.51.100.1", address), ("192.0.2.20", address)):
        assert machine.seen_source(pod, target) == seen, f"towards {target}"


def test_t40_connections_of_a_pod_end_within_a_second_after_its_del(machine):
    (one, address1), (two, address2) = machine.add(), machine.add()
    for pod, address in ((one, address1), (two, address2)):
        assert machine.pings(pod, "192.0.2.99"), "masqueraded"
        assert machine.pings(machine.peer, address), "to the pod"
    assert machine.pings(one, address2)
    others = machine.connections(address2) - machine.connections(address1)
    assert len(machine.connections(address1)) == 3
    assert len(others) == 2
    machine.delete(one)
    until(lambda: not machine.connections(address1), "connections of the dead pod are gone", 1.0)
    assert machine.connections(address2) == others


def test_a_cloud_node_that_cannot_reach_its_cloud_says_so(stopped):
    stopped.settings["cloud"] = {"metadata_url": "http://127.0.0.1:9", "protocol": "http", "proxy": ""}
    manifest = node_manifest("n1", "192.0.2.10", POD_CIDR)
    manifest["metadata"]["labels"] = {}
    stopped.write("n1", manifest)
    stopped.start()
    pod = stopped.new_pod()
    status, error = stopped.cni("ADD", pod, TERWAY_EDGE_BUDGET_MS="3000")
    assert (status, error["code"]) == (1, 11)
    assert "no address in time" in error["msg"]
    events = stopped.manifests / "events.jsonl"
    until(lambda: events.exists() and "InstanceUnknown" in events.read_text(), "the condition is an event", 20.0)

    def told():
        return {each["reason"]: each["message"] for each in stopped.ask("status")["conditions"]}

    # Until its first question is answered, or not, the agent has no more to say than that it waits.
    until(lambda: "127.0.0.1" in told()["InstanceUnknown"], "the condition says whom it asked", 20.0)
