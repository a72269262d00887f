"""What was written to the API, against what should be there: status, events, conditions, annotations. Pure.

All of it by agents, but for the conditions of BGPPeers, which are the control plane's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from terway_edge.lab import clouds
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LabNode
from terway_edge.lab.pods import LabPod
from terway_edge.lab.sessions import ESTABLISHED

Object = Mapping[str, Any]
NONE = "nothing"
ALL_UP = "True, AllEstablished"
NETWORK, ADDRESSES = "NetworkUnavailable", "SufficientIP"
MAX_PODS, POD_IPS = "k8s.aliyun.com/max-available-ip", "k8s.aliyun.com/pod-ips"


class Objects(NamedTuple):
    """As the API has them, by name; of events a list."""

    peers: Mapping[str, Object]
    nodes: Mapping[str, Object]
    pods: Mapping[str, Object]
    events: Sequence[Object]


class Written(NamedTuple):
    """`where` is an object, `what` a part of it; `fault` is empty if `value` is as it should be."""

    where: str
    what: str
    value: str
    fault: str = ""


def written(found: Objects, nodes: Sequence[Host], pods: Sequence[LabPod]) -> list[Written]:
    """All that agents of these nodes and the control plane should have written, and status entries of nobody."""
    speakers = [node for node in nodes if isinstance(node, LabNode) and node.is_speaker]
    rows = [row for node in speakers for row in _of_speaker(found, node)]
    rows += [_of_peer(found, name) for name in sorted({node.lan.peer for node in speakers})]
    rows += _of_nobody(found, speakers)
    rows += [row for node in nodes for row in _of_node(found, node)]
    on_enis = [pod for pod in pods if pod.node.domain in (clouds.CLOUD, clouds.ENS)]
    rows += [_of_pod(found, pod) for pod in on_enis]
    return rows


def faults(rows: Sequence[Written]) -> list[str]:
    return [f"{row.where}: {row.what} is {row.value}, {row.fault}" for row in rows if row.fault]


def _of_speaker(found: Objects, node: LabNode) -> Iterator[Written]:
    where = f"BGPPeer/{node.lan.peer}"
    entry = _entries(found, node.lan.peer).get(node.name, {})
    told = f"{entry.get('state', NONE)}, {entry.get('prefixesAnnounced', 0)} prefixes"
    yield Written(where, f"status of {node.name}", told, _unless(entry.get("state") == ESTABLISHED, ESTABLISHED))
    mine = [
        event
        for event in found.events
        if event["reason"] == ESTABLISHED
        and event["involvedObject"].get("kind") == "BGPPeer"
        and event["involvedObject"].get("name") == node.lan.peer
        and event.get("source", {}).get("host") == node.name
    ]
    uid = found.peers.get(node.lan.peer, {}).get("metadata", {}).get("uid")
    is_found = any(event["involvedObject"].get("uid") == uid for event in mine)  # by which kubectl describe finds it
    yield Written(where, f"events {ESTABLISHED} of {node.name}", str(len(mine)), _unless(is_found, "one at least"))


def _of_peer(found: Objects, name: str) -> Written:
    conditions = found.peers.get(name, {}).get("status", {}).get("conditions", ())
    has = next((f"{each['status']}, {each['reason']}" for each in conditions if each["type"] == ESTABLISHED), NONE)
    return Written(f"BGPPeer/{name}", f"condition {ESTABLISHED}", has, _unless(has == ALL_UP, ALL_UP))


def _of_nobody(found: Objects, speakers: Sequence[LabNode]) -> Iterator[Written]:
    for name in {node.lan.peer for node in speakers}:
        known = {node.name for node in speakers if node.lan.peer == name}
        for other in _entries(found, name).keys() - known:
            yield Written(f"BGPPeer/{name}", f"status of {other}", "there", "nobody asked it to speak")


def _of_node(found: Objects, node: Host) -> Iterator[Written]:
    where, content = f"Node/{node.name}", found.nodes.get(node.name, {})
    conditions = {each["type"]: each["status"] for each in content.get("status", {}).get("conditions", ())}
    wanted = {NETWORK: "False"} if isinstance(node, LabNode) else {NETWORK: "False", ADDRESSES: "True"}
    for kind, status in wanted.items():
        has = conditions.get(kind, NONE)
        yield Written(where, f"condition {kind}", has, _unless(has == status, status))
    if not isinstance(node, LabNode):
        most = _annotations(content).get(MAX_PODS, NONE)
        yield Written(where, f"annotation {MAX_PODS}", most, _unless(most.isdigit() and int(most) > 0, "a number"))


def network_condition(node: Object) -> str:
    """Status and reason of NetworkUnavailable."""
    conditions = node.get("status", {}).get("conditions", ())
    return next((f"{each['status']}, {each.get('reason', '')}" for each in conditions if each["type"] == NETWORK), NONE)


def _of_pod(found: Objects, pod: LabPod) -> Written:
    has, wanted = _annotations(found.pods.get(pod.name, {})).get(POD_IPS, NONE), ",".join(pod.addresses)
    return Written(f"Pod/{pod.name}", f"annotation {POD_IPS}", has, _unless(has == wanted, wanted))


def _entries(found: Objects, peer: str) -> dict[str, Object]:
    status = found.peers.get(peer, {}).get("status", {})
    return {entry["node"]: entry for entry in status.get("speakers", ())}


def _annotations(content: Object) -> Mapping[str, str]:
    annotations: Mapping[str, str] = content.get("metadata", {}).get("annotations") or {}
    return annotations


def _unless(is_good: bool, wanted: str) -> str:
    return "" if is_good else f"should be {wanted}"
