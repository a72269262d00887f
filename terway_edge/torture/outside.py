"""Cases of nodes with ENIs: a cloud that fails, and a host that undoes what an ENI was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terway_edge.torture.books import Pod
from terway_edge.torture.case import CLOUD, ENS, LATER, SOON, Case, wild
from terway_edge.torture.cloudy import CloudyNode
from terway_edge.torture.kubelet import AGAIN, Kubelet
from terway_edge.torture.script import Act

MANY, WAVES = 7, 4
"""Pods at once, and how often, until there are more than the node has addresses for."""
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
    before = node.cloud.report().made
    node.cloud.load_faults([{**FAULTS[act.detail], "seed": int(act.dice[0] * 1000)}])
    pods: list[Pod] = []
    while node.cloud.report().made == before and len(pods) < WAVES * MANY:
        wave = [kubelet.new_pod() for _ in range(MANY)]
        calls = [kubelet.begin_add(pod, budget=3.0) for pod in wave]
        answers = [kubelet.end_add(pod, call) for pod, call in zip(wave, calls, strict=True)]
        for pod, answer in zip(wave, answers, strict=True):
            told = f"of {pod.name} while the cloud is {act.detail}: {answer}"
            kubelet.expect(answer.ok or answer.code == AGAIN, told)
        pods += wave
    for pod in pods:
        kubelet.stop_pod(pod)
    kubelet.in_vain = "" if node.cloud.report().made > before else f"{len(pods)} pods, and the cloud was not called"
    node.cloud.load_faults([])


def undo(kubelet: Kubelet, act: Act) -> None:
    """What the host's own network service may do to an ENI."""
    node = _cloudy(kubelet)
    kubelet.some_pod(act.slot)
    enis = node.pod_links()
    if not enis:
        kubelet.in_vain = "no ENI is attached"
        return
    name, index = enis[int(act.dice[0] * len(enis))]
    table = 1000 + index
    lines = {
        "its table flushed": [f"ip -s route flush table {table}"],
        "set down": [f"ip link set {name} down"],
        "set down and up": [f"ip link set {name} down", f"ip link set {name} up"],
        "its addresses flushed": [f"ip -s address flush dev {name}"],
    }
    kubelet.in_vain = node.run(*lines[act.detail])


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
