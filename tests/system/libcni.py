"""A runtime in small that takes networks as libcni and containerd's go-cni do: the first file by name, whole chains."""

import itertools
import json
import os
from pathlib import Path
from typing import NamedTuple

from terway_edge.cni.installer import CONF_SUFFIXES
from terway_edge.cni.versions import VERSIONS

_serial = itertools.count(1)


class Network(NamedTuple):
    name: str
    version: str
    plugins: list


class Pod(NamedTuple):
    id: str
    netns: str
    network: Network
    result: dict

    @property
    def address(self):
        return self.result["ips"][0]["address"].split("/")[0]


class PluginFailed(Exception):
    """What the plugin answered."""


def load(conf_dir):
    """The network of the first file by name; None if there is none, or that one cannot be read: no other is tried."""
    paths = sorted(path for path in Path(conf_dir).iterdir() if path.name.endswith(CONF_SUFFIXES))
    try:
        conf = json.loads(paths[0].read_text())
        plugins = conf["plugins"] if paths[0].suffix == ".conflist" else [conf]
        spoken = set(VERSIONS) & {conf["cniVersion"], *conf.get("cniVersions", ())}
        return Network(conf["name"], max(spoken), [{**plugin, "type": plugin["type"]} for plugin in plugins])
    except (IndexError, ValueError, KeyError):
        return None


class Runtime:
    def __init__(self, machine):
        self._machine = machine
        self._conf_dir = machine.settings["cni"]["conf_dir"]

    def ready(self):
        """NetworkReady as a kubelet is told it: there is a network and, where it can be asked, its STATUS is good."""
        network = load(self._conf_dir)
        if network is None:
            return False
        asked = network.plugins if network.version >= "1.1.0" else []
        return all(self._exec("STATUS", network, plugin).returncode == 0 for plugin in asked)

    def run(self):
        """A pod of the network of now. Raises PluginFailed."""
        pod = Pod(f"sandbox{next(_serial)}", self._machine.new_pod(), load(self._conf_dir), {})
        for plugin in pod.network.plugins:
            pod = pod._replace(result=self._call("ADD", pod.network, plugin, pod))
        return pod

    def stop(self, pod):
        """DEL by the configuration of the ADD; then the namespace goes. Raises PluginFailed."""
        for plugin in reversed(pod.network.plugins):
            self._call("DEL", pod.network, plugin, pod)
        self._machine.forget_pod(pod.netns)

    def _call(self, command, network, plugin, pod):
        done = self._exec(command, network, plugin, pod)
        if done.returncode:
            raise PluginFailed(plugin["type"], done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def _exec(self, command, network, plugin, pod=None):
        conf = {key: value for key, value in plugin.items() if key not in ("capabilities", "name", "cniVersion")}
        conf |= {"name": network.name, "cniVersion": network.version}
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_PATH": self._machine.settings["cni"]["bin_dir"],
        }
        environ |= {f"TERWAY_EDGE_{key.upper()}": self._machine.settings[f"{key}_dir"] for key in ("run", "state")}
        if pod:
            conf |= {"prevResult": pod.result} if pod.result else {}
            environ |= {"CNI_CONTAINERID": pod.id, "CNI_NETNS": f"/run/netns/{pod.netns}", "CNI_IFNAME": "eth0"}
        program = Path(self._machine.settings["cni"]["bin_dir"]) / plugin["type"]
        return self._machine.enter(str(program), text=json.dumps(conf), env=environ, check=False)
