"""The bytes between the shim (or the command line) and the agent. Standard library only; imports nothing of ours.

    request = "TWE1" | u32 budget | u32 length | body        budget: milliseconds left of the caller's deadline
    body    = ("K=V" NUL)* NUL stdin                         every variable named CNI_* or TERWAY_EDGE_QUERY*
    reply   = u8 exit status | u32 length | payload          payload: what the caller prints on stdout

Integers are big-endian. One request and one reply per connection. The descriptor of CNI_NETNS, if the caller could
open it, travels as SCM_RIGHTS with the first bytes of the request. Names and values are UTF-8; other bytes survive as
surrogate escapes; of duplicate variables the last wins. A reply that is short or missing is an error, never success.
Limits: stdin 1 MiB (GC: 4 MiB), environment 256 KiB, payload 16 MiB.

`shim.c` and `shim.py` write the same bytes by themselves. What they leave in the spool is one whole request per file.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Mapping
from contextlib import suppress
from sys import byteorder
from time import monotonic
from typing import NamedTuple

MAGIC = b"TWE1"
HEADER = 12  # bytes: magic, budget, length
REPLY_HEADER = 5  # bytes: status, length
PREFIXES = ("CNI_", "TERWAY_EDGE_QUERY")

ENVIRON_LIMIT = 256 << 10
STDIN_LIMIT = 1 << 20
GC_STDIN_LIMIT = 4 << 20
PAYLOAD_LIMIT = 16 << 20
CHUNK = 64 << 10
FIRST_CHUNK = 4 << 10  # bytes: most requests are whole after one read
DESCRIPTOR = array("i").itemsize


class WireError(Exception):
    """The other side went away, took too long, or sent something that is not this format; the message says which."""


class Request(NamedTuple):
    """One call: `budget_ms` is what was left of the caller's deadline; `netns_fd` is -1 if none came.

    The receiver owns `netns_fd` and must close() the request.
    """

    environ: dict[str, str]
    stdin: bytes
    budget_ms: int
    netns_fd: int = -1

    def close(self) -> None:
        if self.netns_fd >= 0:
            os.close(self.netns_fd)


class Reply(NamedTuple):
    """`status` is the caller's exit status (0..255), `payload` what it prints."""

    status: int
    payload: bytes


def encode_request(environ: Mapping[str, str], stdin: bytes, budget_ms: int) -> bytes:
    """The bytes of a request; variables without our prefixes are left out. Raises WireError above a limit."""
    entries = b"".join(
        f"{name}={value}\0".encode(errors="surrogateescape")
        for name, value in environ.items()
        if name.startswith(PREFIXES)
    )
    _check_sizes(environ.get("CNI_COMMAND"), len(entries), len(stdin))
    length = len(entries) + 1 + len(stdin)
    return b"".join((MAGIC, budget_ms.to_bytes(4, "big"), length.to_bytes(4, "big"), entries, b"\0", stdin))


def decode_request(frame: bytes, netns_fd: int = -1) -> Request:
    """The request of a whole frame, for example of a spool file. Raises WireError."""
    budget_ms, length = _parse_header(frame[:HEADER])
    if len(frame) != HEADER + length:
        raise WireError(f"request of {len(frame)} bytes, expected {HEADER + length}: it is torn")
    environ, stdin = _parse_body(frame[HEADER:])
    return Request(environ, stdin, budget_ms, netns_fd)


def receive_request(sock: socket.socket, timeout: float = 5.0) -> Request:
    """Read one request. The whole of it must arrive within `timeout` seconds, however slowly it drips.

    Raises WireError; a descriptor that came is closed then. Leaves a time-out set on the socket.
    """
    deadline = monotonic() + timeout
    frame, netns_fd = _receive_first(sock, deadline)
    try:
        if len(frame) < HEADER:
            frame += _receive_exactly(sock, HEADER - len(frame), deadline)
        end = HEADER + _parse_header(frame[:HEADER])[1]
        if len(frame) < end:
            frame += _receive_exactly(sock, end - len(frame), deadline)
        return decode_request(frame[:end], netns_fd)
    except BaseException:
        if netns_fd >= 0:
            os.close(netns_fd)
        raise


def encode_reply(status: int, payload: bytes) -> bytes:
    """The bytes of a reply. Raises WireError above the limit."""
    if len(payload) > PAYLOAD_LIMIT:
        raise WireError(f"reply of {len(payload)} bytes, at most {PAYLOAD_LIMIT} are allowed")
    return status.to_bytes(1, "big") + len(payload).to_bytes(4, "big") + payload


def receive_reply(sock: socket.socket, timeout: float) -> Reply:
    """Read one whole reply within `timeout` seconds. Raises WireError, above all if it is torn."""
    deadline = monotonic() + timeout
    header = _receive_exactly(sock, REPLY_HEADER, deadline)
    length = int.from_bytes(header[1:], "big")
    if length > PAYLOAD_LIMIT:
        raise WireError(f"reply of {length} bytes, at most {PAYLOAD_LIMIT} are allowed")
    return Reply(header[0], _receive_exactly(sock, length, deadline))


def call(path: str, environ: Mapping[str, str], stdin: bytes = b"", budget: float = 5.0) -> Reply:
    """Ask the agent behind the socket at `path`; `budget` in seconds covers everything. Raises WireError."""
    deadline = monotonic() + budget
    request = encode_request(environ, stdin, int(budget * 1000))
    netns_fd = _open_netns(environ.get("CNI_NETNS", ""))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(budget)
            try:
                sock.connect(path)
            except OSError as error:
                raise WireError(f"no agent answers on {path}: {error.strerror or error}") from error
            _send_request(sock, request, netns_fd)
            return receive_reply(sock, deadline - monotonic())
    finally:
        if netns_fd >= 0:
            os.close(netns_fd)


def _send_request(sock: socket.socket, request: bytes, netns_fd: int) -> None:
    """Send all; a peer that closed early may still have left its answer, so that is not an error here."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [netns_fd]))] if netns_fd >= 0 else []
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            sent = sock.sendmsg([request], rights)
            sock.sendall(request[sent:])
        except TimeoutError as error:
            raise WireError("the agent did not take the request in time") from error


def _open_netns(path: str) -> int:
    if not path.startswith("/"):
        return -1
    with suppress(OSError, ValueError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    return -1


def _check_sizes(command: str | None, environ: int, stdin: int) -> None:
    limit = GC_STDIN_LIMIT if command == "GC" else STDIN_LIMIT
    if environ > ENVIRON_LIMIT:
        raise WireError(f"environment of {environ} bytes, at most {ENVIRON_LIMIT} are allowed")
    if stdin > limit:
        raise WireError(f"stdin of {stdin} bytes, at most {limit} are allowed")


def _parse_header(header: bytes) -> tuple[int, int]:
    """(budget in ms, length of the body)"""
    if header[:4] != MAGIC or len(header) < HEADER:
        raise WireError(f"request starts with {header[:4]!r}, expected {MAGIC!r}: shim and agent differ in version")
    length = int.from_bytes(header[8:12], "big")
    if length > ENVIRON_LIMIT + 1 + GC_STDIN_LIMIT:
        raise WireError(f"request of {length} bytes is above every limit")
    return int.from_bytes(header[4:8], "big"), length


def _parse_body(body: bytes) -> tuple[dict[str, str], bytes]:
    # An entry is never empty, so the first empty string is the end of the environment.
    end = 0 if body[:1] == b"\0" else body.find(b"\0\0") + 1
    if end == 0 and body[:1] != b"\0":
        raise WireError("request without end of the environment")
    environ: dict[str, str] = {}
    for entry in body[:end].decode(errors="surrogateescape").split("\0")[:-1]:
        name, equals, value = entry.partition("=")
        if not equals or not name.startswith(PREFIXES):
            raise WireError(f"request with a variable that does not belong there: {name[:64]!r}")
        environ[name] = value
    stdin = body[end + 1 :]
    _check_sizes(environ.get("CNI_COMMAND"), end, len(stdin))
    return environ, stdin


def _receive_first(sock: socket.socket, deadline: float) -> tuple[bytes, int]:
    """The first bytes, and the descriptor that came with them, or -1."""
    _set_timeout(sock, deadline)
    try:
        data, ancillary, _, _ = sock.recvmsg(FIRST_CHUNK, socket.CMSG_LEN(DESCRIPTOR), socket.MSG_CMSG_CLOEXEC)
    except OSError as error:
        raise WireError(f"no request came: {error}") from error
    if not data:
        raise WireError("the caller closed the connection without a request")
    # There is room for one descriptor; the kernel closes what is beyond.
    netns_fd = next((int.from_bytes(payload, byteorder) for _, _, payload in ancillary), -1)
    return data, netns_fd


def _receive_exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        _set_timeout(sock, deadline)
        try:
            piece = sock.recv(min(size - len(data), CHUNK))
        except OSError as error:
            raise WireError(f"connection failed after {len(data)} of {size} bytes: {error}") from error
        if not piece:
            raise WireError(f"connection closed after {len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def _set_timeout(sock: socket.socket, deadline: float) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise WireError("the other side took too long")
    sock.settimeout(left)
