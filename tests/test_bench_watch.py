"""The parts of the watch bench: what it makes of the cluster, and that it counts and times the right things."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from functools import partial
from itertools import combinations, islice
from pathlib import Path

import pytest

from benchmarks.report import Report
from benchmarks.watch import spread, tell
from benchmarks.watch_agent import EVERY, Probe
from benchmarks.watch_arrivals import Arrivals, Real, on_route
from benchmarks.watch_cluster import change, filled
from benchmarks.watch_nodes import AWAY, IN_LAN, NODES, Change, What, heartbeats, name, node, prefixes, reals
from benchmarks.watch_run import AGENT, Found, Stage, cpu_with_children
from terway_edge.cluster.nodes import read_node
from terway_edge.core.addresses import Prefix
from terway_edge.core.plans import FibRoute
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.testing.apiserver import Server, listen, write_kubeconfig


def test_nodes_are_as_large_as_real_ones_and_none_has_what_is_anothers() -> None:
    found = [read_node(node(number)) for number in range(1, NODES + 1)]
    assert 5_000 < len(json.dumps(node(1), separators=(",", ":"))) < 7_000
    assert len({address for each in found for address in each.addresses}) == 2 * NODES
    assert len({prefix for each in found for prefix in each.pod_cidrs}) == 2 * NODES
    assert [each.pod_cidrs for each in found] == [prefixes(number) for number in range(1, NODES + 1)]
    own = Prefix.parse("10.98.0.0/15")
    assert [own.contains(each.addresses[0]) for each in found] == [True] * IN_LAN + [False] * (NODES - IN_LAN)
    pods = [prefix for each in found[:: IN_LAN // 2] for prefix in each.pod_cidrs]
    assert not any(one.covers(other) for one, other in combinations(pods, 2))


def test_nodes_come_back_in_the_order_in_which_they_went_and_some_later() -> None:
    away: list[int] = []
    for what, number in islice(reals(NODES), 3 * IN_LAN):
        match what:
            case What.GOES:
                away.append(number)
            case What.COMES:
                assert number == away.pop(0)
            case What.LABEL:
                assert number > IN_LAN
        assert 1 not in away
        assert len(away) <= AWAY + 1
    assert len(away) in (AWAY, AWAY + 1)
    beating = {each.number for each in islice(heartbeats(NODES), NODES)}
    assert beating == {1, *range(IN_LAN + 1, NODES + 1)}


def test_the_double_does_what_it_tells() -> None:
    api = filled(3)
    first = api.objects.get("Node", name(3))
    for what in (What.HEARTBEAT, What.LABEL):
        change(api, time.monotonic_ns(), Change(what, 3))
    now = api.objects.get("Node", name(3))
    assert now["status"]["conditions"] != first["status"]["conditions"]
    assert now["metadata"]["labels"].keys() - first["metadata"]["labels"].keys() == {"bench.example/at"}
    assert read_node(now).pod_cidrs == prefixes(3)
    change(api, 0, Change(What.GOES, 2))
    assert [each["metadata"]["name"] for each in api.objects.list("Node")] == [name(1), name(3)]
    change(api, 0, Change(What.COMES, 2))
    assert len(api.objects.list("Node")) == 3


def test_a_change_has_arrived_with_the_last_of_its_prefixes() -> None:
    arrivals, (four, six) = Arrivals(), prefixes(2)
    listener = partial(on_route, arrivals)
    listener(KernelEvent(Happening.ROUTE_ADDED, FibRoute(four)))  # an earlier one
    began = time.monotonic_ns()
    real = Real(began, What.COMES, 2)
    listener(KernelEvent(Happening.ROUTE_ADDED, FibRoute(four)))
    listener(KernelEvent(Happening.ROUTE_REMOVED, FibRoute(six)))
    with pytest.raises(RuntimeError, match=r"fd64:0:0:2::/64: node-2 comes and nothing follows"):
        arrivals.latencies([real])
    between = time.monotonic_ns()
    listener(KernelEvent(Happening.ROUTE_ADDED, FibRoute(six)))
    [seconds] = arrivals.latencies([real, Real(began, What.LABEL, 2)])
    assert between - began <= seconds * 1e9 <= time.monotonic_ns() - began
    arrivals.wait_for(2)


def test_the_probe_tells_by_how_much_a_loop_was_late() -> None:
    async def block() -> None:
        await asyncio.sleep(2 * EVERY)
        time.sleep(0.1)  # what holds up a loop
        await asyncio.sleep(2 * EVERY)

    probe = Probe()
    loop = probe.new_event_loop()
    began = time.monotonic_ns()
    loop.run_until_complete(block())
    loop.close()
    lates = [late for at, late in probe.found if at > began]
    assert len(lates) >= 3
    assert 0.1 - EVERY <= max(lates) < 2


def test_cpu_of_children_counts() -> None:
    script = "import subprocess; subprocess.run(['sh', '-c', 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'])\n"
    process = subprocess.Popen([sys.executable, "-c", f"{script}print(1, flush=True); input()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        alone = Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text().split()[0]
        assert cpu_with_children(process.pid) >= int(alone) / 1e9 + 0.01
        process.communicate(b"\n")


def test_goals_are_about_the_right_figures() -> None:
    assert spread([0.003, 0.001, 0.002]) == (3, 2.0, 3.0, 3.0)
    steady = Stage({AGENT: 4.0, "ours": 1.0, "informer": 10.0}, [0.3], [0.2], [0.01])
    storm = Stage({AGENT: 40.0, "ours": 2.0, "informer": 10.0}, [0.6], [0.5], [0.9])
    rss = dict.fromkeys(steady.percent, 50.0)
    report = Report("watch")
    tell(report, Found({"ours": 0.2, "informer": 4.0}, rss, [steady, storm]), 5000)
    assert [round(goal.value, 6) for goal in report.goals] == [0.2, 4.0, 10.0, 300.0, 200.0, 0.05, 0.1]
    assert report.met
    assert report.samples == 6


@pytest.mark.slow
@pytest.mark.parametrize("who", ["ours", "informer"])
def test_contestants_list_and_follow(who: str, tmp_path: Path) -> None:
    with Server(filled(4), listen()) as server:
        write_kubeconfig(tmp_path / "kubeconfig", server.url)
        command = [sys.executable, "-m", "benchmarks.watch_contestants", who, tmp_path / "kubeconfig", tmp_path, "4"]
        with subprocess.Popen(
            command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            listing = float(process.stdout.readline())
            [watch] = server.api.watches.wait(1, "nodes")
            change(server.api, 1, Change(What.HEARTBEAT, 2))
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert float(process.stdout.readline()) > listing > 0
            assert watch.target.plural == "nodes"
            process.terminate()
