#!/usr/bin/python3 -ISE
"""terway-edge CNI shim: the twin of shim.c, for hosts where no compiled one can be had. See there and wire.py.

Written for its start-up time: only modules built into the interpreter are imported (`os`, `socket` and `json` would
triple it), and on a host start_shim.py imports this file, so that it is compiled once and not in every run. Errors
travel as the OSError they are: FileNotFoundError and ConnectionRefusedError = nobody listens, other ConnectionErrors =
torn reply, BlockingIOError = the budget is spent.
"""

import posix
from _socket import (
    AF_UNIX,
    SCM_RIGHTS,
    SO_RCVTIMEO,
    SO_SNDTIMEO,
    SOCK_CLOEXEC,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)
from select import POLLIN, poll
from sys import byteorder, maxsize
from time import CLOCK_BOOTTIME, clock_gettime, sleep

BUDGETS = {b"ADD": 60.0, b"DEL": 25.0, b"CHECK": 5.0, b"GC": 20.0, b"STATUS": 1.0}
VERSIONS = b'{"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n'
ENVIRON_LIMIT, PAYLOAD_LIMIT, CHUNK = 256 << 10, 16 << 20, 64 << 10
STDIN_SECONDS, AWAY_SECONDS, RETRY_SECONDS, LOCK_SECONDS, FRESH_SECONDS = 5.0, 5.0, 0.1, 0.02, 30.0
ENVIRONMENT, IO_FAILURE, DECODE, AGAIN, UNAVAILABLE = 4, 5, 6, 11, 50  # CNI 1.1.0, "Error"
READ = posix.O_RDONLY | posix.O_CLOEXEC
LONG = 8 if maxsize > 1 << 32 else 4  # bytes of a C long
LOOK = "is the terway-edge agent running on this node? See its log: crictl ps -a --name terway-edge"


class Failure(Exception):
    """Ends the run with a CNI error: code, message, details."""


class Call:
    """One run: what the runtime asked, and when it must have its answer."""

    def __init__(self, variables: "dict[bytes, bytes]") -> None:
        self.started = now()
        self.variables = variables
        command = self.command = variables.get(b"CNI_COMMAND", b"")
        if command not in BUDGETS:
            told = f"unknown CNI_COMMAND {text(command[:64])}, expected ADD, DEL, CHECK, GC, STATUS or VERSION"
            raise Failure(ENVIRONMENT, told if command else "missing: CNI_COMMAND", "terway-edge CNI shim")
        missing = [name for name in (b"CNI_CONTAINERID", b"CNI_IFNAME") if not variables.get(name)]
        if missing and command == b"DEL":
            raise Failure(ENVIRONMENT, f"missing: {text(b' '.join(missing))}", "DEL needs them")
        limit = variables.get(b"TERWAY_EDGE_BUDGET_MS", b"")
        limit_ms = float(limit) if limit.isdigit() else 0.0
        self.budget = min(BUDGETS[command], limit_ms / 1000 or BUDGETS[command])
        self.deadline = self.started + self.budget
        self.run = variables.get(b"TERWAY_EDGE_RUN") or b"/run/terway-edge"
        self.state = variables.get(b"TERWAY_EDGE_STATE") or b"/var/lib/terway-edge"
        self.path = self.run + b"/cni.sock"
        if len(self.path) > 107:
            raise Failure(ENVIRONMENT, "TERWAY_EDGE_RUN is too long", "a socket's path has at most 107 bytes")
        self.netns = -1
        self.request = bytearray(b"TWE1\0\0\0\0")  # ask() fills in what is left of the budget

    def answer(self) -> "tuple[int, bytes]":
        """(exit status, stdout). Raises Failure."""
        prefixes = (b"CNI_", b"TERWAY_EDGE_QUERY")
        ours = b"".join([b"%b=%b\0" % pair for pair in self.variables.items() if pair[0].startswith(prefixes)])
        if len(ours) > ENVIRON_LIMIT:
            raise Failure(
                ENVIRONMENT, f"CNI variables of more than {ENVIRON_LIMIT} bytes", "the runtime must pass less"
            )
        stdin = self.read_stdin()
        self.request += (len(ours) + 1 + len(stdin)).to_bytes(4, "big") + ours + b"\0" + stdin
        path = self.variables.get(b"CNI_NETNS", b"")
        try:
            if path.startswith(b"/"):
                self.netns = posix.open(path, READ | posix.O_NONBLOCK)
        except OSError:
            self.netns = -1  # the agent will say what is wrong with the path
        try:
            return self.answer_del() if self.command == b"DEL" else self.answer_other()
        except OSError as error:
            raise self.failure(error) from None

    def read_stdin(self) -> bytes:
        limit = 4 << 20 if self.command == b"GC" else 1 << 20
        seconds = min(self.budget, STDIN_SECONDS)
        waiter = poll()
        waiter.register(0, POLLIN)
        data = b""
        while True:
            left = self.started + seconds - now()
            if left <= 0 or not waiter.poll(left * 1000):
                told = f"stdin did not end within {seconds * 1000:.0f} ms"
                raise Failure(IO_FAILURE, told, "the runtime must close the plugin's stdin after the configuration")
            try:
                piece = posix.read(0, CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Failure(
                    IO_FAILURE, f"cannot read stdin: {reason(error)}", "the configuration comes on stdin"
                ) from None
            if not piece:
                return data
            data += piece
            if len(data) > limit:
                raise Failure(DECODE, f"stdin of more than {limit} bytes", "the network configuration must be smaller")

    def answer_other(self) -> "tuple[int, bytes]":
        until = self.started + min(self.budget, AWAY_SECONDS)
        while True:
            try:
                return self.ask()
            except OSError as error:
                if self.command == b"STATUS":
                    return self.heartbeat()
                if not is_away(error) or now() + RETRY_SECONDS >= until:
                    raise
            sleep(RETRY_SECONDS)

    def answer_del(self) -> "tuple[int, bytes]":
        spool = None
        while True:
            try:
                return self.ask()
            except ConnectionError as error:
                if not is_away(error):  # torn: a DEL may be repeated
                    if spool:
                        spool.close()
                    spool = None
                    sleep(RETRY_SECONDS)
                    continue
            except FileNotFoundError:
                pass
            if spool:
                return spool.keep()
            spool = Spool(self)

    def ask(self) -> "tuple[int, bytes]":
        """One conversation: (exit status, payload)."""
        self.request[4:8] = max(0, int((self.deadline - now()) * 1000)).to_bytes(4, "big")
        sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
        try:
            self.limit_time(sock)
            sock.connect(self.path)
            try:
                self.send(sock)
            except (BrokenPipeError, ConnectionResetError):
                head = b""  # an agent that closed early may have left its answer
            head = self.receive(sock, 5)
            size = int.from_bytes(head[1:], "big")
            if size > PAYLOAD_LIMIT:
                raise ConnectionResetError
            return head[0], self.receive(sock, size)
        finally:
            sock.close()

    def limit_time(self, sock: socket) -> None:
        """Blocking calls on the socket end at the deadline."""
        left = int((self.deadline - now()) * 1_000_000)
        if left <= 0:
            raise BlockingIOError
        timeout = (left // 1_000_000).to_bytes(LONG, byteorder) + (left % 1_000_000).to_bytes(LONG, byteorder)
        sock.setsockopt(SOL_SOCKET, SO_SNDTIMEO, timeout)
        sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, timeout)

    def send(self, sock: socket) -> None:
        rights = [(SOL_SOCKET, SCM_RIGHTS, self.netns.to_bytes(4, byteorder))] if self.netns >= 0 else []
        sent = sock.sendmsg([self.request], rights)
        while sent < len(self.request):
            self.limit_time(sock)
            sent += sock.send(memoryview(self.request)[sent:])

    def receive(self, sock: socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            self.limit_time(sock)
            piece = sock.recv(min(size - len(data), CHUNK))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def heartbeat(self) -> "tuple[int, bytes]":
        """Without an answer, STATUS is good while the agent's last sign of life is recent: restarts are ordinary."""
        path = self.run + b"/heartbeat"
        try:
            age = now() - float(posix.read(posix.open(path, READ | posix.O_NONBLOCK), 63))
        except (OSError, ValueError):
            age = -1.0
        if 0 <= age < FRESH_SECONDS:
            return 0, b""
        raise Failure(UNAVAILABLE, f"no answer from the terway-edge agent and no recent {text(path)}", LOOK)

    def failure(self, error: OSError) -> Failure:
        path, command = text(self.path), text(self.command)
        if is_away(error):
            return Failure(AGAIN, f"no terway-edge agent listens on {path}", LOOK)
        if isinstance(error, ConnectionError):
            return Failure(AGAIN, f"the terway-edge agent broke off before its whole answer to {command}", LOOK)
        if isinstance(error, BlockingIOError):
            budget = f"within {self.budget * 1000:.0f} ms"
            return Failure(AGAIN, f"the terway-edge agent did not answer {command} {budget}", LOOK)
        return Failure(IO_FAILURE, f"cannot talk to {path}: {reason(error)}", "the shim must run as root")


class Spool:
    """The locked directory where a DEL waits for an agent that is away."""

    def __init__(self, call: Call) -> None:
        """Takes the lock, shared: it keeps the agent from starting to listen between our last attempt and our file."""
        self.call = call
        path = call.state + b"/spool"
        try:
            for directory in (call.state, path):
                try:
                    posix.mkdir(directory, 0o700)
                except FileExistsError:
                    continue
            self.directory = posix.open(path, READ | posix.O_DIRECTORY)
            self.lock = self.open(b".lock", posix.O_RDWR)
            self.take()
        except OSError as error:
            raise self.failure("lock", error) from None

    def take(self) -> None:
        from fcntl import LOCK_NB, LOCK_SH, flock

        while True:
            try:
                return flock(self.lock, LOCK_SH | LOCK_NB)
            except BlockingIOError as busy:
                if now() >= self.call.deadline:
                    raise self.call.failure(busy) from None
            sleep(LOCK_SECONDS)

    def open(self, name: bytes, flags: int) -> int:
        flags |= posix.O_CREAT | posix.O_CLOEXEC | posix.O_NOFOLLOW
        return posix.open(name, flags, 0o600, dir_fd=self.directory)

    def close(self) -> None:
        posix.close(self.lock)
        posix.close(self.directory)

    def keep(self) -> "tuple[int, bytes]":
        name = self.name()
        temporary = name + b".%d.tmp" % posix.getpid()
        try:
            fd = self.open(temporary, posix.O_WRONLY | posix.O_TRUNC)
            try:
                write_all(fd, self.call.request)
                posix.fsync(fd)
                posix.rename(temporary, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
            except OSError:
                posix.unlink(temporary, dir_fd=self.directory)
                raise
            posix.fsync(self.directory)
        except OSError as error:
            raise self.failure("write a file in", error) from None
        return 0, b""

    def name(self) -> bytes:
        """FNV-1a, 64 bits, over `container id NUL ifname NUL`, twice in a row, so that repeats overwrite each other."""
        key = self.call.variables[b"CNI_CONTAINERID"] + b"\0" + self.call.variables[b"CNI_IFNAME"] + b"\0"
        value, halves = 14695981039346656037, b""
        for _ in range(2):
            for byte in key:
                value = (value ^ byte) * 1099511628211 % (1 << 64)
            halves += b"%016x" % value
        return halves + b".del"

    def failure(self, step: str, error: OSError) -> Failure:
        told = f"cannot {step} {text(self.call.state)}/spool: {reason(error)}"
        return Failure(IO_FAILURE, told, "DEL cannot be kept for the agent, which is away")


def now() -> float:
    return clock_gettime(CLOCK_BOOTTIME)


def is_away(error: OSError) -> bool:
    return isinstance(error, (FileNotFoundError, ConnectionRefusedError))


def text(value: bytes) -> str:
    return value.decode("ascii", "replace")


def reason(error: OSError) -> str:
    """go-cni takes a DEL error with "no such file or directory" for success, so the usual text must not appear."""
    missing = isinstance(error, FileNotFoundError)
    return "a directory of the path is missing" if missing else posix.strerror(error.errno or 0)


def environment() -> "dict[bytes, bytes]":
    """All variables; of duplicates the last wins, which posix.environ does not do."""
    fd = posix.open("/proc/self/environ", READ)
    data = b""
    while piece := posix.read(fd, CHUNK):
        data += piece
    posix.close(fd)
    pairs = [entry.partition(b"=") for entry in data.split(b"\0")]
    return {name: value for name, equals, value in pairs if equals}


def write_all(fd: int, data: "bytes | bytearray") -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[posix.write(fd, rest) :]


def escaped(message: str) -> str:
    """The inside of a JSON string; whatever is not printable ASCII becomes '?'."""
    plain = "".join([char if " " <= char <= "~" else "?" for char in message])
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def main() -> int:
    variables = environment()
    try:
        version = variables.get(b"CNI_COMMAND") == b"VERSION"
        status, payload = (0, VERSIONS) if version else Call(variables).answer()
    except Failure as failure:
        code, message, details = failure.args
        told = f'{{"cniVersion":"1.0.0","code":{code},"msg":"{escaped(message)}","details":"{escaped(details)}"}}\n'
        status, payload = 1, told.encode()
    try:
        write_all(1, payload)
    except OSError:
        return 1
    return status


if __name__ == "__main__":
    posix._exit(main())  # skips the interpreter's clean-up, 1.7 ms
