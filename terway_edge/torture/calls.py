"""Cases of a runtime's calls: the ordinary ones, those that cross, and those that are wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from terway_edge.torture.case import LATER, Case, calm
from terway_edge.torture.kubelet import AGAIN, Kubelet
from terway_edge.torture.node import COOLDOWN
from terway_edge.torture.script import SLOTS, Act
from terway_edge.torture.shim import Answer

PORTS = 30000
"""The node's port of the pod of slot N is this and N."""
BURST, BURSTS = 4, 3
"""Pods at once, at least, and how often until there is room for one."""
AT_ANSWER, ANSWER = "before its answer", "reply.before"
RECORD = "store.append.before"
ROLL_BACK = 2.0  # seconds after the caller went
VALID, OLD_VALID = "cni.dev/valid-attachments", "cni.dev/attachments"
REFUSED = (1, 4, 5, 6, 7, 8)


def add(kubelet: Kubelet, act: Act) -> None:
    """A new pod; where there is one already, the runtime errs, and nothing may change."""
    pod = kubelet.books.slots.get(act.slot)
    if pod is None:
        kubelet.start_pod(act.slot, PORTS + act.slot if act.dice[0] < 0.3 else 0)
        return
    answer = kubelet.shim.start("ADD", pod).finish()
    kubelet.expect(not answer.ok, f"a second ADD of {pod.name} succeeded")


def delete(kubelet: Kubelet, act: Act) -> None:
    """Once or more, with the namespace or after it went; where there is no pod, a DEL of a sandbox nobody knows."""
    pod = kubelet.books.slots.get(act.slot)
    if pod is None:
        stranger = kubelet.books.new_pod()
        kubelet.delete(stranger)
        return
    kubelet.delete(pod)
    for _ in range(int(act.dice[0] * 3)):
        kubelet.delete(pod)
    kubelet.remove(pod)
    if act.dice[1] < 0.3:
        kubelet.delete(pod)


def delete_halfway(kubelet: Kubelet, act: Act) -> None:
    """Stopped when the release is about to be recorded: by then nothing leads to the pod's addresses, which are whose
    comes next after that."""
    pod = kubelet.some_pod(act.slot)
    if pod is None:
        return
    began = time.monotonic()
    kubelet.agent.arm(f"{RECORD} pause")
    deleting = kubelet.shim.start("DEL", pod)
    try:
        kubelet.agent.wait_reached(RECORD)
        ways = sorted(each for each in kubelet.node.reader.ways() if each[1] in pod.addresses)
    finally:
        kubelet.agent.arm("")
    deleted = deleting.finish()
    kubelet.expect(deleted.ok, f"of {pod.name}: {deleted}")
    for what, address in ways:
        kubelet.expect(False, f"the lease of {address} was about to be released before its {what} went")
    kubelet.note_deleted(pod, began)
    kubelet.remove(pod)


def check(kubelet: Kubelet, act: Act) -> None:
    """Success exactly for pods that are there."""
    pod = kubelet.books.slots.get(act.slot)
    answer = kubelet.shim.start("CHECK", pod or kubelet.books.new_pod()).finish()
    kubelet.expect(answer.ok == (pod is not None), f"of {pod.name if pod else 'a stranger'}: {answer}")


def collect(kubelet: Kubelet, act: Act) -> None:
    """GC with the list of all pods, of all but one, or without a list, which is no reason to free anything."""
    gone = kubelet.some_pod(act.slot) if act.detail == "one is gone" else None
    pods = kubelet.books.live()
    content: dict[str, Any] = kubelet.shim.configuration()
    if act.detail != "no list":
        valid = [{"containerID": pod.key[0], "ifname": pod.key[1]} for pod in pods if pod is not gone]
        content[VALID] = content[OLD_VALID] = valid
    time.sleep(0.01)  # a lease as young as the call is not the list's to judge
    began = time.monotonic()
    answer = kubelet.shim.start("GC", stdin=json.dumps(content).encode()).finish()
    kubelet.expect(answer.ok == (act.detail != "no list"), answer)
    if gone is not None:
        kubelet.note_deleted(gone, began)
        kubelet.remove(gone)


def status(kubelet: Kubelet, act: Act) -> None:
    """While the agent serves, all is well, however many addresses are left."""
    answer = kubelet.shim.start("STATUS").finish()
    kubelet.expect(answer.ok, answer)


def taken(kubelet: Kubelet, act: Act) -> None:
    """An ADD that fails last of all, in the pod: its namespace has a link of that name already."""
    pod = kubelet.new_pod(port=PORTS + SLOTS)
    name, processes = pod.key[1], kubelet.node.processes
    processes.must(["ip", "-n", pod.netns, "link", "add", name, "type", "veth", "peer", "name", "stranger"])
    answer = kubelet.end_add(pod, kubelet.begin_add(pod))
    kubelet.expect(not answer.ok, f"of {pod.name}, which has a link {name}: {answer}")
    kubelet.expect_released([pod])
    kubelet.give_up(pod, is_lost=act.dice[0] < 0.3)


def cross(kubelet: Kubelet, act: Act) -> None:
    """DEL while the ADD of the same sandbox is under way, at any of its steps."""
    pod = kubelet.new_pod()
    adding = kubelet.begin_add(pod)
    time.sleep(act.dice[0] * 0.02)
    began = time.monotonic()
    deleting = kubelet.shim.start("DEL", pod)
    added, deleted = kubelet.end_add(pod, adding), deleting.finish()
    kubelet.expect(deleted.ok, f"of {pod.name}, crossing its ADD: {deleted}")
    if added.ok:  # before the DEL, which has ended it, or after it
        kubelet.stop_pod(pod)
        kubelet.note_deleted(pod, began)  # at the earliest, that is
    else:
        kubelet.note_deleted(pod, began)
        kubelet.expect_released([pod])
        kubelet.remove(pod)


def replace(kubelet: Kubelet, act: Act) -> None:
    """The new sandbox of a pod comes before the old one goes (a StatefulSet's pod, deleted by force)."""
    old = kubelet.some_pod(act.slot)
    if old is None:
        return
    new = kubelet.new_pod(same_as=old)
    new.port = 0  # the old one has it still
    answer = kubelet.end_add(new, kubelet.begin_add(new))
    kubelet.stop_pod(old)
    if answer.ok:
        kubelet.books.slots[act.slot] = new
    else:
        kubelet.in_vain = "there was no room for both"
        kubelet.expect(answer.code == AGAIN, f"of a new sandbox of {old.name}: {answer}")
        kubelet.give_up(new)


def burst(kubelet: Kubelet, act: Act) -> None:
    """Many pods at once, more than there is room for perhaps: nobody gets what is another's."""
    for _ in range(BURSTS):
        answers = _burst(kubelet, BURST + int(act.dice[0] * 2 * BURST))
        time.sleep(COOLDOWN)
        if any(answer.ok for answer in answers):
            kubelet.in_vain = ""
            return
        kubelet.in_vain = f"there was room for none: {answers[0]}"


def _burst(kubelet: Kubelet, count: int) -> list[Answer]:
    pods = [kubelet.new_pod() for _ in range(count)]
    calls = [kubelet.begin_add(pod) for pod in pods]
    answers = [kubelet.end_add(pod, call) for pod, call in zip(pods, calls, strict=True)]
    for pod, answer in zip(pods, answers, strict=True):
        kubelet.expect(answer.ok or answer.code == AGAIN, f"of {pod.name}: {answer}")
    began = time.monotonic()
    calls = [kubelet.shim.start("DEL", pod) for pod in pods]
    for pod, call in zip(pods, calls, strict=True):
        deleted = call.finish()
        kubelet.expect(deleted.ok, f"of {pod.name}: {deleted}")
        kubelet.note_deleted(pod, began)
        kubelet.remove(pod)
    return answers


def orphan_shim(kubelet: Kubelet, act: Act) -> None:
    """The runtime kills the shim while it waits for an ADD, as it does when its own time is over. An agent that cannot
    deliver its answer undoes all by itself."""
    pod = kubelet.new_pod()
    if act.detail == AT_ANSWER:
        kubelet.agent.arm(f"{ANSWER} pause")
    call = kubelet.begin_add(pod)
    if act.detail == AT_ANSWER:
        kubelet.agent.wait_reached(ANSWER)
        call.kill()
        kubelet.agent.arm("")
        kubelet.expect_released([pod], within=ROLL_BACK)
    else:
        time.sleep(act.dice[0] * 0.012)
        kubelet.in_vain = f"{pod.name} was there already" if call.is_done() else ""
        call.kill()
    kubelet.give_up(pod, is_lost=act.dice[1] < 0.2)


class Wrong(NamedTuple):
    """A call of which one thing is wrong; what the shim says must have one of these codes."""

    environ: Mapping[str, str] = {}
    stdin: bytes | None = None
    codes: tuple[int, ...] = REFUSED
    command: str = "ADD"


WRONG = {
    "no container id": Wrong({"CNI_CONTAINERID": ""}, codes=(4,)),
    "path as container id": Wrong({"CNI_CONTAINERID": "../../etc"}, codes=(4,)),
    "container id too long": Wrong({"CNI_CONTAINERID": "a" * 254}, codes=(4,)),
    "ifname to be expanded": Wrong({"CNI_IFNAME": "eth%d"}, codes=(4,)),
    "ifname too long": Wrong({"CNI_IFNAME": "e" * 16}, codes=(4,)),
    "path as ifname": Wrong({"CNI_IFNAME": "a/b"}, codes=(4,)),
    "relative netns": Wrong({"CNI_NETNS": "run/netns/x"}, codes=(4,)),
    "own netns": Wrong({"CNI_NETNS": "/proc/self/ns/net"}, codes=(8,)),
    "file as netns": Wrong({"CNI_NETNS": "/etc/hostname"}),
    "netns that is not there": Wrong({"CNI_NETNS": "/run/netns/terway-edge-nowhere"}, codes=(*REFUSED, AGAIN, 105)),
    "unknown command": Wrong({"CNI_COMMAND": "FROBNICATE"}, codes=(4,)),
    "broken CNI_ARGS": Wrong({"CNI_ARGS": "a"}, codes=(4,)),
    "no stdin": Wrong(stdin=b"", codes=(5, 6, 7)),
    "torn stdin": Wrong(stdin=b'{"cniVersion": "1.0.0", "na', codes=(6,)),
    "list on stdin": Wrong(stdin=b"[]", codes=(6, 7)),
    "no network name": Wrong(stdin=b'{"cniVersion": "1.0.0", "type": "terway-edge"}', codes=(7,)),
    "unknown version": Wrong(stdin=b'{"cniVersion": "9.9.9", "name": "terway-edge"}', codes=(1,)),
}


def wrong(kubelet: Kubelet, act: Act) -> None:
    """Refused with the code that fits, and nothing changes."""
    case = WRONG[act.detail]
    pod = kubelet.books.new_pod()
    answer = kubelet.shim.start(case.command, pod, environ=case.environ, stdin=case.stdin).finish()
    kubelet.expect(not answer.ok and answer.code in case.codes, f"{answer}, expected a code of {case.codes}")


CASES: dict[str, Case] = {
    "ADD": calm(add, weight=8),
    "DEL": calm(delete, weight=5),
    "DEL stopped halfway": calm(delete_halfway, weight=2),
    "CHECK": calm(check, weight=3),
    "GC": calm(collect, "all are there", "one is gone", "no list", weight=2),
    "STATUS": calm(status),
    "ADD of a name that is taken": calm(taken, weight=2),
    "ADD crossing DEL": calm(cross, weight=2),
    "ADD of a new sandbox before DEL": calm(replace, weight=2),
    "burst": calm(burst),
    "SIGKILL to the shim": calm(orphan_shim, "at any time", AT_ANSWER, weight=2, limit=LATER),
    "wrong call": calm(wrong, *WRONG, weight=3),
}
