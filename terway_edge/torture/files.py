"""Cases that befall the agent's files: a damaged journal, a full disk."""

from __future__ import annotations

import time

from terway_edge.torture.books import Pod
from terway_edge.torture.case import Case, wild
from terway_edge.torture.ends import settle_add
from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.node import COOLDOWN, fill
from terway_edge.torture.process import POLL, READY_LIMIT
from terway_edge.torture.script import Act
from terway_edge.torture.shim import Answer

AT_START = "at a start"
PAGE, RECORD = 4096, 128
"""Bytes of a page of the journal's file, and fewer than a pod's records take."""
FULL = "look at the disk's space"
"""What the agent advises then, be a record refused or cut short."""
DAMAGES = ("torn", "one bit", "zeroed", "empty", "gone", "garbage at the end", "garbage at the begin")


def damage(kubelet: Kubelet, act: Act) -> None:
    """While the agent is down its journal comes to harm: nobody loses or shares an address, and it is kept aside."""
    kubelet.some_pod(act.slot)
    kubelet.agent.kill()
    journal = kubelet.node.journal
    content = damaged(journal.read_bytes(), act.detail, act.dice[0])
    journal.unlink() if act.detail == "gone" else journal.write_bytes(content)
    kubelet.agent.start()
    kubelet.agent.wait_ready()
    if shows(content, act.detail):
        kept = [path.read_bytes() for path in journal.parent.glob(f"{journal.name}.damaged-*")]
        kubelet.expect(content in kept, f"the damaged journal ({act.detail}) was taken for a sound one")


def shows(content: bytes, how: str) -> bool:
    """Whether a damaged journal can be told from a sound one: not if it ends too early, after a whole record."""
    return how != "gone" and not (how == "torn" and content.endswith(b"\n"))


def damaged(data: bytes, how: str, chance: float) -> bytes:
    """`chance`, in [0, 1), says where."""
    place = int(chance * len(data))
    match how:
        case "torn":
            return data[:place]
        case "one bit":
            return data[:place] + bytes([data[place] ^ 1 << int(chance * 1000) % 8]) + data[place + 1 :]
        case "zeroed":
            return data[:place] + bytes(len(data) - place)
        case "garbage at the end":
            return data + bytes(range(256))
        case "garbage at the begin":
            return bytes(range(256)) + data
    return b""


def full_disk(kubelet: Kubelet, act: Act) -> None:
    """Calls that need a record fail or succeed, and are repeated when there is room; an agent may refuse to start."""
    old, pod = kubelet.some_pod(act.slot), kubelet.new_pod()
    left: list[Pod] = []
    filler = fill(kubelet.agent.state_dir)
    try:
        if act.detail == AT_START:
            kubelet.agent.kill()
            kubelet.agent.start()
            _wait_started(kubelet)
        answer = kubelet.end_add(pod, kubelet.begin_add(pod, budget=2.0))
        if act.detail != AT_START:
            left, kubelet.in_vain = _exhaust(kubelet, answer)
        began = time.monotonic()
        is_deleted = old is not None and kubelet.shim.start("DEL", old).finish().ok
    finally:
        filler.unlink()
    if not kubelet.agent.runs():
        kubelet.agent.start()
        kubelet.agent.wait_ready()
    if old is not None:
        if is_deleted:
            kubelet.note_deleted(old, began)
        else:
            kubelet.delete(old)
        kubelet.remove(old)
    settle_add(kubelet, act, pod, answer)
    for each in left:
        kubelet.stop_pod(each)


def _exhaust(kubelet: Kubelet, answer: Answer) -> tuple[list[Pod], str]:
    """What the journal's last page has room for is written even now: pods come and go until it is used up. Returns
    those that are to go when there is room, and why it was in vain, or nothing."""
    for _ in range(PAGE // RECORD):
        if not answer.ok and FULL in answer.text:
            return [], ""
        if not answer.ok:  # too few addresses, which does not use up any room
            time.sleep(COOLDOWN)
        pod = kubelet.new_pod()
        answer = kubelet.end_add(pod, kubelet.begin_add(pod, budget=2.0))
        began = time.monotonic()
        deleted = kubelet.shim.start("DEL", pod).finish()
        if not deleted.ok:
            kubelet.expect(FULL in deleted.text, f"of {pod.name} on a full disk: {deleted}")
            return [pod], ""
        kubelet.note_deleted(pod, began)
        kubelet.remove(pod)
    return [], f"there was room for all; the last: {answer}"


def _wait_started(kubelet: Kubelet) -> None:
    """Until it serves, or has ended."""
    deadline = time.monotonic() + READY_LIMIT
    while kubelet.agent.runs() and not kubelet.agent.is_ready() and time.monotonic() < deadline:
        time.sleep(POLL)


CASES: dict[str, Case] = {
    "damaged journal": wild(damage, *DAMAGES, weight=3),
    "full disk": wild(full_disk, "while serving", AT_START, weight=2),
}
