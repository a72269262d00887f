"""Cases of nodes with ENIs: a cloud that fails, and a host that undoes what an ENI was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terway_edge.torture.case import CLOUD, ENS, LATER, SOON, Case, wild
from terway_edge.torture.cloudy import CloudyNode
from terway_edge.torture.kubelet import AGAIN, Kubelet
from terway_edge.torture.script import Act

MANY = 7
"""Pods, some more than a node keeps addresses ready for."""
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "throttled": {"kind": "throttle", "probability": 0.7},
    "unavailable": {"kind": "server_error", "probability": 0.7},
    "answers lost": {"kind": "drop", "when": "after", "probability": 0.5},
    "calls lost": {"kind": "drop", "when": "before", "probability": 0.5},
    "HTML instead": {"kind": "not_json", "probability": 0.5},
    "empty answers": {"kind": "empty", "probability": 0.5},
    "slow": {"kind": "slow", "seconds": 1.0},
    "half of what was asked": {"kind": "partial", "portion": 1},
}


def trouble(kubelet: Kubelet, act: Act) -> None:
    """More pods than addresses are ready for while calls fail: they come up or are refused in time."""
    node = _cloudy(kubelet)
    node.cloud.load_faults([{**FAULTS[act.detail], "seed": int(act.dice[0] * 1000)}])
    pods = [kubelet.new_pod() for _ in range(MANY)]
    calls = [kubelet.begin_add(pod, budget=3.0) for pod in pods]
    answers = [kubelet.end_add(pod, call) for pod, call in zip(pods, calls, strict=True)]
    for pod, answer in zip(pods, answers, strict=True):
        kubelet.expect(answer.ok or answer.code == AGAIN, f"of {pod.name} while the cloud is {act.detail}: {answer}")
        kubelet.stop_pod(pod)
    node.cloud.load_faults([])


def undo(kubelet: Kubelet, act: Act) -> None:
    """What the host's own network service may do to an ENI."""
    node = _cloudy(kubelet)
    kubelet.some_pod(act.slot)
    enis = node.pod_links()
    if not enis:
        return
    name, index = enis[int(act.dice[0] * len(enis))]
    table = 1000 + index
    lines = {
        "its table flushed": [f"ip route flush table {table}"],
        "set down": [f"ip link set {name} down"],
        "set down and up": [f"ip link set {name} down", f"ip link set {name} up"],
        "its addresses flushed": [f"ip address flush dev {name}"],
    }
    node.run(*lines[act.detail])


def _cloudy(kubelet: Kubelet) -> CloudyNode:
    assert isinstance(kubelet.node, CloudyNode)
    return kubelet.node


CASES: dict[str, Case] = {
    "cloud in trouble": wild(trouble, *FAULTS, weight=4, kinds=(CLOUD, ENS), limit=2 * LATER),
    "somebody changes an ENI's link": wild(
        undo,
        "its table flushed",
        "set down",
        "set down and up",
        "its addresses flushed",
        weight=4,
        kinds=(CLOUD, ENS),
        limit=SOON,
    ),
}
