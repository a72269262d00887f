"""What is kept of an API object."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import MsgspecError

from terway_edge.cluster.api.projection import Item, Projector
from terway_edge.cluster.config_maps import read_config_map
from terway_edge.cluster.nodes import INSTANCE_TYPE_INFO, read_node
from terway_edge.cluster.peers import read_peer
from terway_edge.cluster.secrets import read_secret
from tests.cluster.api.scripted import bookmark, peer, status

NODE = {
    "metadata": {
        "name": "edge-1",
        "uid": "u1",
        "resourceVersion": "17",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"alibabacloud.com/nodepool-id": "np", "zone": "ä"},
        "annotations": {INSTANCE_TYPE_INFO: '{"a":1}', "kubectl": "much text"},
        "managedFields": [{"manager": "kubelet"}],
    },
    "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"], "providerID": "cn.i-1", "taints": []},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "edge-1"}],
        "conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
        "images": [{"names": ["a"], "sizeBytes": 1}],
    },
}
SECRET = {"metadata": {"name": "s", "namespace": "kube-system", "uid": "u"}, "data": {"password": "eA=="}, "type": "x"}
CONFIG_MAP = {"metadata": {"name": "eni-config", "namespace": "kube-system"}, "data": {"eni_conf": "{}"}}


def trimmed(kind: str, value: object) -> Item:
    return Projector(kind).one(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("kind", "read", "value"),
    [
        ("Node", read_node, NODE),
        ("BGPPeer", read_peer, peer("p", "n1", secret="s", communities=["65010:1"])),
        ("Secret", read_secret, SECRET),
        ("ConfigMap", read_config_map, CONFIG_MAP),
    ],
)
def test_readers_find_all_that_they_read(kind: str, read, value) -> None:
    found = read(json.loads(trimmed(kind, value).trimmed))
    assert found is not None
    assert found == read(value)


def test_what_changes_by_itself_is_not_kept() -> None:
    beat = json.loads(json.dumps(NODE))
    beat["metadata"]["resourceVersion"] = "18"
    beat["metadata"]["annotations"]["kubectl"] = "other text"
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T00:05:00Z"
    beat["status"]["images"] = []
    assert trimmed("Node", beat) == trimmed("Node", NODE)
    assert len(trimmed("Node", NODE).trimmed) < len(json.dumps(NODE))


@pytest.mark.parametrize(
    "change",
    [
        lambda node: node["metadata"].update(uid="u2"),
        lambda node: node["metadata"]["labels"].update(zone="b"),
        lambda node: node["metadata"]["annotations"].update({INSTANCE_TYPE_INFO: "{}"}),
        lambda node: node["spec"].update(podCIDR="10.2.0.0/24"),
        lambda node: node["spec"].update(podCIDRs=[]),
        lambda node: node["spec"].update(providerID="cn.i-2"),
        lambda node: node["status"]["addresses"].pop(),
    ],
)
def test_what_is_used_is_kept(change) -> None:
    other = json.loads(json.dumps(NODE))
    change(other)
    assert trimmed("Node", other).trimmed != trimmed("Node", NODE).trimmed


def test_a_page_may_have_no_items_and_null_fields() -> None:
    page = Projector("BGPPeer").page(b'{"metadata":{"resourceVersion":"5"},"items":null}')
    assert (page.items, page.version, page.rest) == ([], "5", "")
    text = b'{"metadata":{"resourceVersion":"5","continue":"x"},"items":[{"metadata":{"name":"a","labels":null}}]}'
    (item,) = Projector("Node").page(text).items
    assert read_node(json.loads(item.trimmed)).labels == {}


def test_a_bookmark_has_a_version_and_no_name() -> None:
    change = Projector("Node").change(json.dumps(bookmark(7)).encode())
    assert (change.what, change.item.name, change.version) == ("BOOKMARK", "", "7")


def test_an_error_event_holds_a_status() -> None:
    line = json.dumps({"type": "ERROR", "object": status(410, "Expired", "too old")}).encode()
    change = Projector("Node").change(line)
    assert change.error is not None
    assert (change.error.code, change.error.reason, change.error.message) == (410, "Expired", "too old")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(labels=json_values, addresses=json_values, spec=json_values)
def test_below_the_picked_fields_everything_stays_as_it_came(labels, addresses, spec) -> None:
    value = {
        "metadata": {"name": "n", "labels": labels},
        "spec": {"podCIDRs": spec},
        "status": {"addresses": addresses},
    }
    assert json.loads(trimmed("Node", value).trimmed) == value
    assert json.loads(trimmed("BGPPeer", {"metadata": {"name": "p"}, "spec": spec}).trimmed)["spec"] == spec


@pytest.mark.parametrize("text", [b"", b"[]", b'{"metadata":[]}', b'{"metadata":{"name":1}}', b"\xff"])
def test_what_is_no_object_is_an_error(text: bytes) -> None:
    with pytest.raises(MsgspecError):
        Projector("Node").one(text)
