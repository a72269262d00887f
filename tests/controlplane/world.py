"""The API server double without HTTP, and the world as a leader sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from terway_edge.cluster.api.failures import ApiError
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.transport import Query
from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import FOLLOWED_AGENTS, FOLLOWED_NODES, FOLLOWED_PEERS, Followed
from terway_edge.core.ports import Json
from terway_edge.testing.apiserver import ApiServer
from terway_edge.testing.apiserver.call import Call

CRD = Path(__file__).parents[2] / "deploy" / "crds" / "bgppeers.yaml"
EDGE = {"alibabacloud.com/is-edge-worker": "true"}
AGENT = {"app.kubernetes.io/name": "terway-edge", "app.kubernetes.io/component": "edge-agent"}


class DirectApi:
    """An `Api` that is answered at once; `written` are method, path and body of what changed something."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.written: list[tuple[str, str, Any]] = []

    async def get(self, path: str, query: Query = ()) -> bytes:
        return self._call(Call.of("GET", f"{path}?{urlencode(list(query))}", {}))

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes:
        self.written.append((method, path, body))
        text = json.dumps(body).encode()
        return self._call(Call.of(method, f"{path}?{urlencode(list(query))}", {"content-type": content_type}, text))

    def _call(self, call: Call) -> bytes:
        reply = self.server.answer(call)
        if reply.status >= 300:
            raise ApiError(reply.status, reply.reason, reply.body.decode())
        return reply.body


def cluster(*nodes: str) -> ApiServer:
    """With the definition of BGPPeers, and Nodes that are ready."""
    server = ApiServer()
    server.objects.put(yaml.safe_load(CRD.read_text()))
    for name in nodes:
        put_node(server, name)
    return server


def put_node(server: ApiServer, name: str, ready: str = "True", **spec: Any) -> None:
    head = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": EDGE}}
    server.objects.put({**head, "spec": spec})
    set_condition(server, name, "Ready", ready)


def set_condition(server: ApiServer, node: str, kind: str, status: str, reason: str = "Test") -> None:
    """Other conditions stay."""
    conditions = [each for each in conditions_of(server, node).values() if each["type"] != kind]
    conditions.append({"type": kind, "status": status, "reason": reason, "message": "said by the test"})
    server.objects.patch("Node", node, {"status": {"conditions": conditions}}, subresource="status")


def conditions_of(server: ApiServer, node: str) -> dict[str, dict[str, str]]:
    found = server.objects.get("Node", node).get("status", {}).get("conditions", [])
    return {each["type"]: each for each in found}


def put_agent(server: ApiServer, node: str, *, ready: bool) -> None:
    """The pod of a node's agent."""
    name = f"terway-edge-{node}"
    names = [each["metadata"]["name"] for each in server.objects.list("Pod", "kube-system")]
    if name not in names:
        metadata = {"name": name, "namespace": "kube-system", "labels": AGENT}
        spec = {"nodeName": node, "containers": [{"name": "terway-edge", "image": "x"}]}
        server.objects.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    server.objects.patch("Pod", name, {"status": {"conditions": conditions}}, "kube-system", "status")


def world_of(server: ApiServer) -> World:
    """By lists, as the leader reads them."""

    def listed(followed: Followed) -> list[Any]:
        resource = followed.resource
        query = f"?{urlencode({'labelSelector': resource.label_selector})}" if resource.label_selector else ""
        mirror: Mirror[Any] = Mirror(resource.kind, followed.read)
        mirror.replace(followed.projector.page(server.answer(Call.of("GET", resource.path + query, {})).body).items)
        assert not mirror.problems()
        return mirror.objects()

    return World(
        {each.name: each for each in listed(FOLLOWED_NODES)},
        {each.peer.name: each for each in listed(FOLLOWED_PEERS)},
        {each.node: each for each in listed(FOLLOWED_AGENTS)},
    )
