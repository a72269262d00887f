"""Cases that end or stop the agent while calls are under way."""

from __future__ import annotations

import signal
import time

from terway_edge.torture.books import Pod
from terway_edge.torture.case import Case, wild
from terway_edge.torture.kubelet import AGAIN, Kubelet
from terway_edge.torture.script import Act
from terway_edge.torture.shim import Answer

AWAY_LIMIT = 10.0  # seconds that an ADD may take while there is no agent
FROZEN = 0.6  # seconds; budget of calls to an agent that does not move
WRITTEN = "store.append.after"
STEPS = 0.03  # seconds; an ADD takes less


def kill(kubelet: Kubelet, act: Act) -> None:
    """SIGKILL at any step of an ADD; a DEL while no agent is there; the next start."""
    doomed = kubelet.some_pod(act.slot)
    pod = kubelet.new_pod()
    adding = kubelet.begin_add(pod, budget=AWAY_LIMIT)
    time.sleep(act.dice[0] * STEPS)
    kubelet.agent.kill()
    if doomed is not None and act.dice[1] < 0.6:
        kubelet.stop_pod(doomed)  # kept for the next agent
    kubelet.agent.start()
    answer = kubelet.end_add(pod, adding)
    kubelet.agent.wait_ready()
    if doomed is not None and doomed not in kubelet.books.live():
        kubelet.expect_released([doomed])
    settle_add(kubelet, act, pod, answer)


def resume(kubelet: Kubelet, act: Act) -> None:
    """SIGKILL when an ADD's lease is written and nothing is plugged in; the runtime asks again for that sandbox."""
    pod = kubelet.new_pod()
    kubelet.agent.arm(f"{WRITTEN} pause")
    adding = kubelet.begin_add(pod, budget=FROZEN)
    try:
        kubelet.in_vain = "" if kubelet.agent.comes_to(WRITTEN, FROZEN) else f"no lease for {pod.name}"
    finally:
        kubelet.agent.kill()
        kubelet.agent.arm("")
    answer = kubelet.end_add(pod, adding)
    kubelet.expect(not answer.ok, f"of {pod.name}, whose agent was killed: {answer}")
    kubelet.agent.start()
    kubelet.agent.wait_ready()
    answer = kubelet.end_add(pod, kubelet.begin_add(pod))
    kubelet.expect(answer.ok or answer.code == AGAIN, f"of {pod.name}, for which a lease was written: {answer}")
    settle_add(kubelet, act, pod, answer)


def settle_add(kubelet: Kubelet, act: Act, pod: Pod, answer: Answer) -> None:
    """The runtime gives up what failed, with a DEL or without; what came up takes a slot, if that is free. Before it
    gives up it may ask again for the same sandbox: what is there already is refused."""
    if not answer.ok and act.dice[3] < 0.5:
        answer = kubelet.end_add(pod, kubelet.begin_add(pod))
    if not answer.ok:
        kubelet.give_up(pod, is_lost=act.dice[2] < 0.3)
    elif act.slot in kubelet.books.slots:
        kubelet.stop_pod(pod)
    else:
        kubelet.books.slots[act.slot] = pod


def away(kubelet: Kubelet, act: Act) -> None:
    """No agent for a while: an ADD fails in time, DELs succeed; the next agent carries them out before it serves."""
    pod, gone = kubelet.new_pod(), [each for each in kubelet.books.live() if act.dice[1] < 0.5]
    kubelet.agent.kill()
    began = time.monotonic()
    answer = kubelet.end_add(pod, kubelet.begin_add(pod, budget=FROZEN))
    kubelet.expect(not answer.ok and time.monotonic() - began < AWAY_LIMIT, f"without an agent: {answer}")
    for each in [pod, *gone]:
        kubelet.stop_pod(each)
    kubelet.agent.start()
    kubelet.agent.wait_ready()
    kubelet.expect_released(gone)


def upgrade(kubelet: Kubelet, act: Act) -> None:
    """SIGTERM with ADDs in flight: they are ended or undone, and the agent ends well."""
    pods = [kubelet.new_pod() for _ in range(3)]
    calls = [kubelet.begin_add(pod, budget=AWAY_LIMIT) for pod in pods]
    time.sleep(act.dice[0] * STEPS)
    kubelet.agent.signal(signal.SIGTERM)
    status = kubelet.agent.wait()
    kubelet.expect(status == 0, f"the agent ended with {status} after SIGTERM")
    kubelet.agent.start()
    answers = [kubelet.end_add(pod, call) for pod, call in zip(pods, calls, strict=True)]
    kubelet.agent.wait_ready()
    for pod, answer in zip(pods, answers, strict=True):
        kubelet.expect(answer.ok or answer.code == AGAIN, f"of {pod.name} during an upgrade: {answer}")
        kubelet.stop_pod(pod)


def freeze(kubelet: Kubelet, act: Act) -> None:
    """SIGSTOP: calls end in time; what the agent does late, after SIGCONT, is undone."""
    old, is_deleted = kubelet.some_pod(act.slot), act.dice[0] < 0.5
    pod = kubelet.new_pod()
    kubelet.agent.freeze()
    try:
        answer = kubelet.end_add(pod, kubelet.begin_add(pod, budget=FROZEN))
        kubelet.expect(not answer.ok and answer.code == AGAIN, f"of a frozen agent: {answer}")
        if old is not None and is_deleted:
            late = kubelet.shim.start("DEL", old, budget=FROZEN).finish()
            kubelet.expect(late.seconds < FROZEN + 2, f"of a frozen agent: {late}")
    finally:
        kubelet.agent.signal(signal.SIGCONT)
    if old is not None and is_deleted:
        kubelet.stop_pod(old)  # again, as kubelet does
    kubelet.give_up(pod, is_lost=act.dice[1] < 0.3)


def two(kubelet: Kubelet, act: Act) -> None:
    """Another agent beside the one that runs, or two that start at once: one serves, the other ends and says why."""
    if act.detail == "at once":
        kubelet.agent.kill()
        kubelet.agent.start()
    is_later, status = kubelet.agent.race(kubelet.agent.spawn())
    kubelet.expect(is_later or act.detail == "at once", "the agent that served gave way to one that came later")
    kubelet.expect(status != 0, "the second agent ended as if all were well")
    kubelet.agent.wait_ready()


CASES: dict[str, Case] = {
    "SIGKILL to the agent": wild(kill, weight=4),
    "SIGKILL to the agent with a lease written": wild(resume),
    "no agent for a while": wild(away, weight=2),
    "SIGTERM to the agent": wild(upgrade, weight=2),
    "SIGSTOP to the agent": wild(freeze, weight=2),
    "two agents": wild(two, "beside", "at once"),
}
