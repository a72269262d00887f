"""T27: the shim's file is replaced again and again while a runtime executes it: no call fails, none meets ETXTBSY."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore

from terway_edge.cni import installer
from terway_edge.torture.case import SOON
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.trial import Record, Say, Trial

LANES = 3
"""Calls that run at the same time."""
POLL = 0.001
LOOK_UP = 0.1  # seconds


class Replacement(Trial):
    """`is_over` is asked before each replacement with the number of those done."""

    def __init__(self, node: EdgeNode, is_over: Callable[[int], bool]) -> None:
        super().__init__(node, Record(node.kind, 0, mode="replace"))
        self._is_over = is_over
        self._gives_up = False
        self._begun = Semaphore(0)  # calls

    def _go(self, say: Say) -> None:
        with ThreadPoolExecutor(1) as threads:
            replacing = threads.submit(self._replace)
            lanes = [self._lane(replacing) for _ in range(LANES)]
            try:
                while lanes:
                    lanes = [lane for lane in lanes if next(lane, False)]
                    time.sleep(POLL)
            finally:  # whatever ended the calls, Ctrl-C too, must not wait for the other thread's time to be over
                self._gives_up = True
        replacing.result()
        _, found = self._judge.settle(SOON)
        self.record.troubles += [*self._kubelet.complaints, *found]
        calls = sum(self.record.tally(command).tries for command in ("ADD", "DEL"))
        self.record.measured.append(f"{self.record.acts} replacements during {calls} calls")
        say(self.record.measured[-1])

    def _replace(self) -> None:
        """An upgrade of the agent does the same, once. Each time a call has begun, however fast the disk is."""
        while not (self._is_over(self.record.acts) or self.record.troubles or self._gives_up):
            if not self._begun.acquire(timeout=LOOK_UP):
                continue
            shim = self._node.directory / "bin" / installer.TYPE
            shim.chmod(0o700)  # so that there is something to replace
            assert installer.install_shim(shim.parent).written
            self.record.acts += 1

    def _lane(self, replacing: Future[None]) -> Iterator[bool]:
        """ADD and DEL of a pod, and of another one, a step at a time, until nothing is replaced any more."""
        while not replacing.done():
            pod = self._kubelet.new_pod()
            for command in ("ADD", "DEL"):
                call = self._kubelet.shim.start(command, pod)
                self._begun.release()
                while not call.is_done():
                    yield True
                answer = call.finish()
                self.record.tally(command).count(not answer.ok, answer.seconds)
                self.record.troubles += [] if answer.ok else [str(answer)]
            self._kubelet.remove(pod)
