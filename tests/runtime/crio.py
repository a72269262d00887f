"""What CRI-O does with a CNI plugin, replayed: its verbs, environment, stdin and order (ocicni, libcni 1.3).

Debian has no CRI-O. Host ports are its own affair: it sends no portMappings.
"""

import itertools
import json
from pathlib import Path
from typing import NamedTuple

from tests.system.machine import until

VALID = "cni.dev/valid-attachments"
NOBODY = {"CNI_CONTAINERID": "", "CNI_NETNS": "", "CNI_IFNAME": "", "CNI_ARGS": ""}
DUMMY = {**NOBODY, "CNI_CONTAINERID": "dummy", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy"}
BURST = (2**32 - 1) * 8 - 1
_serial = itertools.count(1)


class Sandbox(NamedTuple):
    id: str
    name: str
    netns: str
    wishes: dict
    result: dict

    @property
    def address(self):
        return self.result["ips"][0]["address"].split("/")[0]


class CniError(Exception):
    """What the plugin answered: code, message."""


class Crio:
    """`newest`: the CNI version that its libcni knows; the newest that both know is spoken (`cniVersions`)."""

    def __init__(self, machine, newest="1.1.0"):
        self._machine, self._newest = machine, newest
        self.pods = {}  # by id: what it has in its cache of results

    def start(self):
        """Look for a network, ask it until it is ready, and have it forget what is not in the cache."""
        [path] = Path(self._machine.settings["cni"]["conf_dir"]).glob("*.conflist")
        self._conflist = json.loads(path.read_text())
        told = self._call("VERSION", {"cniVersion": self._newest}, DUMMY)
        self.version = max((v for v in self._conflist["cniVersions"] if v <= self._newest), key=_number)
        assert self.version in told["supportedVersions"]
        if self.version >= "1.1.0":
            until(self.ready, "STATUS is good")
            self.collect()

    def ready(self):
        status, _ = self._machine.cni("STATUS", "", conf=json.dumps(self._conf()), **NOBODY)
        return status == 0

    def collect(self):
        """GC with the list of what is in the cache; Go's empty list is null."""
        valid = [{"containerID": each, "ifname": "eth0"} for each in self.pods]
        self._call("GC", self._conf(**{VALID: valid or None}), NOBODY)

    def run(self, bits=0):
        """ADD, and CHECK at once; a DEL if one fails. `bits`: bandwidth limit, 0 for none. Raises CniError."""
        name, netns = f"crio{next(_serial)}", self._machine.new_pod()
        pod = Sandbox(f"{name}{'0' * 50}", name, netns, _wishes(bits), {})
        try:
            pod = pod._replace(result=self._call_for("ADD", pod))
            self.pods[pod.id] = pod
            self._call_for("CHECK", pod)
        except CniError:
            self.stop(pod)
            raise
        return pod

    def stop(self, pod):
        """DEL with the result from the cache, which is gone afterwards whatever the answer is. Raises CniError."""
        self.pods.pop(pod.id, None)
        self._call_for("DEL", pod)

    def _call_for(self, command, pod):
        pairs = {"IgnoreUnknown": "1", "K8S_POD_NAMESPACE": "default", "K8S_POD_NAME": pod.name}
        pairs |= {"K8S_POD_INFRA_CONTAINER_ID": pod.id, "K8S_POD_UID": f"uid-{pod.name}"}
        names = {"CNI_CONTAINERID": pod.id, "CNI_NETNS": f"/var/run/netns/{pod.netns}"}
        names["CNI_ARGS"] = ";".join(f"{key}={value}" for key, value in pairs.items())
        [plugin] = self._conflist["plugins"]
        given = {key: value for key, value in pod.wishes.items() if plugin["capabilities"].get(key)}
        more = {"prevResult": pod.result} if pod.result else {}
        return self._call(command, self._conf(runtimeConfig=given, **more), names)

    def _conf(self, **more):
        """What libcni makes of the list for its one plugin."""
        [plugin] = self._conflist["plugins"]
        conf = {key: value for key, value in plugin.items() if key != "capabilities"}
        return {**conf, "name": self._conflist["name"], "cniVersion": self.version, **more}

    def _call(self, command, conf, environ):
        status, answer = self._machine.cni(command, "", conf=json.dumps(conf), **environ)
        if status:
            raise CniError(answer["code"], answer["msg"])
        return answer


def _wishes(bits):
    """By capability: what it offers; the configuration says which of it is sent."""
    limits = {
        f"{way}{what}": value for way in ("ingress", "egress") for what, value in (("Rate", bits), ("Burst", BURST))
    }
    annotations = {f"kubernetes.io/{way}-bandwidth": str(bits) for way in ("ingress", "egress") if bits}
    offered = {"cgroupPath": "/kubepods/pod1", "io.kubernetes.cri.pod-annotations": annotations}
    return {**offered, **({"bandwidth": limits} if bits else {})}


def _number(version):
    return [int(part) for part in version.split(".")]
