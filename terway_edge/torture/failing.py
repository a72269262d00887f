"""The case of failpoints: the agent is killed, stopped, delayed or refused at each of its steps that has a name."""

from __future__ import annotations

import signal
import time

from terway_edge.cni import installer
from terway_edge.core.failpoints import NAMES
from terway_edge.torture.books import Pod
from terway_edge.torture.case import CLOUD, EDGE, ENS, Case, wild
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.ends import AWAY_LIMIT, settle_add
from terway_edge.torture.kubelet import START_LIMIT, Kubelet
from terway_edge.torture.script import Act
from terway_edge.torture.shim import Call

KILL = "kill"
ACTIONS = (KILL, "stop", "delay:200")
ERRORS = ("ENOSPC", "EIO", "EMFILE")
WAVE, CROWD = 7, 28
"""Pods at once, and at most, for which a node has to ask its cloud for addresses."""
REACH_LIMIT = 5.0  # seconds until a point is reached that no call leads to
STOPPED = 0.2  # seconds until somebody sends SIGCONT
POLL = 0.005
AT_START = ("install", "socket", "spool", "store.aside", "store.replace", "bgp", "eni", "heartbeat", "status", "nft")
"""What names of points begin with that are reached when an agent starts, if not only then."""
ELSEWHERE = {EDGE: ("eni", "cache"), CLOUD: ("bgp", "cache"), ENS: ("bgp", "cache")}
"""The same of points that a kind of node never reaches."""


def details(kind: str) -> tuple[str, ...]:
    """Every point with every action that it can have."""
    points = [name for name in NAMES if not name.startswith(ELSEWHERE[kind])]
    return tuple(
        f"{name} {action}" for name in points for action in (*ACTIONS, *(() if name.endswith(".after") else ERRORS))
    )


def fail(kubelet: Kubelet, act: Act) -> None:
    """A start with a DEL to be carried out, or an ADD and a DEL, with one point armed."""
    old, pod = kubelet.some_pod(act.slot), kubelet.new_pod()
    if act.detail.startswith(AT_START):
        _start(kubelet, act, old)
    else:
        kubelet.agent.arm(act.detail)
    adding = kubelet.begin_add(pod, budget=AWAY_LIMIT)
    _ride_out(kubelet, act, adding)
    answer = kubelet.end_add(pod, adding)
    if old in kubelet.books.live():
        _delete(kubelet, act, old)
    _reach(kubelet, act)
    kubelet.agent.arm("")
    kubelet.in_vain = "" if kubelet.agent.was_hit() else f"{act.detail.partition(' ')[0]} was not reached"
    _recover(kubelet, act)
    settle_add(kubelet, act, pod, answer)


def _start(kubelet: Kubelet, act: Act, old: Pod | None) -> None:
    """Until it serves, is dead, or has been waited for."""
    kubelet.agent.kill()
    if act.detail.startswith("install"):
        (kubelet.node.directory / "bin" / installer.TYPE).chmod(0o700)  # so that there is something to write
    if act.detail.startswith("store.aside"):
        with kubelet.node.journal.open("ab") as journal:
            journal.write(b"no record\n")
    elif old is not None:
        kubelet.stop_pod(old)
    kubelet.agent.arm(act.detail)
    kubelet.agent.start()
    deadline = time.monotonic() + START_LIMIT
    while kubelet.agent.runs() and time.monotonic() < deadline and not kubelet.agent.is_ready():
        _go_on(kubelet)
        time.sleep(POLL)


def _reach(kubelet: Kubelet, act: Act) -> None:
    """Give the agent time to come to the point, and where one pod does not lead there, a reason."""
    if kubelet.agent.was_hit():
        return
    if act.detail.startswith("eni"):
        _crowd(kubelet, act)
        return
    if isinstance(kubelet.node, EdgeNode):
        kubelet.node.turn_neighbour()
    deadline = time.monotonic() + REACH_LIMIT
    while not kubelet.agent.was_hit() and time.monotonic() < deadline:
        _revive(kubelet, act)
        _go_on(kubelet)
        time.sleep(POLL)


def _crowd(kubelet: Kubelet, act: Act) -> None:
    """Pods until the node has to ask its cloud for addresses."""
    pods: list[Pod] = []
    while not kubelet.agent.was_hit() and len(pods) < CROWD:
        pods += [kubelet.new_pod() for _ in range(WAVE)]
        calls = [kubelet.begin_add(pod, budget=AWAY_LIMIT) for pod in pods[-WAVE:]]
        for pod, call in zip(pods[-WAVE:], calls, strict=True):
            _ride_out(kubelet, act, call)
            kubelet.end_add(pod, call)
    kubelet.agent.arm("")
    _recover(kubelet, act)
    for pod in pods:
        kubelet.stop_pod(pod)


def _delete(kubelet: Kubelet, act: Act, pod: Pod) -> None:
    """It may fail now; then kubelet repeats it when nothing is armed."""
    began = time.monotonic()
    deleting = kubelet.shim.start("DEL", pod, budget=AWAY_LIMIT)
    _ride_out(kubelet, act, deleting)
    if not deleting.finish().ok:
        kubelet.agent.arm("")
        _recover(kubelet, act)
        kubelet.delete(pod)
    kubelet.note_deleted(pod, began)
    kubelet.remove(pod)


def _ride_out(kubelet: Kubelet, act: Act, call: Call) -> None:
    """Until the call ends: an agent that was killed is started anew, one that was stopped goes on."""
    while not call.is_done():
        _revive(kubelet, act)
        _go_on(kubelet)
        time.sleep(POLL)


def _recover(kubelet: Kubelet, act: Act) -> None:
    """Until it is ready, with nothing armed: a process that was killed is there for a moment still."""
    deadline = time.monotonic() + START_LIMIT
    while not kubelet.agent.is_ready() and time.monotonic() < deadline:
        _revive(kubelet, act)
        time.sleep(POLL)
    kubelet.agent.wait_ready()


def _go_on(kubelet: Kubelet) -> None:
    if kubelet.agent.is_stopped():
        time.sleep(STOPPED)
        kubelet.agent.signal(signal.SIGCONT)


def _revive(kubelet: Kubelet, act: Act) -> None:
    """Start an agent that is dead, with nothing armed. Only one that was killed, or began when its disk or its
    processes' table was full, may be dead."""
    _go_on(kubelet)
    if kubelet.agent.runs():
        return
    is_meant = act.detail.endswith(KILL) or act.detail.startswith(AT_START)
    kubelet.expect(is_meant, f"the agent {kubelet.agent.ended()} with '{act.detail}' armed")
    kubelet.agent.arm("")
    kubelet.agent.start()


def cases(kind: str) -> dict[str, Case]:
    return {"failpoint": wild(fail, *details(kind), weight=10)}
