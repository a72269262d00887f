"""A container runtime in small: what containerd does with a CNI plugin, through libcni, and no more.

It reads the network configuration list from the node's configuration directory, merges name and version into the
plugin's configuration, and executes the plugin with CNI_* in its environment (CNI specification 1.1.0, sections 2 and
4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import netns_path
from terway_edge.lab.pods import IFNAME, LabPod
from terway_edge.lab.processes import Processes

NEWEST = (1, 1, 0)
"""The newest CNI version this runtime speaks."""


class CniError(LabError):
    """The shim refused; `code` as in the CNI specification, "Error" (0: it did not even say why)."""

    def __init__(self, command: str, subject: str, code: int, message: str, look_at: str) -> None:
        super().__init__(f"CNI {command} {subject} failed with code {code}: {message}", look_at=look_at)
        self.code = code


@dataclass(frozen=True, slots=True)
class Network:
    """The plugin of a configuration list as libcni sees it."""

    name: str
    version: str
    plugin: Mapping[str, Any]

    def configuration(self, pod: LabPod | None) -> dict[str, Any]:
        """What the plugin gets on stdin: of what is known of the pod, the capabilities choose the runtimeConfig."""
        configuration = {key: value for key, value in self.plugin.items() if key != "capabilities"}
        configuration |= {"name": self.name, "cniVersion": self.version}
        if pod is None:
            return configuration
        wanted = self.plugin.get("capabilities") or {}
        if given := {key: value for key, value in _runtime_config(pod).items() if wanted.get(key)}:
            configuration["runtimeConfig"] = given
        if pod.result:
            configuration["prevResult"] = pod.result
        return configuration


def load_network(directory: Path) -> Network | None:
    """The first configuration list of a directory, or None while there is none. Raises LabError if it is malformed."""
    paths = sorted(directory.glob("*.conflist"))
    if not paths:
        return None
    try:
        content = json.loads(paths[0].read_text())
        versions = [content["cniVersion"], *content.get("cniVersions", [])]
        return Network(content["name"], _newest(versions), content["plugins"][0])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise LabError(f"{paths[0]} is no CNI configuration list: {error!r}", look_at=str(paths[0])) from error


class Runtime:
    """The runtime of one node."""

    def __init__(self, netns: str, directory: Path, processes: Processes) -> None:
        self._netns = netns
        self._processes = processes
        self._bin = directory / "bin"
        self._conf = directory / "net.d"
        self._log = directory / "agent.log"
        self._environ = {
            "TERWAY_EDGE_RUN": str(directory / "run"),
            "TERWAY_EDGE_STATE": str(directory / "state"),
            "CNI_PATH": str(self._bin),
        }

    def ready(self) -> bool:
        """True once the network is published and its plugin answers STATUS with success."""
        if load_network(self._conf) is None:
            return False
        try:
            self.status()
        except CniError:
            return False
        return True

    def status(self) -> None:
        self._execute("STATUS")

    def add(self, pod: LabPod) -> None:
        """Plug the pod in; its `result` is set."""
        pod.result = json.loads(self._execute("ADD", pod))

    def check(self, pod: LabPod) -> None:
        self._execute("CHECK", pod)

    def delete(self, pod: LabPod) -> None:
        self._execute("DEL", pod)

    def _execute(self, command: str, pod: LabPod | None = None) -> str:
        network = load_network(self._conf)
        if network is None:
            raise LabError(f"no CNI configuration in {self._conf}", look_at=str(self._log))
        done = self._processes.run(
            [str(self._bin / network.plugin["type"])],
            netns=self._netns,
            stdin=json.dumps(network.configuration(pod)),
            environ=self._environ | (_environ(pod) if pod else {}) | {"CNI_COMMAND": command},
        )
        if done.returncode:
            subject = f"of {pod.name}" if pod else f"in {self._netns}"
            code, message = _failure(done.stdout, done.stderr)
            raise CniError(command, subject, code, message, str(self._log))
        return done.stdout


def _failure(stdout: str, stderr: str) -> tuple[int, str]:
    """Code and message of a CNI error; code 0 if there is none in what was said."""
    try:
        error = json.loads(stdout)
        return int(error["code"]), ": ".join(filter(None, (error["msg"], error.get("details"))))
    except (ValueError, KeyError, TypeError):
        said = (stdout + stderr).strip() or "nothing was said"
        return 0, f"not a CNI error: {said}"


def _environ(pod: LabPod) -> dict[str, str]:
    """The pod's identity, as containerd's CRI plugin passes it."""
    arguments = {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": "default",
        "K8S_POD_NAME": pod.name,
        "K8S_POD_INFRA_CONTAINER_ID": pod.container_id,
        "K8S_POD_UID": pod.uid,
    }
    return {
        "CNI_CONTAINERID": pod.container_id,
        "CNI_NETNS": str(netns_path(pod.netns)),
        "CNI_IFNAME": IFNAME,
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in arguments.items()),
    }


def _runtime_config(pod: LabPod) -> dict[str, Any]:
    """What containerd offers to plugins that ask for it; these pods have no bandwidth limit."""
    return {"io.kubernetes.cri.pod-annotations": {"lab.terway-edge.invalid/pod": pod.name}}


def _newest(versions: list[str]) -> str:
    known = [version for version in versions if _number(version) <= NEWEST]
    return max(known, key=_number)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
