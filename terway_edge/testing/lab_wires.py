"""ENIs as links: what the emulator attaches appears on the node, and its network knows which addresses it owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

from pydantic import Field

from terway_edge.core.config import Section
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch
from terway_edge.lab.vpc import address_lines, plug_lines, source_lines
from terway_edge.testing.openapi import Eni, EniType, Observer


class Place(Section):
    """Where the links of an instance are: namespaces of the node and of its network.

    `gateway` and `length` are those of the vSwitch of its primary ENI, which the instance has from its start.
    """

    name: str = Field(max_length=9, description="begins the names of its ports, which have 15 characters at most")
    netns: str
    network: str
    gateway: str
    length: int


class Port(NamedTuple):
    """The end of an ENI in its network; `link` is the name on the node."""

    name: str
    link: str
    place: Place
    mac: str
    addresses: tuple[str, ...]


class Wires(Observer):
    """Raises KeyError for an instance that has no place, LabError if a link cannot be made."""

    def __init__(self, places: Mapping[str, Place], processes: Processes) -> None:
        self._places = places
        self._processes = processes
        self.ports: dict[str, Port] = {}
        """By id of the ENI."""

    def on_attached(self, instance: str, eni: Eni) -> None:
        place = self._places[instance]
        link = self._free_link(place)
        port = Port(f"{place.name}-{link}", link, place, eni.mac, _addresses(eni))
        self._sources(port, port.addresses, ())
        batch(place.network, plug_lines(port.name, link, place.netns, eni.mac), self._processes)
        batch(place.network, address_lines(port.name, eni.mac, port.addresses), self._processes)
        if eni.type is EniType.PRIMARY:
            self._configure_node(port)
        self.ports[eni.id] = port

    def on_detached(self, instance: str, eni: Eni) -> None:
        port = self.ports.pop(eni.id)
        batch(port.place.network, [f"link delete {port.name}"], self._processes)
        self._sources(port, (), port.addresses)

    def on_addresses_changed(self, eni: Eni) -> None:
        port = self.ports.get(eni.id)
        if port is None:  # not attached
            return
        addresses = _addresses(eni)
        added = [address for address in addresses if address not in port.addresses]
        removed = [address for address in port.addresses if address not in addresses]
        batch(port.place.network, address_lines(port.name, port.mac, added, removed), self._processes)
        self._sources(port, added, removed)
        self.ports[eni.id] = port._replace(addresses=addresses)

    def _configure_node(self, port: Port) -> None:
        """As DHCP does when the instance starts. Secondary ENIs are left to whoever wants them."""
        lines = [
            f"address add {port.addresses[0]}/{port.place.length} dev {port.link}",
            f"link set {port.link} up",
            f"route add default via {port.place.gateway}",
        ]
        batch(port.place.netns, lines, self._processes)

    def _free_link(self, place: Place) -> str:
        taken = {port.link for port in self.ports.values() if port.place == place}
        return next(name for name in map("eth{}".format, count()) if name not in taken)

    def _sources(self, port: Port, added: Sequence[str], removed: Sequence[str]) -> None:
        commands = source_lines(port.name, added, removed)
        self._processes.must(["nft", "-f", "-"], netns=port.place.network, stdin=commands)


def _addresses(eni: Eni) -> tuple[str, ...]:
    """The primary one first. The lab's networks have IPv4 only."""
    return tuple(map(str, eni.ipv4))
