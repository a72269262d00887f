"""podman with its CNI backend, as a second client beside containerd: no kubelet, no CRI, no daemon."""

import json
import os
from typing import NamedTuple

from tests.runtime.image import NAME
from tests.system.machine import run

CONFIG = """
[network]
network_backend = "cni"
cni_plugin_dirs = ["{bin_dir}"]
network_config_dir = "{conf_dir}"
default_network = "terway-edge"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]  # where root may not raise them
"""


class Container(NamedTuple):
    id: str
    address: str
    pid: int


class Podman:
    def __init__(self, world, machine, archive):
        self._world = world
        config = machine.directory / "containers.conf"
        config.write_text(CONFIG.format(**machine.settings["cni"]))
        self._env = {
            "PATH": os.environ["PATH"],
            "CONTAINERS_CONF": str(config),
            "TERWAY_EDGE_BUDGET_MS": "1000",  # for ADDs; the DELs come from conmon, which passes no variables on
        }
        self("load", "--input", str(archive))

    def __call__(self, *arguments, check=True):
        """Its process, at the end."""
        return self._world.call("podman", *arguments, env=self._env, check=check)

    @property
    def options(self):
        """Of a container on our network, and what it runs."""
        return ["--pull=never", "--network=terway-edge", f"--cgroup-parent={self._world.cgroup}", NAME]

    def run(self, name, *options):
        self("run", "--detach", f"--name={name}", *options, *self.options)
        return self.inspect(name)

    def inspect(self, name):
        [told] = json.loads(self("container", "inspect", name).stdout)
        network = told["NetworkSettings"]["Networks"]["terway-edge"]
        return Container(told["Id"], network["IPAddress"], told["State"]["Pid"])

    def clear(self):
        self("rm", "--all", "--force", "--time=1")

    def netns(self, container):
        return self._world.path(f"/proc/{container.pid}/ns/net")

    def pings(self, container, address):
        ping = ("ping", "-n", "-q", "-c", "1", "-W", "1", address)
        return run("nsenter", f"--net={self.netns(container)}", "--", *ping, check=False).returncode == 0
