"""Both shims as real processes, and a scripted agent behind a real socket."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from terway_edge.cni import installer, wire

SOURCES = Path(installer.__file__).parent
KINDS = ("compiled", "twin")


@dataclass
class Ended:
    """A shim that ran: `seconds` is how long."""

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def error(self):
        """The CNI error it printed; fails the test if it printed none."""
        assert self.status == 1
        error = json.loads(self.stdout)
        assert list(error) == ["cniVersion", "code", "msg", "details"]
        return error

    @property
    def code(self):
        return self.error["code"]


@dataclass
class Shim:
    """A shim with run and state directories of its own."""

    path: Path
    home: Path
    running: list = field(default_factory=list)

    @property
    def run_dir(self):
        return self.home / "run"

    @property
    def spool(self):
        return self.home / "state" / "spool"

    def environ(self, command, **variables):
        environ = {
            "PATH": os.environ["PATH"],
            "TERWAY_EDGE_RUN": str(self.run_dir),
            "TERWAY_EDGE_STATE": str(self.home / "state"),
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "c0ffee",
            "CNI_IFNAME": "eth0",
            **variables,
        }
        return {name: value for name, value in environ.items() if value is not None}

    def start(self, command, stdin=subprocess.DEVNULL, **variables):
        process = subprocess.Popen(
            [self.path],
            env=self.environ(command, **variables),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def finish(self, process, stdin=None, began=None):
        began = time.monotonic() if began is None else began
        stdout, stderr = process.communicate(stdin, timeout=30)
        return Ended(process.returncode, stdout, stderr, time.monotonic() - began)

    def __call__(self, command, stdin=b"{}", **variables):
        """Run to the end."""
        began = time.monotonic()
        return self.finish(self.start(command, subprocess.PIPE, **variables), stdin, began)


class ScriptedAgent:
    """Listens on the socket and runs `script(connection, request)` in a thread of its own per connection."""

    def __init__(self, run_dir, script, backlog=64):
        self.requests = []
        self.netns = []
        self.ended = threading.Event()
        self._script = script
        self._threads = []
        self.listener = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError):
            (run_dir / "cni.sock").unlink()
        self.listener.bind(str(run_dir / "cni.sock"))
        self.listener.listen(backlog)
        self._start(self._accept)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self._start(self._converse, connection)

    def _converse(self, connection):
        with connection:
            self._script(self, connection)

    def receive(self, connection):
        """Read and remember a request, and what file its descriptor names."""
        request = wire.receive_request(connection)
        if request.netns_fd >= 0:
            status = os.fstat(request.netns_fd)
            self.netns.append((status.st_dev, status.st_ino))
        request.close()
        self.requests.append(request)
        return request

    def refuse(self):
        """From now on connecting is refused, as after a crash: the socket's file stays."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def stop(self):
        self.ended.set()
        with suppress(OSError):
            self.refuse()
        for thread in self._threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in self._threads)


def wait_for(condition, seconds=10.0):
    """Wait until `condition()` is true; fails the test if it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        time.sleep(0.002)


@pytest.fixture(name="wait_for", scope="session")
def _wait_for():
    return wait_for


@pytest.fixture(scope="session")
def shim_paths(tmp_path_factory):
    """(compiled, twin), the first built afresh if the one in the package is older than its source, the second as it is
    on a host."""
    compiled, source = installer.COMPILED, SOURCES / "shim.c"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        compiled = tmp_path_factory.mktemp("shim") / "terway-edge"
        flags = ["-std=c11", "-Os", "-static", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["musl-gcc", *flags, "-o", compiled, source], check=True)
    twin = tmp_path_factory.mktemp("bin")
    installer.install_twin(twin)
    return {"compiled": compiled, "twin": twin / installer.TYPE}


@pytest.fixture(params=KINDS)
def shim(request, shim_paths):
    # Not tmp_path: the path of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="twt-"))
    (home / "run").mkdir()
    shim = Shim(shim_paths[request.param], home)
    yield shim
    for process in shim.running:
        if process.poll() is None:
            process.kill()
        process.communicate()
    shutil.rmtree(home)


@pytest.fixture
def start_agent(shim):
    """Start a scripted agent where the shim looks for it."""
    started = []

    def start(script, **options):
        agent = ScriptedAgent(shim.run_dir, script, **options)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()


@pytest.fixture(scope="session")
def answering():
    """A script that reads the request and answers it."""

    def make(status=0, payload=b""):
        def script(agent, connection):
            agent.receive(connection)
            connection.sendall(wire.encode_reply(status, payload))

        return script

    return make


@pytest.fixture(scope="session")
def hanging():
    """A script that reads the request and never answers."""

    def script(agent, connection):
        agent.receive(connection)
        agent.ended.wait(60)

    return script
