"""Against a whole API server: with the rights of the role and no more, and as others see what was written."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.core.ports import Annotation, Event, StatusEntry
from terway_edge.testing.apiserver import (
    ADMIN,
    ApiServer,
    Server,
    Settings,
    listen,
    self_signed,
    service_account,
    write_kubeconfig,
)
from tests.cluster.api.rig import FAST, Listener, wait_until
from tests.cluster.api.scripted import node, peer

DEPLOY = Path(__file__).parents[3] / "deploy"
CRD_NAME = "bgppeers.network.openyurt.io"
CERTIFICATE = self_signed("127.0.0.1")
EDGE, ENI = "terway-edge", "terway-edge-eni"
"""ServiceAccounts of the two kinds of agents."""
IS_EDGE = {"alibabacloud.com/is-edge-worker": "true"}
X = {"type": "X", "status": "True", "reason": "R", "message": "m"}


def shipped(*paths: str) -> list[dict[str, Any]]:
    return [each for path in paths for each in yaml.safe_load_all((DEPLOY / path).read_text())]


ACCESS = shipped("base/access.yaml", "agents/edge-access/access.yaml", "agents/eni-access/access.yaml")
CRD = shipped("crds/bgppeers.yaml")[0]


class World:
    """A cluster with roles, and agents of its nodes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.api = ApiServer(Settings(rbac=True, bookmarks=0.1))
        self.server = Server(self.api, listen(), CERTIFICATE.context())
        self.server.start()
        self.api.tokens.add(ADMIN)
        self.sources: list[KubernetesApi] = []
        for value in (*ACCESS, CRD):
            self.put(value)
        self.put({"apiVersion": "v1", "kind": "Node", **node("n1", **IS_EDGE)})
        self.put({"apiVersion": "v1", "kind": "Node", **node("n2", 2, **IS_EDGE)})
        self.put({"apiVersion": "v1", "kind": "Node", **node("cloud", 3)})
        self.put(peer("p", "n1", "n2", secret="bgp-secret"))
        for kind, name, data in (
            ("Secret", "bgp-secret", {"password": "aGVsbG8="}),
            ("ConfigMap", "eni-config", {"a": "b"}),
        ):
            self.put(
                {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "kube-system"}, "data": data}
            )
        pod = {"containers": [{"name": "c", "image": "i"}]}
        self.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": pod})

    def put(self, value: dict[str, Any]) -> dict[str, Any]:
        return self.api.objects.put(value)

    def open(self, node: str = "n1", **timing: float) -> tuple[KubernetesApi, Listener]:
        kubeconfig = self.directory / f"{node}.kubeconfig"
        account = ENI if node == "cloud" else EDGE
        token = self.api.tokens.add(service_account("kube-system", account))
        write_kubeconfig(kubeconfig, self.server.url, token=token, authority=CERTIFICATE.certificate)
        source = KubernetesApi(node, self.directory / node, kubeconfig, "1", replace(FAST, **timing))
        self.sources.append(source)
        listener = Listener()
        listener.last = source.load()
        source.watch(listener)
        return source, listener

    def speakers(self) -> list[dict[str, Any]]:
        found = self.api.objects.get("BGPPeer", "p").get("status", {}).get("speakers", [])
        return sorted(found, key=lambda each: each["node"])

    def close(self) -> None:
        for source in self.sources:
            source.close()
        self.server.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def write(world: World, node: str, source: KubernetesApi) -> None:
    """All that agents of a kind of node write."""
    source.write_status(StatusEntry("Node", node, "X", X))
    if node == "cloud":
        source.write_annotation(Annotation("Node", node, "", "k", "v"))
        source.write_annotation(Annotation("Pod", "web", "default", "k", "v"))
    else:
        source.write_status(StatusEntry("BGPPeer", "p", node, {"speaker": node, "state": "Established"}))
    source.emit(Event("NotReady", node, "m"))
    world.api.log.wait("create events")
    source.emit(Event("NotReady", node, "m"))


def is_written(world: World, node: str) -> bool:
    objects = world.api.objects
    (event,) = objects.list("Event") or [{}]
    found = objects.get("Node", node)
    if not any(each["type"] == "X" for each in found["status"].get("conditions", ())) or event.get("count") != 2:
        return False
    if node == "cloud":
        pod = objects.get("Pod", "web", "default")
        return all(each["metadata"].get("annotations") == {"k": "v"} for each in (found, pod))
    return world.speakers() == [{"node": node, "speaker": node, "state": "Established"}]


@pytest.mark.parametrize("node", ["n1", "cloud"])
def test_with_the_rights_of_its_role_an_agent_reads_and_writes_everything(world: World, node: str) -> None:
    source, listener = world.open(node)
    snapshot = listener.until(lambda snapshot: len(snapshot.nodes) == 3)
    assert [each.name for each in snapshot.peers] == ["p"]
    assert [secret.value for secret in snapshot.secrets.values()] == ([b"hello"] if node == "n1" else [])
    assert snapshot.config_maps == ({} if node == "n1" else {"eni-config": {"a": "b"}})
    write(world, node, source)
    wait_until(lambda: is_written(world, node))
    assert listener.until(lambda snapshot: True).problems == ()
    assert {record.status for record in world.api.log.calls()} <= {200, 201}
    assert all(record.unknown == () for record in world.api.log.calls())


def is_of(role: dict[str, Any], account: str) -> bool:
    return role["metadata"]["name"] in (account, f"{EDGE}-events") and "rules" in role


RIGHTS = [
    pytest.param(node, role, index, verb, id=f"{node}: {verb} {rule['resources'][0]}")
    for node, account in (("n1", EDGE), ("cloud", ENI))
    for role in ACCESS
    if is_of(role, account)
    for index, rule in enumerate(role["rules"])
    for verb in rule["verbs"]
]


@pytest.mark.parametrize(("node", "role", "index", "verb"), RIGHTS)
def test_each_right_is_needed_and_told_if_it_is_missing(
    world: World, node: str, role: dict[str, Any], index: int, verb: str
) -> None:
    less = deepcopy(role)
    less["rules"][index]["verbs"].remove(verb)
    world.put(less)
    source, listener = world.open(node)
    write(world, node, source)
    listener.until(lambda snapshot: any(each.reason == "ClusterForbidden" for each in snapshot.problems))


def test_two_speakers_have_an_entry_each_and_touch_only_their_own(world: World) -> None:
    first, _ = world.open("n1")
    second, _ = world.open("n2")
    first.write_status(StatusEntry("BGPPeer", "p", "n1", {"state": "Established"}))
    second.write_status(StatusEntry("BGPPeer", "p", "n2", {"state": "Connect"}))
    wait_until(lambda: len(world.speakers()) == 2)
    first.write_status(StatusEntry("BGPPeer", "p", "n1", {"state": "Idle"}))
    wait_until(lambda: world.speakers() == [{"node": "n1", "state": "Idle"}, {"node": "n2", "state": "Connect"}])
    first.write_status(StatusEntry("BGPPeer", "p", "n1", None))
    wait_until(lambda: world.speakers() == [{"node": "n2", "state": "Connect"}])


def test_other_conditions_and_annotations_stay_as_they_are(world: World) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m"}
    world.api.objects.patch("Node", "cloud", {"status": {"conditions": [ready]}}, subresource="status")
    world.api.objects.patch("Node", "cloud", {"metadata": {"annotations": {"mine": "1"}}})
    source, _ = world.open("cloud")
    source.write_status(StatusEntry("Node", "cloud", "X", X))
    source.write_annotation(Annotation("Node", "cloud", "", "k", "v"))

    def conditions() -> list[str]:
        return sorted(each["type"] for each in world.api.objects.get("Node", "cloud")["status"]["conditions"])

    def annotations() -> dict[str, str]:
        return world.api.objects.get("Node", "cloud")["metadata"]["annotations"]

    wait_until(lambda: conditions() == ["Ready", "X"] and annotations() == {"mine": "1", "k": "v"})
    source.write_status(StatusEntry("Node", "cloud", "X", None))
    source.write_annotation(Annotation("Node", "cloud", "", "k", None))
    wait_until(lambda: conditions() == ["Ready"] and annotations() == {"mine": "1"})


def test_a_later_pod_of_the_same_name_is_left_alone(world: World) -> None:
    source, _ = world.open("cloud")
    source.write_annotation(Annotation("Pod", "web", "default", "k", "v", "uid-of-an-earlier-one"))
    source.write_annotation(Annotation("Node", "cloud", "", "after", "1"))
    wait_until(lambda: "after" in world.api.objects.get("Node", "cloud")["metadata"].get("annotations", {}))
    assert "annotations" not in world.api.objects.get("Pod", "web", "default")["metadata"]


def test_a_restored_etcd_is_found_out_by_the_next_listing(world: World) -> None:
    before = world.api.snapshot()
    _, listener = world.open(relist=0.01, idle=0.3)
    world.put({"apiVersion": "v1", "kind": "Node", **node("n9", 9)})
    listener.until_nodes("cloud", "n1", "n2", "n9")
    world.api.restore(before)
    world.server.away()
    world.server.back()
    listener.until_nodes("cloud", "n1", "n2")


def test_a_crd_that_comes_later_is_followed_then(world: World) -> None:
    world.api.objects.delete("CustomResourceDefinition", CRD_NAME)
    _, listener = world.open()
    snapshot = listener.until(lambda snapshot: any(each.reason == "CRDMissing" for each in snapshot.problems))
    assert snapshot.peers_in_sync
    world.put(CRD)
    world.put(peer("later", "n1"))
    listener.until(lambda snapshot: [each.name for each in snapshot.peers] == ["later"] and not snapshot.problems)
