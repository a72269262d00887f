"""The cluster behind the Kubernetes API: the lab is its administrator, agents are the ServiceAccounts of deploy/."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from terway_edge.lab.api_client import ApiClient, collection_of, path_of
from terway_edge.lab.api_server import ApiServer
from terway_edge.lab.deployed import NAMESPACE, objects, service_account
from terway_edge.lab.errors import LabError
from terway_edge.lab.hosts import Host
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import agent_object, node_object, pod_object
from terway_edge.lab.pods import LabPod

SERVED = 15.0  # seconds until the resource of a new definition is served
POLL = 0.05
TOKEN_SECONDS = 24 * 3600
NODES = "/api/v1/nodes"


class ApiCluster:
    """A `Cluster`, from any thread. It changes and removes no object that it did not make."""

    watches_secrets = False

    def __init__(self, server: ApiServer, layout: Layout) -> None:
        self.client = ApiClient(server.kubeconfig, server.netns)
        self._server = server
        self._made: set[str] = set()
        self._guard = Lock()  # nodes add pods side by side
        self._record = None if server.is_ours else layout.made

    @property
    def place(self) -> str:
        return str(self._server.door()["server"])

    def deploy(self) -> int:
        """The definition of BGPPeer and the rights of agents, unless they are there; how many objects that took."""
        missing = [each for each in objects() if self.client.get(path_of(each)) is None]
        for each in missing:
            self._make(each)
        deadline = time.monotonic() + SERVED
        while self.client.get("/apis/network.openyurt.io/v1alpha1/bgppeers") is None:
            if time.monotonic() > deadline:
                raise LabError(f"after {SERVED:.0f} s the API server does not serve BGPPeers")
            time.sleep(POLL)
        return len(missing)

    def put(self, node: Host, labels: Mapping[str, str] | None = None) -> None:
        self.put_object(node.name, node_object(node, labels))

    def put_object(self, name: str, content: Mapping[str, Any]) -> None:
        path = path_of(content)
        if path in self._made:
            self.client.put(content)
            return
        if self.client.get(path) is not None:
            raise LabError(f"the cluster has {content['kind']} {name} already; give the lab a cluster of its own")
        self._make(content)

    def put_pod(self, pod: LabPod) -> None:
        pod.uid = self._make(pod_object(pod))["metadata"]["uid"]

    def remove_pod(self, pod: LabPod) -> None:
        self.client.delete(path_of(pod_object(pod)))

    def remove(self, node: Host) -> dict[str, Any]:
        path = f"{NODES}/{node.name}"
        found = self.client.get(path)
        if found is None:
            raise LabError(f"Node {node.name} is not there any more")
        self.client.delete(path)
        return found

    def nodes(self) -> list[dict[str, Any]]:
        mine = [each for each in self.client.items(NODES) if f"{NODES}/{each['metadata']['name']}" in self._made]
        return [each for each in mine if "podCIDR" in each.get("spec", {})]

    def put_agent(self, node: Host) -> None:
        """The pod of a node's agent, which is not ready before its kubelet says so."""
        self._make(agent_object(node))

    def say_of_agent(self, node: Host, *, is_ready: bool) -> None:
        """As the node's kubelet does it."""
        condition = {"type": "Ready", "status": "True" if is_ready else "False"}
        self.client.patch(f"{path_of(agent_object(node))}/status", {"status": {"conditions": [condition]}})

    def section(self, node: Host, directory: Path) -> dict[str, Any]:
        return self.login(service_account(node), directory)

    def login(self, account: str, directory: Path) -> dict[str, Any]:
        """`cluster` of the configuration of who is this ServiceAccount; what it needs is put into the directory."""
        path = directory / "kubeconfig"
        write_kubeconfig(path, self._server.door(), self._token(account))
        return {"source": "api", "kubeconfig": str(path)}

    def expect(self, path: str) -> None:
        """Somebody else makes this object for the lab, with which it goes."""
        with self._guard:
            self._note(path)

    def close(self) -> None:
        self.client.close()

    def _make(self, content: Mapping[str, Any]) -> dict[str, Any]:
        with self._guard:
            self._note(path_of(content))  # before it is there: whoever cleans up must not miss it
        made = self.client.create(content)
        if made is None:
            raise LabError(f"{content['kind']} {content['metadata']['name']} is there already")
        return made

    def _note(self, path: str) -> None:
        self._made.add(path)
        if self._record is not None:
            record = {"kubeconfig": str(self._server.kubeconfig), "paths": sorted(self._made)}
            _write(self._record, json.dumps(record))

    def _token(self, account: str) -> str:
        metadata = {"name": account, "namespace": NAMESPACE}
        path = collection_of({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        return str(self.client.post(f"{path}/{account}/token", request)["status"]["token"])


def remove_made(layout: Layout) -> None:
    """Take from an API server what a lab made there; nothing if there is no record of it. Raises LabError."""
    try:
        record = json.loads(layout.made.read_text())
    except FileNotFoundError:
        return
    client = ApiClient(Path(record["kubeconfig"]))
    try:
        for path in sorted(record["paths"], key=lambda path: "customresourcedefinitions" in path):
            client.delete(path)
    finally:
        client.close()


def write_kubeconfig(path: Path, cluster: Mapping[str, Any], token: str) -> None:
    name = "lab"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": dict(cluster)}],
        "users": [{"name": name, "user": {"token": token}}],
    }
    _write(path, yaml.safe_dump(document, sort_keys=False))


def _write(path: Path, text: str) -> None:
    """For its owner only, in one go."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    os.replace(temporary, path)
