"""The lab as an administrator: what it makes is its own, what it finds stays, agents get the rights of deploy/."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.lab.api_client import ApiClient, collection_of, path_of
from terway_edge.lab.api_cluster import ApiCluster, remove_made
from terway_edge.lab.api_server import ApiReport, current_cluster
from terway_edge.lab.clouds import cloud_nodes
from terway_edge.lab.control_plane import LEASE, is_led
from terway_edge.lab.deployed import objects
from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.lab.peers import SECRET, peer_object, secret_object
from terway_edge.lab.pods import lab_pod
from terway_edge.lab.teardown import tear_down
from terway_edge.testing.apiserver import ADMIN, ApiServer, Server, Settings, listen, write_kubeconfig


class Given:
    """An `ApiServer` of somebody else."""

    netns = ""
    is_ours = False

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def start(self) -> None: ...

    def wait_ready(self) -> None: ...

    def door(self) -> dict[str, Any]:
        return current_cluster(self.kubeconfig)

    def cut(self) -> None: ...

    def mend(self) -> None: ...

    def report(self) -> ApiReport | None:
        return None

    def stop(self) -> None: ...

    def tail(self) -> str:
        return ""


class World:
    def __init__(self, layout: Layout, closing: ExitStack) -> None:
        layout.api.mkdir()
        self.layout, self.api = layout, ApiServer(Settings(rbac=True))
        server = closing.enter_context(Server(self.api, listen()))
        kubeconfig = layout.root.parent / "given.kubeconfig"
        write_kubeconfig(kubeconfig, server.url, token=self.api.tokens.add(ADMIN))
        self.cluster = ApiCluster(Given(kubeconfig), layout)
        closing.callback(self.cluster.close)

    def names(self, kind: str) -> list[str]:
        return [each["metadata"]["name"] for each in self.api.objects.list(kind)]


@pytest.fixture
def world(layout: Layout) -> Iterator[World]:
    with ExitStack() as closing:
        yield World(layout, closing)
        layout.made.unlink(missing_ok=True)  # the server goes before the layout does


def test_paths() -> None:
    assert path_of(secret_object("x")) == f"/api/v1/namespaces/kube-system/secrets/{SECRET}"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    assert collection_of(role) == "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def test_what_agents_need_is_created_once(world: World) -> None:
    assert world.cluster.deploy() == len(objects())
    assert world.cluster.deploy() == 0
    assert world.names("CustomResourceDefinition") == ["bgppeers.network.openyurt.io"]


def test_an_agent_sees_the_cluster_as_its_service_account(world: World, tmp_path: Path) -> None:
    world.cluster.deploy()
    nodes = [lab_node(world.layout, 1), cloud_nodes(world.layout)[0]]
    for node in nodes:
        world.cluster.put(node)
    world.cluster.put_object("peer-a", peer_object(lab_lans(world.layout)[0], POOL_LABEL))
    world.cluster.put_object(SECRET, secret_object("s3cret"))
    section = world.cluster.section(nodes[0], tmp_path)
    assert section == {"source": "api", "kubeconfig": str(tmp_path / "kubeconfig")}
    assert stat.S_IMODE((tmp_path / "kubeconfig").stat().st_mode) == 0o600
    source = KubernetesApi("node-1", tmp_path / "state", tmp_path / "kubeconfig", "1")
    try:
        snapshot = source.load()
    finally:
        source.close()
    assert snapshot.problems == ()
    own = {node.name: node for node in snapshot.nodes}["node-1"]
    assert [str(prefix) for prefix in own.pod_cidrs] == ["10.64.1.0/24", "fd00:64:0:1::/64"]
    assert [str(address) for address in own.addresses] == ["172.16.0.11", "fd00:18::11"]
    assert [secret.value for secret in snapshot.secrets.values()] == [b"s3cret"]


@pytest.mark.parametrize(("number", "account"), [(0, "terway-edge"), (1, "terway-edge-eni")])
def test_each_kind_of_node_has_the_rights_of_its_own(world: World, tmp_path: Path, number: int, account: str) -> None:
    world.cluster.deploy()
    node = (lab_node(world.layout, 1), cloud_nodes(world.layout)[0])[number]
    world.cluster.section(node, tmp_path)
    token = yaml.safe_load((tmp_path / "kubeconfig").read_text())["users"][0]["user"]["token"]
    user = world.api.tokens.user(token)
    assert user is not None
    assert user.name == f"system:serviceaccount:kube-system:{account}"


def test_objects_come_change_and_go(world: World) -> None:
    node = lab_node(world.layout, 1)
    world.cluster.put(node, {"rack": "7"})
    assert [each["metadata"]["labels"]["rack"] for each in world.cluster.nodes()] == ["7"]
    removed = world.cluster.remove(node)
    assert world.names("Node") == []
    world.cluster.put_object(node.name, removed)
    assert [each["spec"]["podCIDR"] for each in world.cluster.nodes()] == ["10.64.1.0/24"]
    for password in ("one", "two"):
        world.cluster.put_object(SECRET, secret_object(password))
    assert world.api.objects.get("Secret", SECRET, "kube-system")["data"] == secret_object("two")["data"]


def test_a_pod_has_the_uid_that_the_cluster_gave_it(world: World) -> None:
    pod = lab_pod(world.layout, lab_node(world.layout, 1), 1)
    world.cluster.put_pod(pod)
    assert world.api.objects.get("Pod", pod.name, "default")["metadata"]["uid"] == pod.uid
    world.cluster.remove_pod(pod)
    assert world.names("Pod") == []


def test_the_readiness_of_an_agents_pod_is_as_the_kubelet_says(world: World) -> None:
    for node, component in ((lab_node(world.layout, 1), "edge-agent"), (cloud_nodes(world.layout)[2], "ens-agent")):
        world.cluster.put_agent(node)
        for is_ready in (True, False):
            world.cluster.say_of_agent(node, is_ready=is_ready)
            pod = world.api.objects.get("Pod", f"terway-edge-{node.name}", "kube-system")
            assert pod["status"]["conditions"] == [{"type": "Ready", "status": str(is_ready)}]
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == component
    remove_made(world.layout)
    assert world.names("Pod") == []


def test_what_somebody_else_makes_for_the_lab_goes_with_it(world: World) -> None:
    world.cluster.expect(LEASE)
    metadata = {"name": "terway-edge-controlplane", "namespace": "kube-system"}
    world.api.objects.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata})
    remove_made(world.layout)
    assert world.names("Lease") == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"holderIdentity": "cp-1", "renewTime": "2026-01-01T00:00:30.000000Z"}, True),
        ({"holderIdentity": "cp-1", "renewTime": "2025-12-31T23:59:30.000000Z"}, False),
        ({"holderIdentity": "", "renewTime": "2026-01-01T00:00:30.000000Z"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_control_plane_is_there_if_the_lease_is_held_and_renewed(spec: dict[str, str] | None, told: bool) -> None:
    now = datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC)
    assert is_led({"spec": spec}, now) is told
    assert not is_led(None, now)


def test_what_others_made_is_left_alone(world: World) -> None:
    stranger = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    world.api.objects.put(stranger)
    with pytest.raises(LabError, match="the cluster has Node node-1 already; give the lab a cluster of its own"):
        world.cluster.put(lab_node(world.layout, 1))
    assert world.cluster.nodes() == []
    world.cluster.put(lab_node(world.layout, 2))
    tear_down(world.layout)
    assert world.names("Node") == ["node-1"]


def test_whoever_cleans_up_removes_what_was_made_and_no_more(world: World) -> None:
    before = objects()
    for each in before[1:3]:
        world.api.objects.put(each)
    world.cluster.deploy()
    world.cluster.put(lab_node(world.layout, 1))
    world.cluster.put_pod(lab_pod(world.layout, lab_node(world.layout, 1), 1))
    assert stat.S_IMODE(world.layout.made.stat().st_mode) == 0o600
    assert "/api/v1/nodes/node-1" in json.loads(world.layout.made.read_text())["paths"]
    remove_made(world.layout)
    kinds = ("Node", "Pod", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "RoleBinding")
    assert [name for kind in kinds for name in world.names(kind)] == []
    assert [*world.names("Role"), *world.names("ServiceAccount")] == [each["metadata"]["name"] for each in before[1:3]]


def test_an_api_server_that_is_gone_is_told_and_all_else_is_removed(world: World, layout: Layout) -> None:
    world.cluster.put(lab_node(layout, 1))
    record = json.loads(layout.made.read_text())
    write_kubeconfig(Path(record["kubeconfig"]), "http://127.0.0.1:9")
    with pytest.raises(
        LabError, match=r"objects of the lab stay in the cluster: the API server of .*: 127.0.0.1:9: Connection refused"
    ):
        tear_down(layout)
    assert not layout.api.exists()


def test_refusals_name_what_was_asked(world: World, tmp_path: Path) -> None:
    path = tmp_path / "stranger.kubeconfig"
    write_kubeconfig(path, current_cluster(tmp_path / "given.kubeconfig")["server"], token="wrong")
    client = ApiClient(path)
    try:
        with pytest.raises(LabError, match="answers 401 Unauthorized"):
            client.get("/api/v1/nodes")
    finally:
        client.close()
