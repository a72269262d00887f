"""The lab as a user runs it: real agents, real shim, the command line's own process."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from terway_edge.lab.api_client import ApiClient
from terway_edge.lab.layout import Layout

pytestmark = [pytest.mark.root, pytest.mark.slow]

LAYOUT = Layout()
COMMAND = [sys.executable, "-m", "terway_edge.cli.main", "lab"]
ACTS_OF_API = [
    "API server away: pods, and agents of node-2 and cloud-1, come and go",
    "API server back with a backup that lacks a node",
]


@pytest.fixture(autouse=True)
def nothing_before_and_after() -> Iterator[None]:
    """A lab that somebody keeps is theirs: these tests do not run then."""
    if LAYOUT.root.exists() or LAYOUT.namespaces():
        pytest.fail(f"a lab is up below {LAYOUT.root}: remove it with './dev lab --down' first")
    yield
    subprocess.run([*COMMAND, "--down"], check=True, capture_output=True)


def run_lab(*options: str) -> dict[str, Any]:
    done = subprocess.run([*COMMAND, "--json", *options], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lab_processes() -> dict[int, str]:
    """Command lines of agents, which name the lab's root, and routers, which work below it, by process id."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(f"/proc/{entry}/cwd")
        except OSError:
            continue
        if str(LAYOUT.root) in f"{line} {place}":
            found[int(entry)] = line
    return found


def assert_nothing_left() -> None:
    assert LAYOUT.namespaces() == []
    assert lab_processes() == {}
    assert not LAYOUT.root.exists()


@pytest.mark.parametrize("switch", ["frr", "bird"])
def test_nothing_is_lost_and_nothing_is_left(switch: str) -> None:
    content = run_lab("--switch", switch)
    assert content["ok"] is True
    assert (content["nodes"], content["pods"]) == (8, 24)
    assert content["pings"] == {"sent": 2852, "lost": 0}
    assert content["service_calls"] == {"made": 102, "failed": 0}
    assert [step["name"] for step in content["steps"] if not step["ok"]] == []
    assert set(content["route_change_seconds"]) == {
        "appeared_nodes", "appeared_switches", "vanished_nodes", "vanished_switches",
    }  # fmt: skip
    assert max(content["route_change_seconds"].values()) < 1
    assert content["seconds"] < 30
    assert_nothing_left()


@pytest.fixture(scope="module")
def small_run() -> dict[str, Any]:
    """A run for several tests."""
    return run_lab("--pods", "1")


def test_every_domain_reaches_every_other_one(small_run: dict[str, Any]) -> None:
    beyond = {"cloud", "ens", "data center", "control plane"}
    lans = {"lan-a", "lan-b"}
    wanted = {(4, a, b) for a in lans | beyond for b in lans | beyond} | {(6, a, b) for a in lans for b in lans}
    wanted -= {(4, host, host) for host in ("data center", "control plane")}
    assert {(pair["family"], pair["source"], pair["target"]) for pair in small_run["domains"]} == wanted
    assert all(pair["lost"] == 0 < pair["sent"] for pair in small_run["domains"])
    assert "ip route replace unreachable 10.0.0.0/8 metric 4294967295" in small_run["plan"]["gateway"]


def test_the_cloud_is_content_and_pods_are_on_its_enis(small_run: dict[str, Any]) -> None:
    cloud = small_run["cloud"]
    assert (cloud["violations"], cloud["orphans"], cloud["foreign_sources"]) == ([], [], 0)
    assert [(spoof["network"], spoof["dropped"]) for spoof in cloud["spoofed"]] == [("vpc", 3), ("ens", 3)]
    assert {"ecs:AttachNetworkInterface", "vpc:DescribeVSwitches", "ens:AssignPrivateIpAddresses"} <= set(
        cloud["calls"]
    )
    assert cloud["metadata_calls"] > 0, "cloud nodes have the credentials of their role"
    pods = {eni["instance"]: 0 for eni in cloud["enis"]}
    for eni in cloud["enis"]:
        assert eni["pods"] == 0 or (eni["type"] == "Secondary" and eni["link"])
        pods[eni["instance"]] += eni["pods"]
    assert pods == {"i-cloud-1": 1, "i-cloud-2": 1, "i-control": 0, "i-ens-1": 1}


def test_sessions_and_what_the_switches_learned_are_told(small_run: dict[str, Any]) -> None:
    content = small_run
    keys = ("speaker", "peer", "address", "asn", "state", "announced")
    assert [tuple(session[key] for key in keys) for session in content["sessions"]] == [
        ("node-1", "peer-a", "172.16.0.1", 65001, "Established", 6),
        ("node-2", "peer-a", "172.16.0.1", 65001, "Established", 6),
        ("node-4", "peer-b", "172.16.1.1", 65002, "Established", 4),
        ("node-5", "peer-b", "172.16.1.1", 65002, "Established", 4),
    ]
    assert list(content["switch_routes"]) == ["switch-a", "switch-b"]
    assert "10.64.3.0/24 via 172.16.0.13" in content["switch_routes"]["switch-a"]
    assert "fd00:64:0:5::/64 via fd00:18:0:fe0::1" in content["switch_routes"]["switch-a"]
    assert content["acts"] == []


@pytest.mark.parametrize(("options", "more"), [((), []), (("--api", "--switch", "bird"), ACTS_OF_API)])
def test_what_is_done_to_speakers_costs_no_packet(options: tuple[str, ...], more: list[str]) -> None:
    content = run_lab("--chaos", "--pods", "1", *options)
    assert (content["pings"]["lost"], content["service_calls"]["failed"]) == (0, 0)
    if more:
        assert_api_is_content(content["api"])
        (silence,) = (
            step for step in content["steps"] if step["name"] == "a node whose agent is silent gets no new pods"
        )
        assert silence["detail"].startswith("node-3 is marked after ")
    acts = {act["name"]: act for act in content["acts"]}
    assert list(acts) == [
        "node-1 killed (SIGKILL) and started",
        "node-2 upgraded (SIGTERM, start)",
        "node-4 and node-5 killed (SIGKILL) at once and started",
        "node-3 deleted and added",
        "password of peer-a changed: Secret, then switch-a",
        "agents of the cloud killed (SIGKILL) at once and started",
        "calls to the cloud throttled, pods added and deleted",
        *more,
    ]
    # A restarted agent may be asking for its ENIs at that moment; the pod does not wait for that.
    throttled = acts["calls to the cloud throttled, pods added and deleted"]["why"]
    told = re.match(r"with (\d+) calls a pod waits \d+ ms, ", throttled)
    assert told, throttled
    assert int(told[1]) < 10
    assert content["cloud"]["failed"] == {"Throttling.User": 3 + int(told[1])}
    deletion = acts.pop("node-3 deleted and added")
    assert all((act["lost"], act["unexplained"]) == (0, 0) and act["sent"] > 100 for act in acts.values())
    assert 0 < deletion["lost"] < deletion["sent"]
    assert deletion["unexplained"] == 0
    assert deletion["why"].startswith("only to and from node-3")
    assert_nothing_left()


def assert_api_is_content(api: dict[str, Any]) -> None:
    """Agents had the rights of deploy/ and no more, and what they wrote is there."""
    assert (api["requests"]["forbidden"], api["requests"]["malformed"]) == ([], [])
    assert {"watch nodes", "patch bgppeers/status", "patch pods", "create events"} <= set(api["requests"]["calls"])
    assert [row for row in api["written"] if row["fault"]] == []
    speakers = [row["what"] for row in api["written"] if row["what"].startswith("status")]
    assert speakers == [f"status of node-{index}" for index in (1, 2, 4, 5)]
    conditions = [(row["where"], row["value"]) for row in api["written"] if row["what"] == "condition Established"]
    assert conditions == [(f"BGPPeer/peer-{lan}", "True, AllEstablished") for lan in "ab"]
    assert {"update leases", "list pods"} <= set(api["requests"]["calls"]), "of the control plane"


if os.environ.get("TERWAY_EDGE_FULL") == "1":  # the same as above, with one more process in between

    def test_any_api_server_will_do_and_is_left_as_it_was(tmp_path: Path) -> None:
        kubeconfig = tmp_path / "kubeconfig"
        server = [
            sys.executable,
            "-m",
            "terway_edge.testing.apiserver",
            "--tls",
            "--rbac",
            "--kubeconfig",
            str(kubeconfig),
        ]
        with subprocess.Popen(server, stdout=subprocess.DEVNULL) as given:
            try:
                wait_for(kubeconfig.exists, "the API server does not start")
                content = run_lab("--pods", "1", "--chaos", "--kubeconfig", str(kubeconfig))
                client = ApiClient(kubeconfig)
                paths = [f"/api/v1/{kind}" for kind in ("nodes", "pods", "secrets", "configmaps")]
                left = [client.items(path) for path in (*paths, "/apis/coordination.k8s.io/v1/leases")]
                client.close()
            finally:
                given.terminate()
        assert content["ok"] is True
        assert content["acts"][-1]["name"] == ACTS_OF_API[0]
        assert content["api"]["requests"] is None
        assert left == [[], [], [], [], []]
        assert_nothing_left()


def test_a_kept_lab_can_be_explored_and_removed() -> None:
    content = run_lab("--keep", "--pods", "1")
    assert content["ok"] is True
    assert len(lab_processes()) == 8 + 3 * 2 + 1
    node = LAYOUT.netns("node-1")
    ping = ["nsenter", f"--net=/run/netns/{node}", "ping", "-c1", "-W2", "10.64.5.1"]
    assert subprocess.run(ping, capture_output=True, check=False).returncode == 0
    assert_switch_is_configured_as_the_agent_says()
    down = subprocess.run([*COMMAND, "--down"], capture_output=True, text=True, check=False)
    assert down.returncode == 0
    assert "removed 15 processes, 26 namespaces" in down.stderr
    assert_nothing_left()


def assert_switch_is_configured_as_the_agent_says() -> None:
    """All but the prefixes: the lab takes in nodes that are not there yet."""
    config = LAYOUT.node_dir("node-1") / "config.yaml"
    ask = [*COMMAND[:-1], "bgp", "switch-config", "peer-a", "--for", "frr", "--config", str(config)]
    told = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    password = base64.b64decode(yaml.safe_load((LAYOUT.manifests / "bgp-secret.yaml").read_text())["data"]["password"])
    wanted = told.replace("<PASSWORD of Secret bgp-secret/password>", password.decode()).splitlines()
    configured = (LAYOUT.router_dir("switch-a") / "bgpd.conf").read_text().splitlines()
    missing = [line for line in wanted if line not in configured]
    assert {line.split(" seq ")[0] for line in missing} <= {"ip prefix-list peer-a-in", "ipv6 prefix-list peer-a-in"}
    assert len(wanted) > 30


def test_a_second_lab_is_refused_and_disturbs_nobody() -> None:
    first = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with first:
        wait_for_agents()
        for options in ([], ["--down"]):
            second = subprocess.run([*COMMAND, "--json", *options], capture_output=True, text=True, check=False)
            assert second.returncode == 2
            assert f"another lab is running (process {first.pid})" in json.loads(second.stdout)["error"]
        assert first.wait(60) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_lab_stopped_in_the_middle_leaves_nothing(number: signal.Signals, status: int) -> None:
    lab = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with lab:
        wait_for_agents()
        lab.send_signal(number)
        assert lab.wait(30) == status
    wait_for(lambda: not LAYOUT.root.exists(), "the guardian does not finish")
    assert_nothing_left()


def test_a_fault_in_the_network_is_found_and_named() -> None:
    with start_lab("--json", "--pods", "1") as lab:
        wait_for_agents()
        # node-2 forwards nothing any more: its pod reaches nobody but its own node.
        subprocess.run(
            ["nsenter", f"--net=/run/netns/{LAYOUT.netns('node-2')}", "nft", "-f", "-"],
            input="table inet twt_fault { chain c { type filter hook forward priority 0; policy drop; }\n}\n",
            text=True,
            check=True,
        )
        stdout, stderr = lab.communicate(timeout=90)
    content = json.loads(stdout.splitlines()[-1])
    assert lab.returncode == 1
    assert content["ok"] is False
    # Two requests each, to and from the pod behind node-2: in both families four other pods and nodes of the edge, in
    # IPv4 also the three of the cloud, with their nodes, and two hosts.
    assert content["pings"]["lost"] == 2 * 2 * (2 * (4 + 4) + 3 + 3 + 2)
    failed = {step["name"]: step["problems"] for step in content["steps"] if not step["ok"]}
    assert set(failed) == {"pings: pods, nodes, hosts, all domains", "services by DNAT"}
    assert "pod-1-1 -> pod-2-1 (10.64.2.1): 2 of 2 lost: no answer" in failed["pings: pods, nodes, hosts, all domains"]
    assert "FAILED in pings" in stderr
    assert_nothing_left()


def test_an_agent_that_dies_is_named_and_its_log_is_shown() -> None:
    with start_lab("--json", "--pods", "1") as lab:
        wait_for(lambda: any("nodes/node-2/config.yaml" in line for line in lab_processes().values()), "no agent")
        victim = next(pid for pid, line in lab_processes().items() if "nodes/node-2/config.yaml" in line)
        os.kill(victim, signal.SIGKILL)
        stdout, _ = lab.communicate(timeout=60)
    assert lab.returncode == 1
    steps = json.loads(stdout.splitlines()[-1])["steps"]
    problems = {step["name"]: step["problems"] for step in steps if not step["ok"]}
    assert problems["agents started and ready"] == [
        "the agent of node-2 ended with -9 before it was ready (look at /run/terway-edge-lab/nodes/node-2/agent.log)"
    ]
    assert_nothing_left()


def start_lab(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_agents() -> None:
    """Until every agent has published its network: pods are being plugged in now."""
    wait_for(lambda: len(list(LAYOUT.root.glob("nodes/*/net.d/*.conflist"))) == 8, "the agents do not come up")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
