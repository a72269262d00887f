"""The API server behind the cluster of a lab: a double of the lab's own, or a given one of which it shows a door.

Agents reach either at the address of the control plane, over the lab's network.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import yaml

from terway_edge.lab import clouds
from terway_edge.lab.control import ask
from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Daemon

PORT = 6443
DOUBLE, RELAY = "terway_edge.testing.lab_api", "terway_edge.lab.relay"


class ApiReport(NamedTuple):
    """How often what was asked, and what was not allowed or not understood of it."""

    calls: Mapping[str, int]
    forbidden: Sequence[str]
    malformed: Sequence[str]

    @property
    def made(self) -> int:
        return sum(self.calls.values())


class ApiServer(Protocol):
    """`kubeconfig` is the administrator's, good in namespace `netns` (empty: on the host). Every method may raise
    LabError.

    `is_ours`: it goes with the lab, and all objects with it.
    """

    kubeconfig: Path
    netns: str
    is_ours: bool

    def start(self) -> None: ...

    def wait_ready(self) -> None: ...

    def door(self) -> dict[str, Any]:
        """`cluster` of the agents' kubeconfigs."""

    def cut(self) -> None:
        """As if it were killed: connections break, and there are no new ones."""

    def mend(self) -> None:
        """It is there again, with all its objects."""

    def report(self) -> ApiReport | None:
        """None if it tells nobody."""

    def stop(self) -> None: ...

    def tail(self) -> str: ...


class DoubleServer:
    """`terway_edge.testing.apiserver`, on the control plane's host."""

    is_ours = True

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self.netns = clouds.control_plane(layout).netns
        self.kubeconfig = layout.api / "admin.kubeconfig"
        self._control = layout.api / "control"
        self._stage = layout.api / "stage.json"
        self._daemon = Daemon("apiserver", "", layout.api, processes)

    def start(self) -> None:
        stage = {
            "netns": self.netns,
            "address": clouds.CONTROL_ADDRESS,
            "port": PORT,
            "kubeconfig": str(self.kubeconfig),
            "control": str(self._control),
        }
        self._stage.write_text(json.dumps(stage))
        self._daemon.start([sys.executable, "-m", DOUBLE, str(self._stage)])

    def wait_ready(self) -> None:
        self._daemon.wait_until(self._control.is_socket)

    def door(self) -> dict[str, Any]:
        return current_cluster(self.kubeconfig)

    def cut(self) -> None:
        self._do("cut")

    def mend(self) -> None:
        self._do("mend")

    def back_up(self) -> None:
        """For `restore`."""
        self._do("back up")

    def restore(self) -> None:
        """As an administrator does it with etcd's backup."""
        self._do("restore")

    def report(self) -> ApiReport:
        return ApiReport(**self._do("report"))

    def stop(self) -> None:
        self._daemon.stop()

    def tail(self) -> str:
        return self._daemon.tail()

    def _do(self, what: str) -> dict[str, Any]:
        return ask("the API server", self._control, {"do": what}, str(self._daemon.log))


class GivenServer:
    """Any that is reached from the host: a process on the control plane's host passes on what agents say."""

    netns = ""
    is_ours = False

    def __init__(self, kubeconfig: Path, layout: Layout, processes: Processes) -> None:
        self.kubeconfig = kubeconfig
        self._cluster = current_cluster(kubeconfig)
        self._netns = clouds.control_plane(layout).netns
        self._daemon = Daemon("relay", "", layout.api, processes)

    def start(self) -> None:
        target = urlsplit(self._cluster["server"])
        port = target.port or (443 if target.scheme == "https" else 80)
        here = [self._netns, clouds.CONTROL_ADDRESS, str(PORT)]
        self._daemon.start([sys.executable, "-m", RELAY, *here, target.hostname or "", str(port)])

    def wait_ready(self) -> None:
        self._daemon.wait_until(lambda: "ready" in self._daemon.tail())

    def door(self) -> dict[str, Any]:
        """TLS goes through to the server itself, which is still asked for by its own name."""
        target = urlsplit(self._cluster["server"])
        named = {"tls-server-name": target.hostname} if target.scheme == "https" else {}
        return {**named, **self._cluster, "server": f"{target.scheme}://{clouds.CONTROL_ADDRESS}:{PORT}"}

    def cut(self) -> None:
        self._daemon.stop()

    def mend(self) -> None:
        self.start()
        self.wait_ready()

    def report(self) -> None:
        """Its log is nothing that the lab could read."""

    def stop(self) -> None:
        self._daemon.stop()

    def tail(self) -> str:
        return self._daemon.tail()


def current_cluster(kubeconfig: Path) -> dict[str, Any]:
    """`cluster` of the current context, with its authority inside. Raises LabError."""
    try:
        document = yaml.safe_load(kubeconfig.read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster: dict[str, Any] = dict(_named(document["clusters"], context["cluster"])["cluster"])
        if authority := cluster.pop("certificate-authority", None):
            text = (kubeconfig.parent / authority).read_bytes()
            cluster["certificate-authority-data"] = base64.b64encode(text).decode()
    except (OSError, LookupError, TypeError, ValueError, StopIteration, yaml.YAMLError) as error:
        raise LabError(f"kubeconfig {kubeconfig} cannot be used: {error!r}") from error
    return cluster


def _named(entries: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(each for each in entries if each["name"] == name)
