"""One edge node in network namespaces, with the real agent, the real shim, pods, a LAN neighbour and an outside host.

    pods -- node (agent) -- lan0 -- peer (192.0.2.20: another node; 192.0.2.99: outside; owns every remote pod CIDR)

All names start with `twt-` and carry the process id; `close` removes everything, also after a failure.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from terway_edge.cni.shim import __file__ as TWIN

REPOSITORY = Path(TWIN).parents[2]
CONF = json.dumps({"cniVersion": "1.1.0", "name": "terway-edge", "type": "terway-edge"})
POD_CIDR = "10.64.1.0/24"
LABELS = {"alibabacloud.com/is-edge-worker": "true", "alibabacloud.com/nodepool-id": "np1"}
_serial = itertools.count()

LISTEN = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7777))
print("ready", flush=True)
print(s.recvfrom(9)[1][0])
"""
SEND = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 7777))"


def run(*command, check=True, text="", env=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=env)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} {done.stdout.strip()}"
    return done


def until(condition, what, timeout=10.0):
    """Wait for a condition; returns the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout, f"not within {timeout} s: {what}"
        time.sleep(0.01)
    return time.monotonic() - began


def node_manifest(name, address, *cidrs, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**LABELS, **labels}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


class Machine:
    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "agent.log"
        self.manifests = directory / "manifests"
        self._namespaces, self._process, self._told_before = [], None, 0
        self.environ = {}  # variables that the agent is started with, beside our own
        self.sources = REPOSITORY  # where the version is that is started
        for name in ("run", "state", "bin", "net.d", "manifests"):
            (directory / name).mkdir(mode=0o700)
        self.settings = {
            "node_name": "n1",
            "run_dir": str(directory / "run"),
            "state_dir": str(directory / "state"),
            "cluster": {"manifests": str(self.manifests)},
            "cni": {"bin_dir": str(directory / "bin"), "conf_dir": str(directory / "net.d")},
            "metrics": {"port": 9797},
            "masquerade": {"exclude": ["198.51.100.0/24"]},
            "routes": {"gateway": ["192.0.2.20"]},
        }
        try:
            self.netns, self.peer = self._namespace(), self._namespace()
            self.entry = ["nsenter", f"--net=/run/netns/{self.netns}"]  # how the agent gets to its node
            self.ip(f"link add lan0 type veth peer name eth0 netns {self.peer}", "link set lo up", "link set lan0 up")
            self.ip("addr add 192.0.2.10/24 dev lan0")
            peer = ["link set lo up", "link set eth0 up"]
            peer += [f"addr add 192.0.2.{host}/24 dev eth0" for host in (20, 21, 99)]
            peer += ["addr add 198.51.100.1/32 dev lo", "addr add 203.0.113.1/32 dev lo"]
            self.ip(*peer, f"route add {POD_CIDR} via 192.0.2.10", netns=self.peer)
            self.ip("route add default via 192.0.2.99")
            self.write("n1", node_manifest("n1", "192.0.2.10", POD_CIDR))
            self.write("n2", node_manifest("n2", "192.0.2.20", "10.64.2.0/24"))
        except BaseException:
            self.close()
            raise

    def close(self):
        try:
            self.kill()
        finally:
            for name in self._namespaces:
                run("ip", "netns", "delete", name, check=False)

    # --- the world -------------------------------------------------------------------------------------------------

    def write(self, name, manifest):
        path = self.manifests / f"{name}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(manifest))
        temporary.rename(path)

    def remove(self, name):
        (self.manifests / f"{name}.json").unlink()

    def enter(self, *command, netns=None, **options):
        return run("nsenter", f"--net=/run/netns/{netns or self.netns}", "--", *command, **options)

    def ip(self, *commands, netns=None):
        return self.enter("ip", "-batch", "-", netns=netns, text="".join(f"{line}\n" for line in commands)).stdout

    def routes(self, *filters):
        """The node's IPv4 routes of ours, by prefix (a pod's by address): what `ip route` says behind it."""
        lines = self.enter("ip", "route", "show", "proto", "158", *filters).stdout.splitlines()
        table = {}
        for line in lines:
            kind, *words = line.split()
            prefix = words.pop(0) if kind == "unreachable" else kind
            table[prefix] = " ".join(([kind] if kind == "unreachable" else []) + words)
        return table

    def connections(self, address):
        """The addresses of each connection that the node tracks and that has this one at either end."""
        lines = self.enter("conntrack", "-L").stdout.splitlines()
        connections = {tuple(re.findall(r"(?:src|dst)=(\S+)", line)) for line in lines}
        return {ends for ends in connections if address in ends}

    def pings(self, pod, address, netns=None):
        done = self.enter("ping", "-n", "-q", "-c", "1", "-W", "1", address, netns=netns or pod, check=False)
        return done.returncode == 0

    def seen_source(self, pod, target):
        """From which address the peer sees what a pod sends to one of the peer's addresses."""
        listener = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.peer}", "--", sys.executable, "-c", LISTEN, target],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert listener.stdout.readline() == "ready\n"
            self.enter(sys.executable, "-c", SEND, target, netns=pod)
            return listener.communicate(timeout=5)[0].strip()
        finally:
            listener.kill()
            listener.wait()
            listener.stdout.close()

    # --- pods ------------------------------------------------------------------------------------------------------

    def cni(self, command, pod, container=None, conf=CONF, **environ):
        """Run the real shim as a runtime does; (exit status, its JSON or None)."""
        environ = self.shim_environ(command, pod, container, **environ)
        done = self.enter(str(self.directory / "bin" / "terway-edge"), text=conf, env=environ, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    @contextlib.contextmanager
    def begin(self, command, pod, conf=CONF, **environ):
        """A shim that was started and got its configuration, for the length of a with-block."""
        shim = subprocess.Popen(
            [*self.entry, "--", str(self.directory / "bin" / "terway-edge")],
            env=self.shim_environ(command, pod, **environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            shim.stdin.write(conf.encode())
            shim.stdin.close()
            yield shim
        finally:
            shim.kill()
            shim.wait()
            shim.stdout.close()

    def shim_environ(self, command, pod, container=None, **more):
        return {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container or pod,
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.directory / "bin"),
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};K8S_POD_UID=uid-{pod}",
            "TERWAY_EDGE_RUN": self.settings["run_dir"],
            "TERWAY_EDGE_STATE": self.settings["state_dir"],
            **more,
        }

    def add(self, pod=None):
        """(pod, its address): a new pod, plugged in."""
        pod = pod or self.new_pod()
        status, result = self.cni("ADD", pod)
        assert status == 0, f"{result}\n{self.tail()}"
        return pod, result["ips"][0]["address"].split("/")[0]

    def new_pod(self):
        """A namespace in which a pod may be plugged in."""
        return self._namespace()

    def try_add(self, added):
        """Plug a new pod in, if that can be done now, and append it to `added`."""
        pod = self.new_pod()
        status, result = self.cni("ADD", pod)
        if status == 0:
            added.append((pod, result["ips"][0]["address"].split("/")[0]))
        else:
            self.forget_pod(pod)

    def delete(self, pod):
        status, result = self.cni("DEL", pod)
        assert status == 0, result

    def forget_pod(self, pod):
        """The runtime takes the namespace away."""
        run("ip", "netns", "delete", pod)
        self._namespaces.remove(pod)

    def links(self):
        return [line.split(":")[1].split("@")[0].strip() for line in
                self.enter("ip", "-o", "link", "show", "type", "veth").stdout.splitlines()
                if line.split(":")[1].strip().startswith("tw")]  # fmt: skip

    # --- the agent -------------------------------------------------------------------------------------------------

    def command(self, *arguments):
        config = self.directory / "config.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        return [sys.executable, "-m", "terway_edge.cli.main", *arguments, "--config", str(config)]

    def cli(self, *arguments, check=True):
        return self.enter(*self.command(*arguments), check=check)

    def ask(self, query):
        return json.loads(self.cli(query, "--json", check=False).stdout)

    def start(self, *, wait=True):
        with self.log.open("ab") as log:
            self._told_before = log.tell()  # bytes
            self._process = subprocess.Popen(
                [*self.entry, "--", *self.command("agent")],
                stdout=log,
                stderr=log,
                cwd=self.sources,
                env={**os.environ, **self.environ},
            )
        if wait:
            until(self.serves, f"the agent serves\n{self.tail()}", 20.0)

    def serves(self):
        """True once the agent started last says that it serves: STATUS is good during a restart as well."""
        assert self._process.poll() is None, f"the agent ended:\n{self.tail()}"
        return self.has_served()

    def has_served(self):
        return b": serving node" in self.log.read_bytes()[self._told_before :]

    def runs(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        """The agent's."""
        return self._process.pid

    def kill(self):
        if self.runs():
            self._process.kill()
            self._process.wait()

    def wait(self, timeout):
        """The exit status of the agent, once it has ended by itself. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def process_directory(self):
        """Of the agent, in /proc."""
        return Path(f"/proc/{self._process.pid}")

    def signal(self, number):
        self._process.send_signal(number)

    def terminate(self):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self._process.wait(15)

    def tail(self):
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return ""

    def _namespace(self):
        name = f"twt-{os.getpid()}-s{next(_serial)}"
        run("ip", "netns", "add", name)
        self._namespaces.append(name)
        return name
