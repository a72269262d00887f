"""What a runtime and its kubelet do with pods on a tortured node, and what they complain about."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import suppress

from terway_edge.lab import topology
from terway_edge.lab.sockets import socket_in
from terway_edge.torture.books import Pod
from terway_edge.torture.node import TorturedNode
from terway_edge.torture.shim import Answer, Call
from terway_edge.torture.voices import Voices

AGAIN = 11
START_LIMIT = 20.0  # seconds until a pod that finds no room, or a cloud in trouble, has to have started
RETRY = 0.2
DISCARD = 9
"""A port that nobody listens on."""


class Kubelet:
    """Keeps the node's books; `complaints` are sentences about what the CNI specification, or the product, promises."""

    def __init__(self, node: TorturedNode) -> None:
        self.node = node
        self.agent = node.agent
        self.shim = node.shim
        self.books = node.books
        self.voices = Voices(node.host.addresses[0])
        self.complaints: list[str] = []
        self.in_vain = ""
        """Why the last act met nothing that could break, if it did not."""
        self.has_lost = False
        """Whether a namespace went in it without a DEL, which only the agent's own comparisons can find."""

    def begin_act(self) -> None:
        """Forget what is about the one before."""
        self.complaints.clear()
        self.in_vain, self.has_lost = "", False

    def expect(self, is_so: bool, otherwise: object) -> None:
        if not is_so:
            self.complaints.append(str(otherwise))

    def expect_released(self, pods: Iterable[Pod], within: float = 0.0) -> None:
        """That these pods have no lease; asked after so many seconds at the latest."""
        keys, deadline = {pod.key for pod in pods}, time.monotonic() + within
        while (left := keys & self.node.reader.leases().keys()) and time.monotonic() < deadline:
            time.sleep(RETRY)
        for container, _ in sorted(left):
            self.expect(False, f"container {container} is leased still, {within:g} s after its DEL or its caller's end")

    # --- sandboxes -------------------------------------------------------------------------------------------------

    def new_pod(self, *, same_as: Pod | None = None, port: int = 0) -> Pod:
        """A sandbox with a namespace; nothing is plugged in."""
        pod = self.books.new_pod(same_as=same_as, port=port)
        topology.make_namespaces([pod.netns], self.node.processes)
        return pod

    def begin_add(self, pod: Pod, budget: float = 0.0) -> Call:
        """An ADD whose end is for `end_add` to see; again for a sandbox of which one failed, perhaps."""
        if pod not in self.books.unsure:
            self.books.unsure.append(pod)
        return self.shim.start("ADD", pod, budget=budget)

    def end_add(self, pod: Pod, call: Call) -> Answer:
        """If it failed, the sandbox stays unsure until it is given up."""
        answer = call.finish()
        if answer.ok:
            self.books.unsure.remove(pod)
            try:
                self.books.granted(pod, answer.text)
            except (ValueError, KeyError) as error:
                self.complaints.append(f"the result of ADD is not one ({error!r}): {answer.text!r}")
        else:
            self.expect(answer.code > 0, f"no CNI error: {answer}")
        return answer

    def delete(self, pod: Pod) -> Answer:
        """DEL, which has to succeed, and to have freed the lease by then if an agent is there; the namespace stays."""
        began = time.monotonic()
        answer = self.shim.start("DEL", pod).finish()
        self.expect(answer.ok, f"of {pod.name}: {answer}")
        if answer.ok and self.agent.runs():
            self.expect_released([pod])
        self.note_deleted(pod, began)
        return answer

    def note_deleted(self, pod: Pod, began: float) -> None:
        """A DEL that began then has succeeded."""
        self.books.given_back(pod, began)
        if pod in self.books.unsure:
            self.books.unsure.remove(pod)
        for slot in [slot for slot, other in self.books.slots.items() if other is pod]:
            del self.books.slots[slot]

    def remove(self, pod: Pod) -> None:
        """The namespace goes, and all that is in it."""
        self.voices.hush(pod)
        topology.delete_namespace(pod.netns, self.node.processes)

    def stop_pod(self, pod: Pod) -> None:
        self.delete(pod)
        self.remove(pod)

    def lose(self, pod: Pod) -> None:
        """As a runtime that crashed: no DEL, the namespace goes."""
        began = time.monotonic()
        self.has_lost = True
        self.remove(pod)
        self.note_deleted(pod, began)

    def give_up(self, pod: Pod, *, is_lost: bool = False) -> None:
        """After an ADD that failed, or that nobody saw end: a runtime DELs, unless that is lost as well."""
        self.lose(pod) if is_lost else self.stop_pod(pod)

    # --- pods ------------------------------------------------------------------------------------------------------

    def start_pod(self, slot: int, port: int = 0) -> Pod | None:
        """Until a sandbox of it is up, as kubelet does; None, and a complaint, if none comes up in time."""
        deadline = time.monotonic() + START_LIMIT
        while True:
            pod = self.new_pod(port=port)
            answer = self.end_add(pod, self.begin_add(pod))
            if answer.ok:
                self.books.slots[slot] = pod
                self.talk(pod)
                return pod
            self.give_up(pod)
            self.expect(answer.code == AGAIN, f"of {pod.name}, where there is nothing to refuse: {answer}")
            if answer.code != AGAIN or time.monotonic() > deadline:
                self.complaints.append(f"no pod can be started: {answer}")
                return None
            time.sleep(RETRY)

    def talk(self, pod: Pod) -> None:
        """Say something to the node, which tracks that connection then, and has to forget it with the pod."""
        for address in filter(None, self.node.host.addresses):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket_in(pod.netns, family, socket.SOCK_DGRAM) as talking, suppress(OSError):
                talking.sendto(b"hello", (address, DISCARD))

    def some_pod(self, slot: int) -> Pod | None:
        """The pod of a slot, started if there is none."""
        return self.books.slots.get(slot) or self.start_pod(slot)
