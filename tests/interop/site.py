"""The site in namespaces of the tests' own; links, addresses and routes that no BGP is needed for."""

from __future__ import annotations

from collections.abc import Sequence

from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch, make_namespaces
from tests.interop import places

BRIDGE = "lan0"
UPLINK = "uplink"
FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


class Site:
    """Names of the namespaces. A bridge stays up when a node's cable dies, so that no router is told by its link."""

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self.layout = layout
        self.processes = processes
        self.switch = layout.netns("switch")
        self.second_switch = layout.netns("second")
        self.host = layout.netns("host")
        self.nodes = {index: layout.netns(f"node{index}") for index in places.NODES}

    def build(self) -> None:
        """Raises LabError naming the command that failed."""
        make_namespaces([self.switch, self.second_switch, self.host, *self.nodes.values()], self.processes)
        self.processes.must(["tee", *FORWARDING], netns=self.switch, stdin="1\n")
        # A bridge without an address of its own takes that of a port, and another one when a port comes.
        self._lines(self.switch, [f"link add {BRIDGE} address 02:00:5e:00:00:01 type bridge"])
        self._lines(self.switch, _addressed(BRIDGE, places.SWITCH, 1))
        self._plug_in(self.second_switch, places.SECOND_SWITCH, 2)
        for index, netns in self.nodes.items():
            self._plug_in(netns, places.node(index), 10 + index)
            self._lines(netns, [f"address add {address} dev lo" for address in places.pod(index)])
        self._lines(self.switch, [f"link add behind type veth peer name {UPLINK} netns {self.host}"])
        self._lines(self.switch, _addressed("behind", places.SWITCH_BEHIND, 1))
        self._lines(self.host, _addressed(UPLINK, places.HOST, 2))
        self._default_routes(self.host, places.SWITCH_BEHIND)

    def _plug_in(self, netns: str, addresses: Sequence[str], host: int) -> None:
        self._lines(netns, [f"link add {UPLINK} type veth peer name port{host} netns {self.switch}"])
        self._lines(netns, _addressed(UPLINK, addresses, host))
        self._lines(self.switch, [f"link set port{host} master {BRIDGE} up"])
        self._default_routes(netns, places.SWITCH)

    def _default_routes(self, netns: str, gateways: Sequence[str]) -> None:
        self._lines(netns, [f"route add default via {gateway}" for gateway in gateways])

    def _lines(self, netns: str, lines: Sequence[str]) -> None:
        batch(netns, lines, self.processes)


def _addressed(link: str, addresses: Sequence[str], host: int) -> list[str]:
    return [
        # Duplicate address detection would hold back the first neighbour solicitations for a second or more.
        f"link set {link} addrgenmode none",
        f"address add fe80::{host}/64 dev {link} nodad",
        f"address add {addresses[0]}/24 dev {link}",
        f"address add {addresses[1]}/64 dev {link} nodad",
        f"link set {link} up",
    ]
