"""Cases in which somebody else on the node meddles with what is ours, and namespaces go without a DEL."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from terway_edge.core.names import link_name
from terway_edge.lab import topology
from terway_edge.lab.layout import netns_path
from terway_edge.torture.books import Pod
from terway_edge.torture.case import EDGE, Case, calm, wild
from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.node import GRACE
from terway_edge.torture.script import Act

FOR_A_WHILE, ROUNDS = "for a while", 3.0
"""A variant, and seconds in which lost sandboxes are looked for several times."""
Lines = Callable[[str, Pod], list[str]]
"""Commands, by the name of a pod's host link, and the pod."""

SHARED: Mapping[str, Lines] = {
    "all routes of ours": lambda _link, _pod: [
        "ip -s -4 route flush table all proto 158",
        "ip -s -6 route flush table all proto 158",
    ],
    "routes of a pod": lambda link, _pod: [f"ip -s -4 route flush dev {link}", f"ip -s -6 route flush dev {link}"],
    "neighbours of a pod": lambda link, _pod: [f"ip -s neighbour flush dev {link} nud permanent"],
    "link of a pod down": lambda link, _pod: [f"ip link set {link} down"],
    "link of a pod down and up": lambda link, _pod: [f"ip link set {link} down", f"ip link set {link} up"],
    "forwarding of the node": lambda _link, _pod: ["echo 0 > /proc/sys/net/ipv4/ip_forward"],
    "settings of a pod's link": lambda link, _pod: [
        f"echo 1 > /proc/sys/net/ipv4/conf/{link}/rp_filter",
        f"echo 1 > /proc/sys/net/ipv4/conf/{link}/accept_redirects",
    ],
    "our nftables": lambda _link, _pod: ["nft delete table inet terway_edge"],
    "everybody's nftables": lambda _link, _pod: ["nft flush ruleset"],
}
ON_ENIS: Mapping[str, Lines] = {
    "rules": lambda _link, _pod: ["ip rule show protocol 158 | grep -q .", "ip -4 rule flush protocol 158"],
}


def meddle(kubelet: Kubelet, act: Act) -> None:
    pod = kubelet.some_pod(act.slot)
    if pod is not None:
        missed = kubelet.node.run(*{**SHARED, **ON_ENIS}[act.detail](link_name(pod.key), pod))
        kubelet.expect(not missed, missed)


def unplug(kubelet: Kubelet, act: Act) -> None:
    """Nobody but its runtime can give a pod a new link: CHECK says so, and then the pod goes."""
    pod = _fresh_pod(kubelet, act.slot)
    if pod is None:
        return
    missed = kubelet.node.run(f"ip link delete {link_name(pod.key)}")
    kubelet.expect(not missed, missed)
    answer = kubelet.shim.start("CHECK", pod).finish()
    kubelet.expect(not answer.ok, f"of {pod.name}, whose link is gone: {answer}")
    if act.detail == FOR_A_WHILE:
        _expect_kept(kubelet, pod, "link")
    kubelet.stop_pod(pod)


def unname(kubelet: Kubelet, act: Act) -> None:
    """The path of a pod's namespace goes for a while, and the pod lives on."""
    pod = _fresh_pod(kubelet, act.slot)
    if pod is None:
        return
    processes, path, aside = kubelet.node.processes, netns_path(pod.netns), kubelet.node.directory / "namespace"
    aside.touch()
    processes.must(["mount", "--bind", str(path), str(aside)])
    topology.delete_namespace(pod.netns, processes)
    _expect_kept(kubelet, pod, "path")
    path.touch()
    processes.must(["mount", "--bind", str(aside), str(path)])
    processes.must(["umount", str(aside)])


def _fresh_pod(kubelet: Kubelet, slot: int) -> Pod | None:
    """A pod of which the agent knows the path: it does not of those that it has found in the kernel."""
    if slot in kubelet.books.slots:
        kubelet.stop_pod(kubelet.books.slots[slot])
    return kubelet.start_pod(slot)


def _expect_kept(kubelet: Kubelet, pod: Pod, gone: str) -> None:
    """That one proof is not enough to take a pod for lost, however often it is looked at."""
    time.sleep(GRACE + ROUNDS)
    kubelet.expect(pod.key in kubelet.node.reader.leases(), f"only the {gone} of {pod.name} went, and so did its lease")


def lose(kubelet: Kubelet, act: Act) -> None:
    """The namespace goes, and no DEL comes: the agent finds out."""
    pod = kubelet.some_pod(act.slot)
    if pod is not None:
        kubelet.lose(pod)


def cases(kind: str) -> dict[str, Case]:
    details = [*SHARED, *(() if kind == EDGE else ON_ENIS)]
    return {
        "somebody removes": calm(meddle, *details, weight=3, touches=True),
        "somebody deletes a pod's link": calm(unplug, "before its DEL", FOR_A_WHILE, weight=2),
        "path of a namespace gone for a while": wild(unname),
        "namespace gone without DEL": wild(lose, weight=2),
    }
