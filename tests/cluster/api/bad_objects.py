"""Objects that somebody got wrong: good ones with one field spoilt, and a list of what people really write."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n2", "labels": {"alibabacloud.com/is-edge-worker": "true"}},
    "spec": {"podCIDR": "10.64.2.0/24", "podCIDRs": ["10.64.2.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]},
}
PEER: dict[str, Any] = {
    "apiVersion": "network.openyurt.io/v1alpha1",
    "kind": "BGPPeer",
    "metadata": {"name": "p"},
    "spec": {
        "localSpeakers": ["n1", "n2"],
        "localAsNumber": 65010,
        "peerIP": "192.0.2.254",
        "peerAsNumber": 65020,
        "gateway": "192.0.2.253",
        "nodeSelector": "all()",
        "authPassword": {"secretKeyRef": {"name": "bgp-secret", "key": "password"}},
        "holdTimeSeconds": 90,
        "keepaliveSeconds": 30,
        "communities": ["65010:1"],
    },
}
SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "bgp-secret", "namespace": "kube-system"},
    "data": {"password": "aGVsbG8="},
}
CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "eni-config", "namespace": "kube-system"},
    "data": {"eni_conf": '{"version": "1", "max_pool_size": 5, "min_pool_size": 1}'},
}
GOOD = {each["kind"]: each for each in (NODE, PEER, SECRET, CONFIG)}
JUNK: tuple[Any, ...] = (
    "", " ", "x", "-1", -1, 0, 1.5, 2**70, True, [], {}, ["x"], {"x": "y"}, [[]], "null", "a" * 300, "\u202e", "é",
    "\x00",
    "10.0.0.0/33", "10.0.0.1/24", "256.1.1.1", "0.0.0.0", "127.0.0.1", "ff02::1", "fe80::1%eth0", "0.0.0.0/0", "::/0",
    "$(reboot)", "../../etc/passwd", "{{ .Values }}",
)  # fmt: skip
FIELDS: dict[str, tuple[Path, ...]] = {
    "Node": (
        ("metadata", "labels"), ("metadata", "labels", "zone"), ("spec",), ("spec", "podCIDR"), ("spec", "podCIDRs"),
        ("spec", "podCIDRs", 0), ("status",), ("status", "addresses"), ("status", "addresses", 0),
        ("status", "addresses", 0, "address"),
    ),
    "BGPPeer": (
        ("spec",), ("spec", "localSpeakers"), ("spec", "localSpeakers", 0), ("spec", "localAsNumber"),
        ("spec", "peerIP"),
        ("spec", "peerAsNumber"), ("spec", "gateway"), ("spec", "nodeSelector"), ("spec", "authPassword"),
        ("spec", "authPassword", "secretKeyRef", "name"), ("spec", "holdTimeSeconds"), ("spec", "keepaliveSeconds"),
        ("spec", "communities"), ("spec", "communities", 0), ("spec", "password"),
    ),
    "Secret": (("data",), ("data", "password")),
    "ConfigMap": (("data",), ("data", "eni_conf")),
}  # fmt: skip


class Spoilt(NamedTuple):
    kind: str
    path: Path
    value: Any

    def object(self) -> dict[str, Any]:
        made = deepcopy(GOOD[self.kind])
        place: Any = made
        for key in self.path[:-1]:
            place = place[key]
        place[self.path[-1]] = deepcopy(self.value)
        if self.path == ("spec", "podCIDR"):  # else the API server refuses a Node for the two being unequal
            made["spec"].pop("podCIDRs")
        if self.path[:2] == ("spec", "podCIDRs"):
            made["spec"].pop("podCIDR")
        return made


def _wrong(kind: str, path: str, value: Any) -> Spoilt:
    return Spoilt(kind, tuple(int(each) if each.isdigit() else each for each in path.split(".")), value)


HAND = (
    _wrong("Node", "spec.podCIDR", "10.64.2.0"),
    _wrong("Node", "spec.podCIDR", "10.64.2.1/24"),
    _wrong("Node", "spec.podCIDR", "224.0.0.0/24"),
    _wrong("Node", "spec.podCIDRs", ["10.64.2.0/24", "10.65.2.0/24"]),
    _wrong("Node", "spec.podCIDRs", ["10.64.2.0/24", "fd00::/64", "fd01::/64"]),
    _wrong("Node", "status.addresses.0.address", "node-2.example"),
    _wrong("Node", "status.addresses.0.address", "127.0.0.1"),
    _wrong("Node", "status.addresses.0.address", "0.0.0.0"),
    _wrong("BGPPeer", "spec.localSpeakers", []),
    _wrong("BGPPeer", "spec.localSpeakers", ["n1", "n1"]),
    _wrong("BGPPeer", "spec.localSpeakers", "n1"),
    _wrong("BGPPeer", "spec.localAsNumber", "65010"),
    _wrong("BGPPeer", "spec.localAsNumber", 2**32),
    _wrong("BGPPeer", "spec.localAsNumber", 23456),
    _wrong("BGPPeer", "spec.peerIP", "172.16.0.0/24"),
    _wrong("BGPPeer", "spec.peerIP", "switch.example"),
    _wrong("BGPPeer", "spec.peerIP", "::ffff:10.0.0.1"),
    _wrong("BGPPeer", "spec.gateway", "2001:db8::1"),
    _wrong("BGPPeer", "spec.nodeSelector", "zone in (a"),
    _wrong("BGPPeer", "spec.nodeSelector", "all("),
    _wrong("BGPPeer", "spec.nodeselector", "all()"),
    _wrong("BGPPeer", "spec.authPassword", {"secretKeyRef": {"name": "bgp-secret"}}),
    _wrong("BGPPeer", "spec.authPassword", {"value": "mySecretValue"}),
    _wrong("BGPPeer", "spec.holdTimeSeconds", 2),
    _wrong("BGPPeer", "spec.keepaliveSeconds", 31),
    _wrong("BGPPeer", "spec.communities", ["65536:1"]),
    _wrong("Secret", "data.password", ""),
    _wrong("Secret", "data.password", "hello!"),
    _wrong("Secret", "data.password", "YWFh" * 40),
    _wrong("ConfigMap", "data.eni_conf", "{"),
    _wrong("ConfigMap", "data.eni_conf", "[]"),
    _wrong("ConfigMap", "data.eni_conf", '{"max_pool_size": "many"}'),
    _wrong("ConfigMap", "data.eni_conf", '{"max_pool_size": -1}'),
    _wrong("ConfigMap", "data.eni_conf", '{"vswitches": ["vsw-1"]}'),
    _wrong("ConfigMap", "data.eni_conf", '{"ip_stack": "ipv5"}'),
)
ALL = tuple(Spoilt(kind, path, value) for kind, paths in FIELDS.items() for path, value in product(paths, JUNK))
