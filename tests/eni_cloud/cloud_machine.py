"""A cloud node in network namespaces: the real agent with the backend terway, its ENIs links into a namespace that
stands for the VPC, and the OpenAPI emulator, which says when a link is to come and to go.

    pods -- node (agent) -- eth1, eth2, ... -- vpc (gateways, and an outside host)
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terway_edge.core.addresses import Address
from terway_edge.lab.sockets import socket_in
from terway_edge.lab.vpc import ruleset, source_lines
from terway_edge.testing.openapi import Emulator, Eni, Observer, Server
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.records import EniType
from terway_edge.testing.openapi.site import EniSpec, Site
from terway_edge.testing.openapi.subnet import gateway
from tests.cloud.rig import KEY
from tests.eni_cloud.sites import ECS_NODE, make_site
from tests.system.machine import Machine, until

FAR = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}
PACE = Pace(attach=Delay(seconds=0.2), detach=Delay(seconds=0.2), delete=Delay(seconds=0.1))
PORT, PER_ENI, TRIES = 8080, 6, 3
WARM = {"max_pool_size": 5, "min_pool_size": 5}


class Wires(Observer):
    """ENIs as links. While `late` is set, links of new ENIs wait until `appear` is called."""

    def __init__(self, machine: CloudMachine) -> None:
        self._machine = machine
        self._numbers: dict[str, int] = {}
        self._waiting: dict[str, Eni] = {}
        self._owned: dict[str, set[str]] = {}
        self.late = False
        self.appeared = threading.Event()

    def has(self, eni: str) -> bool:
        """Whether it is a link, or was."""
        return eni in self._numbers

    def link(self, eni: str) -> str:
        return f"eth{self._numbers[eni]}"

    def on_attached(self, instance: str, eni: Eni) -> None:
        if instance != ECS_NODE or eni.type is EniType.PRIMARY:
            return
        if self.late:
            self._waiting[eni.id] = eni
            self.appeared.set()
        else:
            self._plug(eni)

    def on_detached(self, instance: str, eni: Eni) -> None:
        if eni.id in self._numbers and self._waiting.pop(eni.id, None) is None:
            self._machine.ip(f"link del v{self._numbers[eni.id]}", netns=self._machine.vpc)

    def on_addresses_changed(self, eni: Eni) -> None:
        if eni.id in self._waiting:
            self._waiting[eni.id] = eni
        elif eni.id in self._numbers and eni.is_plugged:
            self._own(eni)

    def appear(self) -> None:
        self.late = False
        for eni in list(self._waiting.values()):
            del self._waiting[eni.id]
            self._plug(next(each for each in self._machine.emulator.enis() if each.id == eni.id))

    def _plug(self, eni: Eni) -> None:
        self._owned.pop(eni.id, None)
        number = self._numbers.setdefault(eni.id, len(self._numbers) + 1)
        machine, port = self._machine, f"v{number}"
        vswitch = machine.vswitch(eni.vswitch)
        families = (4, 6) if vswitch.cidr6 else (4,)
        machine.ip(
            f"link add {port} mtu 65535 type veth peer name eth{number} mtu {machine.link_mtu} address {eni.mac} "
            f"netns {machine.netns}",
            f"link set {port} up",
            *(f"addr add {gateway(vswitch, each)}/{32 if each == 4 else 128} dev {port} nodad" for each in families),
            netns=machine.vpc,
        )
        self._own(eni)

    def _own(self, eni: Eni) -> None:
        """The VPC sends to the ENI what is for its addresses, and takes from it what comes from one of them."""
        port, now = f"v{self._numbers[eni.id]}", {str(owned.address) for owned in eni.owned()}
        before, self._owned[eni.id] = self._owned.get(eni.id, set()), now
        for four in (True, False):
            added, removed = (
                [each for each in some if (":" not in each) is four] for some in (now - before, before - now)
            )
            self._machine.ip(*_lines(port, eni.mac, added, removed), netns=self._machine.vpc)
            if four:
                sources = source_lines(port, added, removed)
                self._machine.enter("nft", "-f", "-", text=sources, netns=self._machine.vpc)


def _lines(port: str, mac: str, added: list[str], removed: list[str]) -> list[str]:
    lines = [f"route del {address} dev {port}" for address in removed]
    for address in added:
        lines += [
            f"neigh replace {address} lladdr {mac} dev {port} nud permanent",
            f"route replace {address} dev {port}",
        ]
    return lines


class CloudMachine(Machine):
    """`conf` is `eni_conf`; `bound` is how many ENIs with all their addresses the instance has from the start;
    `link_mtu` what links of ENIs have before anybody changes it; `role` that of the instance, which metadata tells."""

    def __init__(
        self, directory: Path, conf: Mapping[str, Any] = WARM, *, bound: int = 0, link_mtu: int = 1500, role: str = ""
    ) -> None:
        self.link_mtu = link_mtu
        super().__init__(directory)
        try:
            self.vpc = self._namespace()
            self.ip(
                "link set lo up",
                *(f"addr add {address}/{32 if family == 4 else 128} dev lo" for family, address in FAR.items()),
                netns=self.vpc,
            )
            for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                self.enter("tee", f"/proc/sys/net/{path}", text="1", netns=self.vpc)
            self.enter("nft", "-f", "-", text=ruleset(()), netns=self.vpc)
            self.conf = dict(conf)
            self.wires = Wires(self)
            self.emulator = Emulator(
                _founded(make_site(enis=4, per_eni=PER_ENI, pace=PACE), bound, role), observer=self.wires
            )
            for eni in self.emulator.enis():
                self.wires.on_attached(eni.instance, eni) if eni.instance else None
            self._server = Server(self.emulator, self._listen(), instance=ECS_NODE)
            self._server.start()
            self.settings["cloud"] = {
                "region": "cn-hangzhou",
                "metadata_url": f"http://127.0.0.1:{PORT}",
                "protocol": "http",
                "proxy": "",
                "ecs_endpoint": f"127.0.0.1:{PORT}",
                "vpc_endpoint": f"127.0.0.1:{PORT}",
                "credentials": "path",
                "credentials_path": str(self._credentials()),
            }
            del self.settings["routes"], self.settings["masquerade"]
            self.remove("n2")
            self.write("n1", self._node())
            self.write_conf()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        try:
            if hasattr(self, "_server"):
                self._server.close()
        finally:
            super().close()

    def write_conf(self, **changes: Any) -> None:
        """The ConfigMap eni-config."""
        self.conf |= changes
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "eni-config", "namespace": "kube-system"},
            "data": {"eni_conf": json.dumps({"version": "1", **self.conf})},
        }
        self.write("eni-config", manifest)

    def vswitch(self, id: str) -> Any:
        with self.emulator.outside() as others:
            return others._cloud.vswitches[id]

    # --- what is so -----------------------------------------------------------------------------------------------

    def eni_link(self, address: str) -> str:
        """The name of the link of the ENI that has an address."""
        wanted = Address.parse(address)
        eni = next(each for each in self.emulator.enis(ECS_NODE) if any(p.contains(wanted) for p in each.owned()))
        return self.wires.link(eni.id)

    def show(self, link: str, netns: str | None = None) -> dict[str, Any]:
        """What `ip` says of a link."""
        found: list[dict[str, Any]] = json.loads(self.enter("ip", "-j", "link", "show", link, netns=netns).stdout)
        return found[0]

    def sysctl(self, path: str, value: object) -> None:
        self.enter("tee", f"/proc/sys/net/{path}", text=str(value))

    def pings(self, pod: str, address: str, netns: str | None = None) -> bool:
        """A veth that has just come up loses what is sent before the kernel has attached its queue."""
        return any(super(CloudMachine, self).pings(pod, address, netns) for _ in range(TRIES))

    def reaches(self, pod: str, address: str) -> bool:
        """Both ways between a pod and the host outside of the VPC, over the pod's own ENI."""
        far = FAR[Address.parse(address).family]
        return self.pings(pod, far) and self.pings(self.vpc, address)

    def await_pods(self, count: int) -> list[tuple[str, str]]:
        """Plug so many pods in, each as often as it takes."""
        added: list[tuple[str, str]] = []
        until(lambda: self.try_add(added) or len(added) == count, f"{count} pods; {self.tail()}", 30.0)
        return added

    def conditions(self) -> list[str]:
        """Reasons."""
        return [each["reason"] for each in self.ask("status")["conditions"]]

    # --- within ---------------------------------------------------------------------------------------------------

    def _listen(self) -> socket.socket:
        made = socket_in(self.netns, socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", PORT))
        made.listen(128)
        return made

    def _credentials(self) -> Path:
        place = self.directory / "credentials"
        place.mkdir(mode=0o700)
        for name, text in zip(("access-key-id", "access-key-secret"), KEY.values(), strict=True):
            (place / name).write_text(text)
        return place

    def _node(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1", "labels": {}},
            "spec": {"providerID": f"cn-hangzhou.{ECS_NODE}"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.10"}]},
        }


def _founded(site: Site, count: int, role: str) -> Site:
    """With ENIs that are attached to the cloud node from the start, and with its role."""

    def eni(number: int) -> EniSpec:
        last = range(10 * number + 20, 10 * number + 20 + PER_ENI)
        four = [Address.parse(f"192.168.0.{each}") for each in last]
        six = [Address.parse(f"2001:db8:1::{each}") for each in last]
        return EniSpec(vswitch="vsw-a", address=four[0], addresses=(*four[1:], *six))

    first, *others = site.instances
    first = first.model_copy(update={"enis": tuple(map(eni, range(count))), "role": role})
    roles = (role,) if role else ()
    return site.model_copy(update={"instances": (first, *others), "roles": roles})
