"""containerd as a kubelet uses it: sandboxes by CRI, with the network that the agent published."""

import contextlib
import itertools
import json
import os
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

from tests.runtime.cri import Cri, CriError
from tests.runtime.image import NAME
from tests.runtime.world import children
from tests.system.machine import run, until

PROGRAM = "containerd"
CONFIG = """
version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  disable_apparmor = true
  restrict_oom_score_adj = true  # where root may not lower it
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{bin_dir}"
    conf_dir = "{conf_dir}"
"""
LOOPBACK = Path("/usr/lib/cni/loopback")  # containerd wants it beside the shim: package containernetworking-plugins
_serial = itertools.count(1)


class Pod(NamedTuple):
    """A sandbox that runs. `pid` of its pause process and the path of its namespace are what containerd sees."""

    id: str
    name: str
    address: str
    pid: int
    netns: str


class Containerd:
    def __init__(self, world, machine, archive):
        self._world, self._log = world, machine.directory / "containerd.log"
        self._config = machine.directory / "containerd.toml"
        bin_dir, conf_dir = (machine.settings["cni"][key] for key in ("bin_dir", "conf_dir"))
        self._config.write_text(CONFIG.format(image=NAME, bin_dir=bin_dir, conf_dir=conf_dir))
        (Path(bin_dir) / "loopback").symlink_to(LOOPBACK)
        self._env = {"PATH": os.environ["PATH"], "TERWAY_EDGE_BUDGET_MS": "1500"}
        self._cri = Cri(shutil.which(PROGRAM), world.run / "containerd/containerd.sock")
        self.start()
        world.call("ctr", "--namespace", "k8s.io", "images", "import", "--digests=false", str(archive))

    # --- the process -----------------------------------------------------------------------------------------------

    def start(self):
        self._process = self._world.start(PROGRAM, "--config", str(self._config), log=self._log, env=self._env)
        try:
            self._cri.call("Version")
        except CriError as error:
            raise AssertionError(f"{PROGRAM} does not answer: {error}; {self._log.read_text()[-500:]}") from None

    def runs(self):
        return self._process.poll() is None

    def kill(self):
        """SIGKILL, as a crash or the kernel's lack of memory would."""
        [pid] = children(self._process.pid)
        os.kill(pid, signal.SIGKILL)
        self._process.wait(10)

    def close(self):
        self._cri.close()

    def said(self, words):
        return words in self._log.read_text()

    def network_ready(self):
        conditions = self._cri.call("Status")["status"]["conditions"]
        return next(each["status"] for each in conditions if each["type"] == "NetworkReady")

    def network(self):
        """The name of the network that it would give a pod."""
        status = self._cri.call("Status", {"verbose": True})
        networks = json.loads(status["info"]["cniconfig"])["Networks"]
        return next((each["Config"]["Name"] for each in networks if each["IFName"] == "eth0"), "")

    # --- sandboxes -------------------------------------------------------------------------------------------------

    def run(self, name=None, *, ports=(), annotations=None, timeout=30.0):
        """RunPodSandbox. Raises CriError."""
        name = name or f"pod{next(_serial)}"
        config = {
            "metadata": {"name": name, "uid": f"uid-{name}", "namespace": "default", "attempt": next(_serial)},
            "port_mappings": list(ports),
            "annotations": annotations or {},
            "linux": {"cgroup_parent": self._world.cgroup},
        }
        made = self._cri.call("RunPodSandbox", {"config": config}, timeout=timeout)["pod_sandbox_id"]
        return self.pod(made)

    def pod(self, sandbox):
        answer = self._cri.call("PodSandboxStatus", {"pod_sandbox_id": sandbox, "verbose": True})
        status, info = answer["status"], json.loads(answer["info"]["info"])
        spaces = {each["type"]: each.get("path", "") for each in info["runtimeSpec"]["linux"]["namespaces"]}
        return Pod(sandbox, status["metadata"]["name"], status["network"]["ip"], info["pid"], spaces["network"])

    def stop(self, sandbox):
        self._cri.call("StopPodSandbox", {"pod_sandbox_id": sandbox})

    def remove(self, sandbox):
        self._cri.call("RemovePodSandbox", {"pod_sandbox_id": sandbox})

    def end(self, sandbox):
        self.stop(sandbox)
        self.remove(sandbox)

    def sandboxes(self, *states):
        """Ids of the sandboxes it knows, READY or NOTREADY or both."""
        listed = self._cri.call("ListPodSandbox")["items"]
        return {each["id"] for each in listed if not states or each["state"].removeprefix("SANDBOX_") in states}

    def clear(self):
        for sandbox in self.sandboxes():
            with contextlib.suppress(CriError):
                self.end(sandbox)

    def kill_pod(self, pod):
        """Its process ends and nobody told the runtime to."""
        self._world.call("kill", "-KILL", str(pod.pid))
        until(lambda: pod.id in self.sandboxes("NOTREADY"), "containerd sees it")

    def lose_netns(self, pod):
        """What a process of the host might do behind the runtime's back; the kernel takes the links away with it."""
        self._world.call("umount", pod.netns)
        self._world.call("rm", pod.netns)

    # --- inside a pod ----------------------------------------------------------------------------------------------

    def netns(self, pod):
        return self._world.path(f"/proc/{pod.pid}/ns/net")

    def enter(self, pod, *command, check=True):
        return run("nsenter", f"--net={self.netns(pod)}", "--", *command, check=check)

    def pings(self, pod, address):
        return self.enter(pod, "ping", "-n", "-q", "-c", "1", "-W", "1", address, check=False).returncode == 0
