"""A LAN of two namespaces, the switch's and the node's, and FRR as the switch."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.bgp_load import LAN_LENGTH, NODE, NODE_ASN, PASSWORD, SWITCH, SWITCH_ASN
from terway_edge.lab.frr import Frr
from terway_edge.lab.processes import Processes, kill_marked
from terway_edge.lab.topology import batch, delete_namespace, make_namespaces

CONFIG = f"""
router bgp {SWITCH_ASN}
 bgp router-id {SWITCH}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {NODE} remote-as {NODE_ASN}
 neighbor {NODE} password {PASSWORD}
 neighbor {NODE} passive
 address-family ipv4 unicast
  neighbor {NODE} activate
 exit-address-family
 address-family ipv6 unicast
  neighbor {NODE} activate
 exit-address-family
"""
SETTLE = 10.0  # seconds FRR may take until it lets the node connect
POLL = 0.01
ENDS_OF_RIB = 2  # UPDATEs without prefixes: every contestant ends IPv4 and IPv6


class Lan:
    """Processes of the bench run in `switch` and `node`."""

    def __init__(self, directory: Path, processes: Processes, switch: str, node: str) -> None:
        self.directory = directory
        self.processes = processes
        self.switch = switch
        self.node = node

    @contextmanager
    def running_switch(self) -> Iterator[Switch]:
        """A new FRR without routes that waits for the node. Raises LabError if it does not come up."""
        frr = Frr("switch", self.switch, self.directory / "frr", self.processes, CONFIG, kernel=False)
        frr.start()
        try:
            frr.wait_ready()
            switch = Switch(frr)
            switch.wait_until_passive()
            yield switch
        finally:
            frr.stop()


class Switch:
    """What FRR knows of the node."""

    def __init__(self, frr: Frr) -> None:
        self._frr = frr

    def wait_until_passive(self) -> None:
        deadline = time.monotonic() + SETTLE
        while self._frr.sessions() != {NODE: "Active"}:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the switch does not wait for the node after {SETTLE:.0f} s")
            time.sleep(POLL)

    @property
    def prefixes(self) -> int:
        """How many prefixes of the node are in its table: a counter, cheap to ask for."""
        shown = self._frr.json("show bgp ipv4 unicast summary json")
        return int(shown["peers"][NODE].get("pfxRcd", 0))

    @property
    def updates(self) -> int:
        """How many UPDATEs with prefixes it took."""
        return updates_received(self._frr.json("show bgp neighbors json"))

    def next_hops(self) -> dict[str, tuple[str, ...]]:
        """Of every prefix, as the whole table shows them."""
        return self._frr.routes(4)


def updates_received(neighbours: Mapping[str, Any]) -> int:
    """From the answer to `show bgp neighbors json`; ends of RIBs are not counted."""
    return int(neighbours[NODE]["messageStats"]["updatesRecv"]) - ENDS_OF_RIB


@contextmanager
def lan(directory: Path) -> Iterator[Lan]:
    """Make the namespaces and their cable; at the end, kill what runs there and delete them."""
    token = secrets.token_hex(16)
    processes = Processes(token)
    switch, node = (f"twt-bench-{os.getpid()}-{name}" for name in ("switch", "node"))
    made: list[str] = []
    try:
        for netns in (switch, node):
            make_namespaces([netns], processes)
            made.append(netns)
        batch(node, [f"link add lan type veth peer name lan netns {switch}"], processes)
        for netns, address in ((switch, SWITCH), (node, NODE)):
            batch(netns, [f"address add {address}/{LAN_LENGTH} dev lan", "link set lan up"], processes)
        yield Lan(directory, processes, switch, node)
    finally:
        kill_marked(token)
        for netns in made:
            delete_namespace(netns, processes)
