"""Whether pods keep talking: each that lives sends its node an echo request all the time, and every one is answered."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Event, RLock, Thread

from terway_edge.lab.sockets import socket_in
from terway_edge.torture.books import Pod

PERIOD = 0.1  # seconds between two requests of a pod
PATIENCE = 1.0  # seconds for the answer to one
POLL = 0.01
ECHO_REPLY, ECHO = 0, 8  # RFC 792
HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number."""


class Voice:
    """Of one pod. `sent` is how many requests it sent since it was last judged, `missing` those without an answer."""

    def __init__(self, pod: Pod, target: str) -> None:
        """Raises OSError, as if the pod's namespace is gone."""
        self._socket = socket_in(pod.netns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._target = target
        self._identifier = int.from_bytes(os.urandom(2))
        self._number = 0
        self.sent = 0
        self.missing: set[int] = set()

    def speak(self) -> None:
        self._number = (self._number + 1) & 0xFFFF
        self.sent += 1
        self.missing.add(self._number)
        with suppress(OSError):  # then it stays missing
            self._socket.sendto(request(self._identifier, self._number), (self._target, 0))

    def listen(self) -> None:
        """To all that has come."""
        with suppress(OSError):
            while True:
                packet = self._socket.recv(1 << 11)
                self.missing.discard(answered(packet, self._identifier))

    def forget(self) -> None:
        self.sent = 0
        self.missing.clear()

    def close(self) -> None:
        self._socket.close()


def request(identifier: int, number: int) -> bytes:
    words = (ECHO << 8) + identifier + number
    words = (words >> 16) + (words & 0xFFFF)
    return HEADER.pack(ECHO, 0, ~(words + (words >> 16)) & 0xFFFF, identifier, number)


def answered(packet: bytes, identifier: int) -> int:
    """The number of the request that an IPv4 packet answers, -1 if it is no answer to one of ours."""
    begin = (packet[0] & 15) * 4
    kind, _, _, whose, number = HEADER.unpack_from(packet, begin)
    return number if (kind, whose) == (ECHO_REPLY, identifier) else -1


class Voices:
    """Of a node's pods, all to one address of the node, from a thread until `close`. A pod's namespace lives as long
    as the pod has a voice: `hush` it first."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._voices: dict[Pod, Voice] = {}
        self._lock = RLock()
        self._ends = Event()
        self._thread = Thread(target=self._run, name="voices", daemon=True)
        self._thread.start()

    def judge(self, pods: Collection[Pod], *, were_touched: bool) -> list[str]:
        """After an act, when all is well again: complaints about these pods, which live. All must be heard; none may
        have lost a request since it was last judged, unless the act took its packets."""
        lost = [] if were_touched else self._lost(pods)
        for pod in [pod for pod in self._voices if pod not in pods]:
            self.hush(pod)
        silent = [f"{pod.name} does not reach its node from {_of(pod)}" for pod in pods if not self._greets(pod)]
        return [*lost, *silent]

    def hush(self, pod: Pod) -> None:
        with self._lock:
            voice = self._voices.pop(pod, None)
            if voice is not None:
                voice.close()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        for pod in list(self._voices):
            self.hush(pod)

    def _lost(self, pods: Collection[Pod]) -> list[str]:
        with self._lock:
            self._until(lambda: not any(self._voices[pod].missing for pod in pods if pod in self._voices))
            return [
                f"{pod.name} lost {len(voice.missing)} of {voice.sent} echo requests to its node, from {_of(pod)}"
                for pod, voice in self._voices.items()
                if pod in pods and voice.missing
            ]

    def _greets(self, pod: Pod) -> bool:
        """Whether it is answered now; what was lost before is forgotten. A link that has just come up may lose what
        is sent before the kernel has attached its queue."""
        with self._lock:
            if pod not in self._voices:
                try:
                    self._voices[pod] = Voice(pod, self._target)
                except OSError:
                    return False
            voice = self._voices[pod]
            voice.forget()
            is_heard = self._until(lambda: len(voice.missing) < voice.sent, voice.speak)
            voice.forget()
            return is_heard

    def _until(self, condition: Callable[[], bool], otherwise: Callable[[], None] = lambda: None) -> bool:
        deadline = time.monotonic() + PATIENCE
        while True:
            for voice in self._voices.values():
                voice.listen()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            otherwise()
            time.sleep(POLL)

    def _run(self) -> None:
        while not self._ends.wait(PERIOD):
            with self._lock:
                for voice in self._voices.values():
                    voice.listen()
                    voice.speak()


def _of(pod: Pod) -> str:
    return ", ".join(sorted(pod.addresses))
