"""A netlink socket: batches of changes, questions and dumps.

The kernel works through a batch inside sendto(2). Only errors are answered, each with the sequence number of its
message; a no-op that asks for an acknowledgement closes every batch, so its answer proves that no error is
outstanding. A socket stays in the network namespace in which it was made and must be used by one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from errno import errorcode
from mmap import mmap
from struct import Struct
from typing import NamedTuple, TypeVar

from terway_edge.core.errors import KernelError
from terway_edge.core.failpoints import reach
from terway_edge.kernel.uapi import (
    NETLINK_CAP_ACK,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    NLMSGERR_ATTR_MSG,
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    SOL_NETLINK,
)
from terway_edge.kernel.wire import HEADER, attributes, message, string

BATCH = 500
"""Messages in one sendto(2): a batch must fit in the send buffer, its errors in the receive buffer."""
SEND_BUFFER = 1 << 20
RECEIVE_BUFFER = 4 << 20
READ = 1 << 17  # bytes; the kernel fills at most 32 KiB of a dump at once
DUMP_TRIES = 20
_ERROR = Struct("=i")

Decoded = TypeVar("Decoded")
Decode = Callable[[bytes, int, int], Decoded | None]


_threads = threading.local()


def receive(endpoint: socket.socket) -> bytes:
    """One datagram. Raises OSError.

    It is read into memory of the thread's own and copied. recv() would take READ bytes from the heap for each and give
    back all but the first few: small blocks that live long settle there, and the heap grows for want of such a hole.
    """
    try:
        buffer: memoryview = _threads.buffer
    except AttributeError:
        buffer = _threads.buffer = memoryview(mmap(-1, READ))
    return bytes(buffer[: endpoint.recv_into(buffer)])


class Refusal(NamedTuple):
    """A message the kernel refused: its sequence number, errno(3) and the kernel's explanation or errno's text."""

    seq: int
    errno: int
    message: str

    def __str__(self) -> str:
        return f"{errorcode.get(self.errno, self.errno)}: {self.message}"


class NetlinkSocket:
    """`port` is the id that notifications about changes asked for here carry; 0 lets the kernel choose one.

    `protocol` is a netlink family.
    """

    def __init__(self, port: int = 0, *, large: bool = False, protocol: int = NETLINK_ROUTE) -> None:
        """Opened in the namespace of the calling thread, with `large` buffers for thousands of messages at a time.

        Raises KernelError.
        """
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        except OSError as error:
            raise broken("cannot open a netlink socket", error) from error
        try:
            for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
                self._socket.setsockopt(SOL_NETLINK, option, 1)
            if large:
                force_buffer(self._socket, SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER)
                force_buffer(self._socket, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._socket.bind((port, 0))
        except OSError as error:
            self._socket.close()
            raise broken("cannot set up a netlink socket", error) from error
        self._seq = 0

    def __enter__(self) -> NetlinkSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def reserve(self, count: int) -> int:
        """The first of `count` sequence numbers that no other message of this socket has."""
        first = self._seq + 1
        self._seq = (self._seq + count) % (1 << 31)
        return first

    def change(self, messages: bytes) -> list[Refusal]:
        """Send a batch; whatever is not in the answer was done. Raises KernelError if the socket failed."""
        refusals, _ = self._ask(messages, lambda data, start, end: None, changes=True)
        reach("netlink.reply.after")
        return refusals

    def commit(self, parts: Sequence[tuple[int, int, bytes]]) -> list[Refusal]:
        """Send a transaction of nfnetlink: (type, flags, body) of its messages, the two ends of the batch among them.
        It happened if nothing is refused. Raises KernelError.

        The kernel answers when it has committed or given up; an acknowledgement of the last change closes the answer.
        What it ignores is what follows the end of a batch, so a no-op would need a datagram of its own.
        """
        first = self.reserve(len(parts))
        last = len(parts) - 2
        batch = [
            message(kind, flags | NLM_F_ACK if at == last else flags, first + at, body)
            for at, (kind, flags, body) in enumerate(parts)
        ]
        self._send(b"".join(batch), changes=True)
        refusals: list[Refusal] = []
        while not refusals or refusals[-1].seq != first + last:
            refusals += self._refusals()
            if refusals[0].seq == first:  # of the batch itself, and perhaps nothing comes after it
                refusals += self.ask(b"", lambda data, start, end: None)[0]
                break
        reach("netlink.reply.after")
        return [refusal for refusal in refusals if refusal.errno]

    def _refusals(self) -> list[Refusal]:
        """Those in one datagram; acknowledgements are refusals without an error number."""
        data = self._receive()
        refusals, at = [], 0
        while at < len(data):
            size, _, flags, seq, _ = HEADER.unpack_from(data, at)
            is_refused = _ERROR.unpack_from(data, at + 16)[0]
            refusals.append(_refusal(data, at, size, flags, seq) if is_refused else Refusal(seq, 0, ""))
            at += size + 3 & ~3
        return refusals

    def ask(self, messages: bytes, decode: Decode[Decoded]) -> tuple[list[Refusal], list[Decoded]]:
        """Send a batch that has answers, for example RTM_GETLINK without NLM_F_DUMP. Raises KernelError."""
        return self._ask(messages, decode, changes=False)

    def find(self, question: bytes, decode: Decode[Decoded]) -> Decoded | None:
        """The one answer to a question about one thing; None if it is refused. Raises KernelError."""
        self._send(question)
        data = self._receive()
        return None if HEADER.unpack_from(data)[1] == NLMSG_ERROR else decode(data, HEADER.size, len(data))

    def _ask(self, messages: bytes, decode: Decode[Decoded], *, changes: bool) -> tuple[list[Refusal], list[Decoded]]:
        barrier = self.reserve(1)
        refusals: list[Refusal] = []
        answers: list[Decoded] = []
        self._send(
            messages + HEADER.pack(HEADER.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, barrier, 0), changes=changes
        )
        while True:
            data = self._receive()
            at = 0
            while at < len(data):
                size, kind, flags, seq, _ = HEADER.unpack_from(data, at)
                if kind != NLMSG_ERROR:
                    if (answer := decode(data, at + 16, at + size)) is not None:
                        answers.append(answer)
                elif seq == barrier:
                    return refusals, answers
                else:
                    refusals.append(_refusal(data, at, size, flags, seq))
                at += size + 3 & ~3

    def dump(self, kind: int, body: bytes, decode: Decode[Decoded]) -> list[Decoded]:
        """Everything that the filter in `body` lets through. Raises KernelError.

        The kernel marks a dump during which the list changed (NLM_F_DUMP_INTR); such a dump is thrown away and asked
        for again.
        """
        for _ in range(DUMP_TRIES):
            if (answers := self._dump_once(kind, body, decode)) is not None:
                return answers
        raise broken(f"the list changed {DUMP_TRIES} times while it was read", InterruptedError(4, "try again"))

    def _dump_once(self, kind: int, body: bytes, decode: Decode[Decoded]) -> list[Decoded] | None:
        seq = self.reserve(1)
        answers: list[Decoded] = []
        add = answers.append
        interrupted = 0
        self._send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, seq, body))
        unpack = HEADER.unpack_from
        while True:
            data = self._receive()
            at, end = 0, len(data)
            while at < end:
                size, answer_kind, flags, answer_seq, _ = unpack(data, at)
                if answer_seq == seq:
                    interrupted |= flags & NLM_F_DUMP_INTR
                    if answer_kind in (NLMSG_DONE, NLMSG_ERROR):
                        refusal = _refusal(data, at, size, flags, seq)
                        if refusal.errno:
                            raise KernelError(f"cannot list: {refusal}", errno=refusal.errno)
                        return None if interrupted else answers
                    if (answer := decode(data, at + 16, at + size)) is not None:
                        add(answer)
                at += size + 3 & ~3

    def _send(self, data: bytes, *, changes: bool = False) -> None:
        try:
            if changes:
                reach("netlink.send.before")
            self._socket.send(data)
        except OSError as error:
            raise broken("cannot send to netlink", error) from error
        if changes:
            reach("netlink.send.after")

    def _receive(self) -> bytes:
        try:
            return receive(self._socket)
        except OSError as error:
            raise broken("cannot read from netlink", error) from error


def force_buffer(endpoint: socket.socket, force: int, option: int, size: int) -> None:
    """Set a buffer above the system's limit; that needs CAP_NET_ADMIN, without it the limit is taken."""
    endpoint.setsockopt(socket.SOL_SOCKET, option, size)
    with contextlib.suppress(PermissionError):
        endpoint.setsockopt(socket.SOL_SOCKET, force, size)


def broken(what: str, error: OSError) -> KernelError:
    number = error.errno or 0
    return KernelError(f"{what}: {errorcode.get(number, number)}: {error.strerror}", errno=number)


def _refusal(data: bytes, at: int, size: int, flags: int, seq: int) -> Refusal:
    """Read nlmsgerr: the error, the head of the refused message (NETLINK_CAP_ACK), extended attributes.

    NLMSG_DONE has the error alone, followed by the attributes.
    """
    kind = HEADER.unpack_from(data, at)[1]
    number = -_ERROR.unpack_from(data, at + 16)[0] if size >= 20 else 0
    explanation = ""
    if flags & NLM_F_ACK_TLVS:
        first = at + (20 if kind == NLMSG_DONE else 36)
        explanation = string(dict(attributes(data, first, at + size)).get(NLMSGERR_ATTR_MSG, b""))
    return Refusal(seq, number, explanation or os.strerror(number))
