"""The routers of the lab: a switch per LAN and the core between them.

For its speakers a switch is configured in the words of `terway-edge bgp switch-config` alone. What is added here
is the site's own: BGP between switches and core, a session per family, which carries routes to pods. Routes to the LANs
are the plan's (`border`) in IPv4; in IPv6, which the plan is not about, they are told by BGP too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from terway_edge.backends.bgp.switch_config import SwitchSide, render
from terway_edge.core.addresses import Address, Prefix
from terway_edge.lab.bird import Bird
from terway_edge.lab.errors import LabError
from terway_edge.lab.frr import Frr
from terway_edge.lab.lans import CORE, CORE_ASN, POD_CIDR_LENGTHS, POD_RANGES, LabNode, Lan
from terway_edge.lab.layout import Layout
from terway_edge.lab.peers import KEY, SECRET
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Router
from terway_edge.lab.topology import BRIDGE

Kind = Literal["frr", "bird"]
TIMEOUT = 20.0  # seconds until switches and core have told each other of the LANs
POLL = 0.02


class Switch:
    """The switch of a LAN; `passwords` are by speaker, empty in a LAN without."""

    def __init__(
        self, lan: Lan, speakers: Sequence[LabNode], kind: Kind, layout: Layout, processes: Processes, password: str
    ) -> None:
        self.lan = lan
        self.side = switch_side(lan, speakers)
        self._kind = kind
        self._passwords = {node.name: password for node in speakers} if lan.has_password else {}
        self.router = self._new_router(layout, processes)

    def set_password(self, speaker: LabNode, password: str) -> None:
        """Change it in the running router, for one neighbour."""
        self._passwords[speaker.name] = password
        if self._kind == "frr":
            neighbour = f"neighbor {speaker.addresses[0]} password {password}"
            self.router.configure([f"router bgp {self.lan.switch_asn}", neighbour])
        else:
            self.router.configure(self._text().splitlines())

    def _new_router(self, layout: Layout, processes: Processes) -> Router:
        router = Frr if self._kind == "frr" else Bird
        return router(self.lan.switch, self.lan.netns, layout.router_dir(self.lan.switch), processes, self._text())

    def _text(self) -> str:
        site = frr_site if self._kind == "frr" else bird_site
        return site(self.lan) + fill_in(render(self.side, self._kind), self.side.password, self._passwords.values())


class Fabric:
    """Switches and core."""

    def __init__(
        self, layout: Layout, kind: Kind, speakers: Sequence[LabNode], processes: Processes, password: str
    ) -> None:
        lans = sorted({node.lan for node in speakers}, key=lambda lan: lan.number)
        self.switches = [
            Switch(lan, [node for node in speakers if node.lan == lan], kind, layout, processes, password)
            for lan in lans
        ]
        self.core = Frr(CORE, layout.netns(CORE), layout.router_dir(CORE), processes, core_config(lans))

    @property
    def routers(self) -> list[Router]:
        """The core last: it dials when the others listen."""
        return [*(switch.router for switch in self.switches), self.core]

    def start(self) -> None:
        """Raises LabError if a router does not come up, or they do not tell each other of the LANs."""
        for router in self.routers:
            router.start()
        for router in self.routers:
            router.wait_ready()
        deadline = time.monotonic() + TIMEOUT
        while missing := list(self._missing()):
            if time.monotonic() > deadline:
                raise LabError(f"after {TIMEOUT:.0f} s {'; '.join(missing)}")
            time.sleep(POLL)

    def stop(self) -> None:
        for router in reversed(self.routers):
            router.stop()

    def _missing(self) -> Iterator[str]:
        """What is not forwarded yet on the way from one LAN to another."""
        for switch in self.switches:
            for router in self.routers:
                if router is not switch.router:
                    prefix = switch.lan.prefixes[1]
                    if prefix not in router.kernel_routes(6):
                        yield f"{router.name} has no route to {prefix}"


def switch_side(lan: Lan, speakers: Sequence[LabNode]) -> SwitchSide:
    """What `switch-config` would be told of this LAN."""
    return SwitchSide(
        name=lan.peer,
        switch_asn=lan.switch_asn,
        switch_address=Address.parse(lan.gateways[0]),
        speaker_asn=lan.asn,
        speakers=tuple((node.name, Address.parse(node.addresses[0])) for node in speakers),
        prefixes=tuple(map(Prefix.parse, POD_RANGES)),
        secret=f"{SECRET}/{KEY}" if lan.has_password else "",
        longest=POD_CIDR_LENGTHS,
    )


def fill_in(text: str, placeholder: str, passwords: Iterable[str]) -> str:
    """Put a password in the place of each placeholder, in the order of the speakers."""
    for password in passwords:
        text = text.replace(placeholder, password, 1)
    return text


def frr_site(lan: Lan) -> str:
    core4, core6 = lan.link_to_core(1)
    return f"""\
hostname {lan.switch}
router bgp {lan.switch_asn}
 bgp router-id {lan.gateways[0]}
 no bgp ebgp-requires-policy
 neighbor {core4} remote-as {CORE_ASN}
 neighbor {core6} remote-as {CORE_ASN}
 address-family ipv4 unicast
  no neighbor {core6} activate
 exit-address-family
 address-family ipv6 unicast
  network {lan.prefixes[1]}
  neighbor {core6} activate
 exit-address-family
exit
"""


def bird_site(lan: Lan) -> str:
    sessions = "".join(
        f"""\
protocol bgp core{version} {{
  local {here} as {lan.switch_asn};
  neighbor {there} as {CORE_ASN};
  connect delay time 1;
  error wait time 1, 5;
  ipv{version} {{ import all; export where source ~ [ {sources} ]; }};
}}
"""
        for version, here, there, sources in zip(
            (4, 6), lan.link_to_core(2), lan.link_to_core(1), ("RTS_BGP", "RTS_BGP, RTS_DEVICE"), strict=True
        )
    )
    return f"""\
router id {lan.gateways[0]};
protocol device {{}}
protocol direct {{ ipv4; ipv6; interface "{BRIDGE}"; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; }}
{sessions}"""


def core_config(lans: Sequence[Lan]) -> str:
    def lines(family: int, text: str) -> str:
        return "".join(f" {text.format(lan.link_to_core(2)[family], lan.switch_asn)}\n" for lan in lans)

    return f"""\
hostname {CORE}
router bgp {CORE_ASN}
 bgp router-id {lans[0].link_to_core(1)[0]}
 no bgp ebgp-requires-policy
{lines(0, "neighbor {} remote-as {}")}{lines(1, "neighbor {} remote-as {}")}\
 address-family ipv4 unicast
{lines(1, " no neighbor {} activate")}\
 exit-address-family
 address-family ipv6 unicast
{lines(1, " neighbor {} activate")}\
 exit-address-family
"""
