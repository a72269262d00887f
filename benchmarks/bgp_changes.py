"""How soon an UPDATE is on the wire when one node of a thousand comes or goes, as a peer of the bench's own sees it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, SO_REUSEADDR, SOL_SOCKET, socket

from benchmarks.bgp_contestants import ROOT
from benchmarks.bgp_lan import Lan
from benchmarks.bgp_load import SWITCH, SWITCH_ASN, Load
from terway_edge.backends.bgp.codec import Buffer, decode, encode
from terway_edge.backends.bgp.messages import Capabilities, Family, Keepalive, Message, Open, Update
from terway_edge.backends.bgp.peer_spec import BGP_PORT
from terway_edge.core.addresses import Address
from terway_edge.lab.layout import netns_path
from terway_edge.lab.sockets import socket_in

NODES = Load(1000, 1000)
TIMEOUT = 10.0  # seconds for every single thing
PAUSE = 0.01  # seconds between two changes: the speaker is to be asleep when the next one comes
GREETING = Open(SWITCH_ASN, 90, Address.parse(SWITCH).value, Capabilities((Family.IPV4,), SWITCH_ASN))


def measure_changes(lan: Lan, count: int) -> list[float]:
    """Seconds from each call of `Speaker.want` until the peer had read the UPDATE; removals and additions in turn.

    :raises RuntimeError: an UPDATE does not say what was wanted.
    """
    times = []
    with _listener(lan) as listener, _speaker(lan) as speaker:
        assert speaker.stdin is not None
        assert speaker.stdout is not None
        peer = Peer(listener)
        peer.learn_all()
        for number in range(count):
            time.sleep(PAUSE)
            speaker.stdin.write(b"\n")
            update, read_at = peer.next_update()
            wanted = int(speaker.stdout.readline())
            is_removal = number % 2 == 0
            if (len(update.withdrawn), len(update.announced)) != (int(is_removal), int(not is_removal)):
                raise RuntimeError(f"{'a removal' if is_removal else 'an addition'} became {update}")
            times.append((read_at - wanted) / 1e9)
        peer.close()
    return times


class Peer:
    """A BGP router that says who it is and then reads."""

    def __init__(self, listener: socket) -> None:
        self._connection, _ = listener.accept()
        self._connection.settimeout(TIMEOUT)
        self._connection.sendall(encode(GREETING) + encode(Keepalive()))
        self._buffer = Buffer()
        self._read_at = 0

    def learn_all(self) -> None:
        known = 0
        while known < NODES.prefixes:
            known += len(self.next_update()[0].announced)

    def next_update(self) -> tuple[Update, int]:
        """An UPDATE with prefixes, and when it was read (ns of the monotonic clock). Raises TimeoutError."""
        while True:
            message = self._next()
            if isinstance(message, Update) and (message.announced or message.withdrawn):
                return message, self._read_at

    def close(self) -> None:
        self._connection.close()

    def _next(self) -> Message:
        while (data := self._buffer.next_message()) is None:
            read = self._connection.recv(4096)
            self._read_at = time.monotonic_ns()
            if not read:
                raise RuntimeError("the speaker ended the session")
            self._buffer.receive(read)
        return decode(data)


@contextmanager
def _listener(lan: Lan) -> Iterator[socket]:
    with socket_in(lan.switch, AF_INET) as listener:
        listener.settimeout(TIMEOUT)
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)  # FRR takes the port next
        listener.bind((SWITCH, BGP_PORT))
        listener.listen()
        yield listener


@contextmanager
def _speaker(lan: Lan) -> Iterator[subprocess.Popen[bytes]]:
    speaker = [sys.executable, "-m", "benchmarks.bgp_speaker", str(NODES.prefixes), str(NODES.next_hops), ""]
    process = subprocess.Popen(
        ["nsenter", f"--net={netns_path(lan.node)}", *speaker],
        cwd=ROOT, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.terminate()
