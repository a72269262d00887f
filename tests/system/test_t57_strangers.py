"""T57: what users of the node who are not root find: files, socket and ports shut, and nothing that they can change."""

import json
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from tests.system.machine import CONF, Machine, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
THEIR_OWN_ROOT = (*NOBODY, "unshare", "--user", "--map-root-user", "--")
STRANGERS = {"nobody": NOBODY, "root of a user namespace": THEIR_OWN_ROOT}
COMMANDS = ("ADD", "CHECK", "DEL", "GC", "STATUS")
PEER = {
    "apiVersion": "network.openyurt.io/v1alpha1",
    "kind": "BGPPeer",
    "metadata": {"name": "peer"},
    "spec": {
        "localSpeakers": ["n1", "n2"],
        "localAsNumber": 65010,
        "peerIP": "192.0.2.21",
        "peerAsNumber": 65001,
        "nodeSelector": "all()",
    },
}
TRY_ALL = """
import os, socket, sys
done = []
def attempt(what, act):
    try:
        act()
    except (PermissionError, ProcessLookupError):
        return
    done.append(what)
top, agent = sys.argv[1:]
def connect():
    socket.socket(socket.AF_UNIX).connect(top + "/run/cni.sock")
attempt("connect", connect)
attempt("signal", lambda: os.kill(int(agent), 0))
for name in ("run", "state", "bin", "net.d"):
    path = f"{top}/{name}"
    attempt(f"make a file in {name}", lambda: open(path + "/new", "w"))
    attempt(f"rename {name}", lambda: os.rename(path, path + ".old"))
    attempt(f"chmod {name}", lambda: os.chmod(path, 0o777))
    if name in ("run", "state"):
        attempt(f"list {name}", lambda: os.listdir(path))
for path in sys.stdin.read().split():
    attempt(f"write {path}", lambda: open(path, "r+b"))
    attempt(f"remove {path}", lambda: os.unlink(path))
    if path.startswith((top + "/run", top + "/state")):
        attempt(f"read {path}", lambda: open(path, "rb"))
print(done)
"""


@pytest.fixture
def machine():
    """A node whose directories anybody can get to, as on a host; with an agent and a pod."""
    directory = Path(tempfile.mkdtemp(prefix="twt-"))
    with ExitStack() as closing:
        closing.callback(shutil.rmtree, directory)
        made = Open(directory)
        closing.callback(made.close)
        made.start()
        made.pod, _ = made.add()
        yield made


class Open(Machine):
    def __init__(self, directory):
        super().__init__(directory)
        for path in (directory, directory / "bin", directory / "net.d"):
            path.chmod(0o755)

    def files(self):
        """All that the agent has on the node but what changes by itself: {path: its status}."""
        homes = [self.directory / name for name in ("run", "state", "bin", "net.d")]
        paths = [path for home in homes for path in (home, *home.rglob("*"))]
        return {path: path.lstat() for path in paths if path.name != "heartbeat"}

    def state(self):
        """Everything that a stranger must not change."""
        files = {
            path: (status.st_mode, status.st_uid, sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
            for path, status in self.files().items()
        }
        commands = (("address",), ("route",), ("rule",), ("neigh", "show", "nud", "permanent"))
        kernel = [self.enter("ip", "-o", "-4", *words).stdout for words in commands]
        leases = self.ask("leases")["leases"]
        for lease in leases:
            del lease["age_seconds"]
        return files, leases, kernel, self.enter("ip", "-o", "-4", "address", netns=self.pod).stdout

    def cni_as(self, who, command):
        """The shim as another user runs it, for the pod that is there; its exit status."""
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.pod if command != "ADD" else "new",
            "CNI_NETNS": f"/run/netns/{self.pod}",
            "CNI_IFNAME": "eth0" if command != "ADD" else "eth1",
            "CNI_PATH": str(self.directory / "bin"),
            "TERWAY_EDGE_RUN": self.settings["run_dir"],
            "TERWAY_EDGE_STATE": self.settings["state_dir"],
            "TERWAY_EDGE_BUDGET_MS": "500",
        }
        conf = json.dumps({**json.loads(CONF), "cni.dev/valid-attachments": []})
        shim = str(self.directory / "bin" / "terway-edge")
        done = self.enter(*who, shim, text=conf, env=environ, check=False)
        assert json.loads(done.stdout)["msg"]
        return done.returncode

    def listeners(self):
        """(address, port) in hexadecimal of every TCP socket that listens on the node, IPv4 or IPv6."""
        lines = [line.split() for line in self.enter("cat", "/proc/net/tcp", "/proc/net/tcp6").stdout.splitlines()]
        return {tuple(line[1].split(":")) for line in lines if line[3] == "0A"}


def test_t57_files_are_for_root_alone(machine):
    machine.kill()
    machine.delete(machine.pod)
    assert list((machine.directory / "state" / "spool").glob("*.del"))
    machine.start()
    for path, status in machine.files().items():
        mode = stat.S_IMODE(status.st_mode)
        private = path.relative_to(machine.directory).parts[0] in ("run", "state")
        assert status.st_uid == 0, path
        if stat.S_ISDIR(status.st_mode):
            assert mode == (0o700 if private else 0o755), path
        elif private:
            assert mode == 0o600, path
        else:
            assert mode == (0o755 if path.name == "terway-edge" else 0o644), path
    assert stat.S_IMODE((machine.directory / "run" / "heartbeat").stat().st_mode) == 0o600


def test_t57_strangers_change_nothing(machine):
    before = machine.state()
    paths = "\n".join(str(path) for path in machine.files() if not path.is_dir())
    script = ["/usr/bin/python3", "-c", TRY_ALL, str(machine.directory), str(machine._process.pid)]
    for name, who in STRANGERS.items():
        for command in COMMANDS:
            assert machine.cni_as(who, command) != 0, (name, command)
        assert machine.enter(*who, *script, text=paths).stdout == "[]\n", name
    assert machine.state() == before


def test_t57_the_agent_itself_refuses_who_gets_to_its_socket(machine):
    """As if somebody had opened directory and socket to everybody."""
    (machine.directory / "run").chmod(0o755)
    (machine.directory / "run" / "cni.sock").chmod(0o666)
    before = machine.state()
    for number, (name, who) in enumerate(STRANGERS.items(), 1):
        for command in COMMANDS:
            assert machine.cni_as(who, command) != 0, (name, command)
        refused = machine.log.read_text().count("refused a request of uid 65534: only root may call")
        assert refused >= number * len(COMMANDS), name
    assert machine.state() == before


def test_t57_only_what_is_declared_listens(machine):
    loopback, everywhere = "0100007F", {"00000000", "0" * 32}
    assert machine.listeners() == {(loopback, f"{9797:04X}")}
    sockets = [line.split() for line in machine.enter("cat", "/proc/net/unix").stdout.splitlines()[1:]]
    assert [line[7] for line in sockets if int(line[3], 16) & 0x10000] == [machine.settings["run_dir"] + "/cni.sock"]
    assert machine.enter("cat", "/proc/net/udp", "/proc/net/udp6").stdout.count("\n") == 2, "two headings"

    machine.terminate()
    machine.settings |= {"metrics": {"enabled": False}, "bgp": {"listen_port": 179}}
    machine.write("peer", PEER)
    machine.start()
    until(lambda: machine.listeners() == {("0A0200C0", "00B3")}, "it listens for its peer, at its own address")
    assert everywhere.isdisjoint(address for address, _ in machine.listeners())

    machine.terminate()
    machine.settings["bgp"] = {}
    machine.start()
    assert machine.listeners() == set(), "neither asked for"
