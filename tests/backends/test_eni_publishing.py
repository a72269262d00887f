"""What the cluster sees of a node on ENIs and of its pods, through the hooks and the pool's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from terway_edge.backends.ens_eni import EnsEni
from terway_edge.backends.terway import Terway
from terway_edge.core.models import StopReason
from terway_edge.core.ports import Annotation
from terway_edge.eni.backend import EniBackend
from terway_edge.eni.publishing import MAX_PODS, POD_IPS
from terway_edge.testing import MemoryAnnotations
from terway_edge.testing.harness import NODE, Harness, Plugged, make_context
from tests.backends.eni_node import eni_cloud, eventually, node, with_cloud

CONDITION = ("Node", NODE, "SufficientIP")


@pytest.fixture(params=[Terway, EnsEni])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    with node(request.param, tmp_path, eni_cloud) as (made, _):
        yield made


def has_come(harness: Harness, what: str, is_so: Callable[[], object]) -> None:
    """Let the time pass after which the pool's thread tells of changes."""
    harness.clock.advance(1.0)
    eventually(is_so, what)


def pod_ips(harness: Harness, pod: Plugged) -> str | None:
    return harness.annotations.of("Pod", pod.sandbox.pod_name, "default").get(POD_IPS)


def is_known(harness: Harness) -> bool:
    return MAX_PODS in harness.annotations.of("Node", NODE) and CONDITION in harness.statuses.entries


def test_the_node_says_how_many_pods_it_can_have_and_that_it_can_serve(harness: Harness) -> None:
    eventually(lambda: is_known(harness), "annotation and condition of the node")
    assert harness.annotations.of("Node", NODE) == {MAX_PODS: "30"}
    assert harness.statuses.entries[CONDITION]["status"] == "True"


def test_a_pod_has_its_addresses_told_while_it_has_them(harness: Harness) -> None:
    pod, other = harness.plug(), harness.plug()
    has_come(harness, "the pods' annotations", lambda: pod_ips(harness, pod) and pod_ips(harness, other))
    four, six = pod.lease.addresses
    assert pod_ips(harness, pod) == f"{four},{six}"
    harness.unplug(pod)
    has_come(harness, "the end of the annotation", lambda: pod_ips(harness, pod) is None)
    assert pod_ips(harness, other) is not None


def test_no_thread_that_serves_pods_tells_of_them(harness: Harness) -> None:
    tellers = set()

    class Watched(MemoryAnnotations):
        def write_annotation(self, annotation: Annotation) -> None:
            tellers.add(threading.current_thread().name)
            super().write_annotation(annotation)

    harness.annotations = Watched()
    harness.restart()
    pod = harness.plug()
    has_come(harness, "the pod's annotation", lambda: pod_ips(harness, pod))
    assert tellers == {"eni-pool"}


def test_a_new_process_tells_what_the_old_one_did_not_come_to(harness: Harness) -> None:
    pod = harness.plug()
    harness.annotations = MemoryAnnotations()
    harness.restart()
    eventually(lambda: pod_ips(harness, pod), "the pod's annotation")


def test_a_new_process_writes_nothing_twice(harness: Harness) -> None:
    pod = harness.plug()
    has_come(harness, "all annotations", lambda: pod_ips(harness, pod) and is_known(harness))
    before = list(harness.annotations.writes), list(harness.statuses.writes)
    harness.restart()
    other = harness.plug()
    has_come(harness, "the other pod's annotation", lambda: pod_ips(harness, other))
    assert (harness.annotations.writes[:-1], harness.statuses.writes) == before


def test_a_failure_to_tell_hurts_no_pod(harness: Harness) -> None:
    class Broken(MemoryAnnotations):
        def __init__(self) -> None:
            super().__init__()
            self.failures = 0

        def write_annotation(self, annotation: Annotation) -> None:
            self.failures += 1
            raise OSError("the network is down")

    harness.annotations = broken = Broken()
    harness.restart()
    eventually(lambda: broken.failures, "a first failure")
    for _ in range(3):
        before = broken.failures
        pod = harness.plug()
        has_come(harness, "one more failure", lambda: broken.failures > before)  # noqa: B023 - it is called at once
        harness.unplug(pod)
    report = harness.hooks.report(harness.name)
    assert report is not None
    assert report.in_sync


def test_pods_are_not_told_of_if_the_configuration_says_so(tmp_path: Path) -> None:
    with node(Terway, tmp_path, eni_cloud, enable_patch_pod_ips=False) as (harness, _):
        harness.plug()
        harness.annotations = MemoryAnnotations()
        harness.restart()  # which tells of all pods, if of any, before it knows of the node
        eventually(lambda: is_known(harness), "annotation and condition of the node")
        assert [each.kind for each in harness.annotations.writes] == ["Node"]


@pytest.mark.parametrize("plugin", [Terway, EnsEni])
def test_a_removed_agent_leaves_none_of_it(plugin: type[EniBackend], tmp_path: Path) -> None:
    with node(plugin, tmp_path, eni_cloud) as (harness, clouds):
        pod = harness.plug()
        has_come(harness, "all annotations", lambda: pod_ips(harness, pod) and is_known(harness))
        harness.stop(StopReason.UPGRADE)
        assert is_known(harness)
        context = make_context(
            harness.kernel, store=harness.store, annotations=harness.annotations, statuses=harness.statuses
        )
        fresh = plugin(with_cloud(context, clouds, tmp_path))
        fresh.terway_edge_stop(StopReason.UNINSTALL)
        assert not any(harness.annotations.found.values())
        assert harness.statuses.entries == {}


def test_leases_of_other_backends_are_not_told_of(harness: Harness) -> None:
    """Observers hear of every backend's."""
    pod = harness.plug()
    sandbox = replace(pod.sandbox, container_id="foreign", pod_name="foreign")
    harness.annotations.found["Pod", "default", "foreign"] = {POD_IPS: "10.9.9.9"}
    harness.hooks.lease_released(replace(pod.lease, sandbox=sandbox, backend="flannel_route"))
    other = harness.plug()
    has_come(harness, "the other pod's annotation", lambda: pod_ips(harness, other))
    assert harness.annotations.of("Pod", "foreign", "default") == {POD_IPS: "10.9.9.9"}
