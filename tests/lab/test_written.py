"""What agents should have written to the API, and what is said if they have not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from terway_edge.lab.clouds import cloud_nodes
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.pods import LabPod, lab_pod
from terway_edge.lab.written import MAX_PODS, POD_IPS, Objects, Written, faults, network_condition, written

LAYOUT = Layout("twt")
SPEAKER, OTHER, CLOUD = lab_node(LAYOUT, 1), lab_node(LAYOUT, 3), cloud_nodes(LAYOUT)[0]
NODES: list[Host] = [SPEAKER, OTHER, CLOUD]
EDGE_POD, CLOUD_POD = lab_pod(LAYOUT, SPEAKER, 1), lab_pod(LAYOUT, CLOUD, 1)
CLOUD_POD.result = {"ips": [{"address": "192.168.64.5/32"}]}
PODS: list[LabPod] = [EDGE_POD, CLOUD_POD]


def good() -> Objects:
    def node(annotations: dict[str, str], **conditions: str) -> dict[str, Any]:
        listed = [{"type": kind, "status": status} for kind, status in conditions.items()]
        return {"metadata": {"annotations": annotations}, "status": {"conditions": listed}}

    peer = {
        "metadata": {"uid": "u1"},
        "status": {
            "speakers": [{"node": "node-1", "state": "Established", "prefixesAnnounced": 6}],
            "conditions": [{"type": "Established", "status": "True", "reason": "AllEstablished"}],
        },
    }
    involved = {"kind": "BGPPeer", "name": "peer-a", "uid": "u1"}
    event = {"reason": "Established", "involvedObject": involved, "source": {"host": "node-1"}}
    return Objects(
        {"peer-a": peer},
        {
            "node-1": node({}, NetworkUnavailable="False"),
            "node-3": node({}, NetworkUnavailable="False"),
            "cloud-1": node({MAX_PODS: "45"}, NetworkUnavailable="False", SufficientIP="True"),
        },
        {CLOUD_POD.name: {"metadata": {"annotations": {POD_IPS: "192.168.64.5"}}}},
        [event],
    )


def test_all_is_as_it_should_be() -> None:
    rows = written(good(), NODES, PODS)
    assert faults(rows) == []
    assert rows[:3] == [
        Written("BGPPeer/peer-a", "status of node-1", "Established, 6 prefixes"),
        Written("BGPPeer/peer-a", "events Established of node-1", "1"),
        Written("BGPPeer/peer-a", "condition Established", "True, AllEstablished"),
    ]
    assert {row.where for row in rows} == {
        "BGPPeer/peer-a", "Node/node-1", "Node/node-3", "Node/cloud-1", f"Pod/{CLOUD_POD.name}",
    }  # fmt: skip


def spoilt(what: str) -> Objects:
    found = deepcopy(good())
    peer: Any = found.peers["peer-a"]
    events: Any = found.events
    nodes: Any = found.nodes
    pods: Any = found.pods
    match what:
        case "state":
            peer["status"]["speakers"][0]["state"] = "Connect"
        case "no entry":
            peer["status"].pop("speakers")
        case "sum":
            peer["status"]["conditions"][0] |= {"status": "Unknown", "reason": "SpeakerSilent"}
        case "no sum":
            peer["status"].pop("conditions")
        case "stranger":
            peer["status"]["speakers"].append({"node": "node-9", "state": "Established"})
        case "uid":
            events[0]["involvedObject"]["uid"] = "u0"
        case "host":
            events[0]["source"]["host"] = "node-2"
        case "condition":
            nodes["node-3"]["status"]["conditions"][0]["status"] = "True"
        case "addresses":
            nodes["cloud-1"]["status"]["conditions"].pop()
        case "most":
            nodes["cloud-1"]["metadata"]["annotations"] = {}
        case "pod":
            pods[CLOUD_POD.name]["metadata"]["annotations"][POD_IPS] = "192.168.64.6"
    return found


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("state", "BGPPeer/peer-a: status of node-1 is Connect, 6 prefixes, should be Established"),
        ("no entry", "BGPPeer/peer-a: status of node-1 is nothing, 0 prefixes, should be Established"),
        (
            "sum",
            "BGPPeer/peer-a: condition Established is Unknown, SpeakerSilent, should be True, AllEstablished",
        ),
        ("no sum", "BGPPeer/peer-a: condition Established is nothing, should be True, AllEstablished"),
        ("stranger", "BGPPeer/peer-a: status of node-9 is there, nobody asked it to speak"),
        ("uid", "BGPPeer/peer-a: events Established of node-1 is 1, should be one at least"),
        ("host", "BGPPeer/peer-a: events Established of node-1 is 0, should be one at least"),
        ("condition", "Node/node-3: condition NetworkUnavailable is True, should be False"),
        ("addresses", "Node/cloud-1: condition SufficientIP is nothing, should be True"),
        ("most", f"Node/cloud-1: annotation {MAX_PODS} is nothing, should be a number"),
        ("pod", f"Pod/{CLOUD_POD.name}: annotation {POD_IPS} is 192.168.64.6, should be 192.168.64.5"),
    ],
)
def test_what_is_wrong_is_told(what: str, told: str) -> None:
    assert faults(written(spoilt(what), NODES, PODS)) == [told]


def test_nothing_at_all() -> None:
    rows = written(Objects({}, {}, {}, []), NODES, PODS)
    assert len(faults(rows)) == len(rows) == 9


def test_what_is_said_of_a_nodes_network() -> None:
    marked = {"type": "NetworkUnavailable", "status": "True", "reason": "TerwayEdgeAgentSilent"}
    assert network_condition({"status": {"conditions": [marked]}}) == "True, TerwayEdgeAgentSilent"
    assert network_condition({}) == "nothing"
