"""The whole control plane over HTTP: what it does, with which rights, and what happens when a leader dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.access import CONTROLPLANE, RIGHTS
from terway_edge.agent.clock import BootClock
from terway_edge.cluster.api.timing import Timing
from terway_edge.controlplane.lease import NAME
from terway_edge.controlplane.process import ControlPlane
from terway_edge.core.cloud import NoClouds
from terway_edge.core.errors import Refused
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, SERVING
from terway_edge.testing.apiserver import (
    ApiServer,
    Server,
    Settings,
    listen,
    service_account,
    write_kubeconfig,
)
from tests.controlplane.candidate import TERMS, settings_for
from tests.controlplane.test_peers import put_peer, say, status
from tests.controlplane.world import CRD, conditions_of, put_agent, put_node, set_condition

BASE = CRD.parents[1] / "base"
FAST = Timing(first_pause=0.05, longest_pause=0.2, list_gap=0.0, spread=0.02, short_lived=0.0)


def until(condition: Callable[[], object], what: str, timeout: float = 15.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.02)


class Rig:
    """An API server that enforces the shipped roles, and candidates in threads or processes."""

    def __init__(self, directory: Path, closing: ExitStack) -> None:
        self.directory, self.closing = directory, closing
        self.api = ApiServer(Settings(rbac=True))
        self.api.objects.put(yaml.safe_load(CRD.read_text()))
        for name in ("access.yaml", "controlplane-access.yaml"):
            for each in yaml.safe_load_all((BASE / name).read_text()):
                self.api.objects.put(each)
        self.server = closing.enter_context(Server(self.api, listen()))
        token = self.api.tokens.add(service_account("kube-system", CONTROLPLANE))
        self.kubeconfig = directory / "kubeconfig"
        write_kubeconfig(self.kubeconfig, self.server.url, token=token)

    @contextmanager
    def candidate(self, **controlplane: object) -> Iterator[ControlPlane]:
        """In a thread, until the end of the block; it gives the Lease back."""
        settings = settings_for(self.kubeconfig, self.directory, **controlplane)
        plane = ControlPlane(settings, NoClouds(), BootClock(), FAST, TERMS)
        loop, ended = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(plane.run(ended)), daemon=True)
        thread.start()
        try:
            yield plane
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()
            loop.close()

    def process(self) -> tuple[subprocess.Popen[str], str]:
        """A candidate of its own, and its identity."""
        command = [sys.executable, "-m", "tests.controlplane.candidate", str(self.kubeconfig)]
        log = self.closing.enter_context((self.directory / "log").open("a"))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=CRD.parents[2])
        self.closing.callback(self._end, process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    @property
    def holder(self) -> str:
        leases = self.api.objects.list("Lease", "kube-system")
        return next((each["spec"].get("holderIdentity") or "" for each in leases), "")

    def cidrs(self) -> dict[str, str]:
        nodes = self.api.objects.list("Node")
        return {each["metadata"]["name"]: each.get("spec", {}).get("podCIDR", "") for each in nodes}

    def events(self) -> list[tuple[str, str]]:
        events = self.api.objects.list("Event", "default")
        return sorted((each["reason"], each["involvedObject"]["name"]) for each in events)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as closing:
        yield Rig(tmp_path, closing)


def rights() -> set[tuple[str, str]]:
    return {
        (right.verb, right.resource.partition(".")[0] + _sub(right.resource)) for right in RIGHTS if _is_ours(right)
    }


def _sub(resource: str) -> str:
    return f"/{resource.partition('/')[2]}" if "/" in resource and "." in resource else ""


def _is_ours(right: Any) -> bool:
    return right.account == CONTROLPLANE


def numbers(plane: ControlPlane) -> dict[str, float]:
    return {sample.name: sample.value for each in plane.gauges.collect() for sample in each.samples}


def test_it_tells_of_bgppeers_that_no_speaker_tells_of(rig):
    def told() -> list[tuple[str, str]]:
        return [each for each in rig.events() if each[0] != "PodCIDRAssigned"]

    put_node(rig.api, "n1")
    put_peer(rig.api, "n8", name="nobody")
    put_peer(rig.api, "n1", name="wrong")
    rig.api.objects.patch("BGPPeer", "wrong", {"spec": {"nodeSelector": "zone in (a"}})
    with rig.candidate():
        until(lambda: told() == [("InvalidObject", "wrong"), ("SpeakerNotFound", "nobody")], "both are told of")
        rig.api.objects.patch("BGPPeer", "wrong", {"spec": {"nodeSelector": "all()"}})
        until(lambda: ("InvalidObjectResolved", "wrong") in told(), "it is over")
        put_node(rig.api, "n8")
        until(lambda: ("SpeakerNotFoundResolved", "nobody") in told(), "this too")
    assert len(told()) == 4


def test_it_does_all_of_it_with_the_shipped_rights_and_needs_each_of_them(rig):
    for name in ("n1", "n2"):
        put_node(rig.api, name)
        put_agent(rig.api, name, ready=name == "n1")
        set_condition(rig.api, name, NETWORK_UNAVAILABLE, "False", SERVING)
    put_peer(rig.api, "n1")
    say(rig.api, "n1")
    with rig.candidate(agent_grace_seconds=0.5) as plane:
        until(lambda: all(rig.cidrs().values()), "both nodes have a pod CIDR")
        until(lambda: conditions_of(rig.api, "n2")[NETWORK_UNAVAILABLE]["status"] == "True", "n2 is marked")
        until(lambda: status(rig.api).get("conditions"), "the BGPPeer has its condition")
        until(lambda: len(rig.events()) == 3, "there are events")
        put_node(rig.api, "n3")
        until(lambda: rig.cidrs()["n3"], "a later node has one as well")
        put_agent(rig.api, "n2", ready=True)
        until(lambda: conditions_of(rig.api, "n2")[NETWORK_UNAVAILABLE]["reason"] == SERVING, "n2 is cleared")
        put_agent(rig.api, "n2", ready=False)
        rig.api.log.wait("patch events")
        assert plane.gauges.why_not_ready() == ""
    assert len(set(rig.cidrs().values())) == 3
    assert rig.holder == "", "it was given back"
    assert ("PodCIDRAssigned", "n1") in rig.events()
    assert {record.status for record in rig.api.log.calls()} <= {200, 201, 404, 409}, "the shipped rights are enough"
    assert {(record.target.verb, record.target.resource) for record in rig.api.log.calls()} == rights()


def test_a_candidate_reads_nothing_but_the_lease(rig):
    put_node(rig.api, "n1")
    with rig.candidate():
        until(lambda: all(rig.cidrs().values()), "the first leads")
        rig.api.log.clear()
        with rig.candidate() as second:
            rig.api.log.wait("get leases", 3)
            assert second.gauges.why_not_ready() == ""
            assert numbers(second)["terway_edge_controlplane_leader"] == 0.0
        assert not rig.api.log.calls("list nodes")


def test_when_the_api_comes_back_it_goes_on(rig):
    put_node(rig.api, "n1")
    with rig.candidate() as plane:
        until(lambda: all(rig.cidrs().values()), "it leads")
        rig.server.away()
        until(lambda: numbers(plane)["terway_edge_controlplane_leader"] == 0.0, "it leads no more")
        rig.server.back()
        put_node(rig.api, "n2")
        until(lambda: all(rig.cidrs().values()), "it leads again")
    assert len(set(rig.cidrs().values())) == 2


@pytest.mark.slow
def test_a_killed_leader_is_followed_by_the_other_within_the_lease_and_no_cidr_is_given_twice(rig):
    for number in range(40):
        put_node(rig.api, f"n{number:02}")
    first, leader = rig.process()
    until(lambda: rig.holder == leader, "the first leads")
    second, other = rig.process()
    until(lambda: sum(map(bool, rig.cidrs().values())) >= 3, "it is giving")
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_at = time.monotonic()
    given = sum(map(bool, rig.cidrs().values()))
    for number in range(40, 60):
        put_node(rig.api, f"n{number:02}")
    until(lambda: rig.holder == other, "the second leads")
    assert time.monotonic() - killed_at < TERMS.duration + 2 * TERMS.retry + 1.0
    until(lambda: all(rig.cidrs().values()), "all nodes have a pod CIDR")
    assert given <= 40
    assert len(set(rig.cidrs().values())) == 60
    assert second.poll() is None


@pytest.mark.slow
def test_a_leader_that_stood_still_finds_out_that_another_one_leads(rig):
    for number in range(40):
        put_node(rig.api, f"n{number:02}")
    first, leader = rig.process()
    until(lambda: rig.holder == leader, "the first leads")
    _, other = rig.process()
    until(lambda: sum(map(bool, rig.cidrs().values())) >= 3, "it is giving")
    first.send_signal(signal.SIGSTOP)
    until(lambda: rig.holder == other and all(rig.cidrs().values()), "the second leads and gives")
    before = rig.cidrs()
    since = time.monotonic()
    first.send_signal(signal.SIGCONT)
    until(lambda: len(rig.api.log.calls("get leases", since=since)) > 3, "the first looks at the Lease")
    assert rig.cidrs() == before
    assert len(set(before.values())) == 40
    assert rig.holder == other


def test_who_leads_again_after_another_one_did_looks_at_everything_anew(rig):
    """The other one took the Lease and gave it back between two looks, as after a stop of this process."""
    put_node(rig.api, "n1")
    with rig.candidate():
        until(lambda: all(rig.cidrs().values()), "it leads")
        before = rig.api.objects.get("Lease", NAME, "kube-system")["spec"]
        rig.api.log.clear()
        given_back = {"holderIdentity": "", "leaseTransitions": before["leaseTransitions"] + 1}
        rig.api.objects.patch("Lease", NAME, {"spec": given_back}, "kube-system")
        until(lambda: rig.holder, "it has the Lease again")
        rig.api.log.wait("list nodes")
        rig.api.log.clear()
        rig.api.log.wait("update leases", 2)
        assert not rig.api.log.calls("list nodes"), "its own renewals are one reign"


def test_settings_that_nothing_can_be_done_with_are_refused(tmp_path):
    settings = settings_for(tmp_path / "kubeconfig", tmp_path)
    wrong = replace_section(settings, pods_per_node=65536, pod_cidr_ranges=["10.0.0.0/20"])
    with pytest.raises(Refused, match=r"10\.0\.0\.0/20 has no room for a node of 65536 pods, which needs a /16"):
        ControlPlane(wrong, NoClouds(), BootClock())
    manifests = settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"source": "manifests"})})
    with pytest.raises(Refused, match=r"set cluster\.source to api"):
        ControlPlane(manifests, NoClouds(), BootClock())


def replace_section(settings: Any, **changes: object) -> Any:
    return settings_for(settings.cluster.kubeconfig, settings.state_dir, **changes)
