"""All that one test starts at the site, ended behind it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.wish import Routes, Wish
from terway_edge.core.addresses import Address, Prefix
from terway_edge.lab.processes import marked_processes, recorded_token
from terway_edge.lab.routers import Router
from tests.interop import places
from tests.interop.scripted import ScriptedPeer
from tests.interop.site import Site
from tests.interop.speaker_process import Options
from tests.interop.speakers import SpeakerProcess
from tests.interop.switches import Extra, Kind, Setup, start_switch
from tests.interop.traffic import Pings, RouteMonitor
from tests.interop.waiting import until

ASN, SWITCH_ASN = 65010, 65001
FIRST_OF_MANY = Address.parse("10.64.64.0")
REBORN = Rebirth(restarting=True)
"""What a speaker says after a restart."""


def spec_of(index: int = 1, peer: str = places.SWITCH[0], **changes: object) -> PeerSpec:
    """The session of a node with a switch, over the peer's family; retries are quick."""
    address = Address.parse(peer)
    v4, v6 = map(Address.parse, places.node(index))
    values: dict[str, object] = {
        "name": "lan",
        "address": address,
        "local_address": v4 if address.family == 4 else v6,
        "local_asn": ASN,
        "peer_asn": SWITCH_ASN,
        "router_id": v4.value,
        "connect_retry": 1.0,
    }
    return PeerSpec(**{**values, **changes})  # type: ignore[arg-type]


def pod_routes(*indexes: int) -> Routes:
    """The pod CIDRs of these nodes, each via its node; without indexes, of all."""
    return {
        family: {
            Prefix.parse(places.pod_cidrs(index)[column]): Address.parse(places.node(index)[column])
            for index in indexes or places.NODES
        }
        for column, family in enumerate((Family.IPV4, Family.IPV6))
    }


def many_routes(count: int, skip: int = 0) -> Routes:
    """So many prefixes of each family, beside the pod CIDRs of the nodes, via the nodes in turn."""
    routes: dict[Family, dict[Prefix, Address]] = {Family.IPV4: {}, Family.IPV6: {}}
    for number in range(skip, skip + count):
        hops = [Address.parse(text) for text in places.node(1 + number % len(places.NODES))]
        routes[Family.IPV4][Prefix(4, FIRST_OF_MANY.value + 4 * number, 30)] = hops[0]
        routes[Family.IPV6][Prefix.parse(f"fd00:64:0:{0x1000 + number:x}::/64")] = hops[1]
    return routes


def merged(*routes: Routes) -> Routes:
    return {family: {p: hop for table in routes for p, hop in table.get(family, {}).items()} for family in Family}


def as_texts(routes: Routes, family: Family) -> dict[str, tuple[str, ...]]:
    """As `Router.routes` has them."""
    return {str(prefix): (str(next_hop),) for prefix, next_hop in routes.get(family, {}).items()}


def knows(switch: Router, routes: Routes) -> bool:
    """True if the BGP table of the switch has exactly these, each via one next hop."""
    return all(switch.routes(family.version) == as_texts(routes, family) for family in Family)


def wait_for_routes(switch: Router, routes: Routes, timeout: float = 20.0) -> None:
    until(lambda: knows(switch, routes), lambda: f"exactly these are known: {as_one(switch)}", timeout)


def all_stale(switch: Router, routes: Routes) -> bool:
    return all(switch.stale(family.version) == as_texts(routes, family).keys() for family in Family)


def wait_for_stale(switch: Router, routes: Routes) -> None:
    """Until every route is kept from a lost session. BIRD marks none, but knows that the peer restarts."""
    until(lambda: all_stale(switch, routes), lambda: f"all stale: {as_one(switch)}")


def as_one(switch: Router) -> str:
    """Its BGP tables, cut short."""
    return str([switch.paths(family.version) for family in Family])[:500]


class Stage:
    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self._directory = directory
        self._names = 0
        self._ends: list[Callable[[], object]] = []

    # --- what takes part ------------------------------------------------------------------------------------------

    def switch(
        self, kind: Kind, *specs: PeerSpec, netns: str = "", extra: Extra | None = None, **more: object
    ) -> Router:
        """A router that agrees with these sessions, but for what `more` says of `Setup`."""
        setup = Setup(specs, extra=extra or Extra(), **more)  # type: ignore[arg-type]
        return self.router(kind, setup.text(kind), netns=netns)

    def router(self, kind: Kind, text: str, *, netns: str = "") -> Router:
        """A router with this configuration."""
        made = start_switch(kind, netns or self.site.switch, self._path(kind), self.site.processes, text)
        self._ends.append(made.stop)
        return made

    def speaker(self, index: int = 1, **options: object) -> SpeakerProcess:
        """A speaker on a node, which is still to be told what to do."""
        given: dict[str, object] = {"on_link": places.LAN, **options}
        token = recorded_token(self.site.layout)
        log = self._path("speaker.log")
        made = SpeakerProcess(self.site.nodes[index], log, token, Options(**given))  # type: ignore[arg-type]
        self._ends.append(made.kill)
        return made

    def announce(self, *wishes: Wish, index: int = 1, timeout: float = 20.0, **options: object) -> SpeakerProcess:
        """A speaker that has told its peers everything."""
        made = self.speaker(index, **options)
        made.want(*wishes)
        made.wait_settled(timeout=timeout)
        return made

    def scripted(self, address: str = places.SWITCH[0], receive_buffer: int = 0) -> ScriptedPeer:
        """A peer at an address of the switch."""
        made = ScriptedPeer(self.site.switch, address, receive_buffer)
        self._ends.append(made.close)
        return made

    # --- what is done to it ---------------------------------------------------------------------------------------

    def signal(self, router: Router, number: signal.Signals) -> None:
        """To the BGP daemon of a router."""
        for pid in marked_processes(recorded_token(self.site.layout)):
            is_bgp = Path(f"/proc/{pid}/comm").read_text().strip() in ("bgpd", "bird")
            if is_bgp and Path(f"/proc/{pid}/cwd").resolve() == router.directory.resolve():
                os.kill(pid, number)

    def mute(self, netns: str) -> None:
        """Nothing more leaves on the BGP connections that the namespace has now; new ones are not concerned."""
        command = ["ss", "-Htn", "state", "established", "( sport = :179 or dport = :179 )"]
        rules = ""
        for line in self.site.processes.must(command, netns=netns).splitlines():
            here, there = (end.rpartition(":")[2] for end in line.split()[2:4])
            rules += f"add rule inet muted out tcp sport {here} tcp dport {there} drop\n"
        assert rules, f"{netns} has no BGP connection"
        chain = "add chain inet muted out { type filter hook output priority 0; }"
        self.site.processes.must(["nft", "-f", "-"], netns=netns, stdin=f"add table inet muted\n{chain}\n{rules}")
        self._ends.append(lambda: self.site.processes.must(["nft", "delete", "table", "inet", "muted"], netns=netns))

    # --- what is looked at ----------------------------------------------------------------------------------------

    def pings(self, address: str) -> Pings:
        """From the host behind the switch."""
        return Pings(self.site.host, address, self._path("pings"), self.site.processes)

    def monitor(self) -> RouteMonitor:
        """Of the switch's kernel."""
        made = RouteMonitor(self.site.switch, self._path("monitor"), self.site.processes)
        self._ends.append(made.end)
        return made

    def kernel_routes(self, version: int, netns: str = "") -> dict[str, tuple[str, ...]]:
        """What a routing daemon wrote into the switch's kernel: prefix -> next hops, sorted; none if unreachable."""
        found: dict[str, tuple[str, ...]] = {}
        for daemon in ("bgp", "bird"):
            command = ["ip", "-j", f"-{version}", "route", "show", "proto", daemon]
            for route in json.loads(self.site.processes.must(command, netns=netns or self.site.switch) or "[]"):
                hops = route.get("nexthops", [route])
                prefix = route["dst"] if "/" in route["dst"] else f"{route['dst']}/{32 if version == 4 else 128}"
                found[prefix] = (*found.get(prefix, ()), *sorted(hop["gateway"] for hop in hops if "gateway" in hop))
        return found

    def wait_for_kernel(self, routes: Routes) -> None:
        """Until the switch's kernel forwards exactly these, each via one next hop."""

        def forwards() -> bool:
            return all(self.kernel_routes(family.version) == as_texts(routes, family) for family in Family)

        until(forwards, lambda: f"exactly these in the kernel: {self.kernel_routes(4)} {self.kernel_routes(6)}"[:500])

    def close(self) -> None:
        """Everything ends, whatever else fails; the first failure is raised."""
        failures = []
        while self._ends:
            try:
                self._ends.pop()()
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)
        if failures:
            raise failures[0]

    def _path(self, name: str) -> Path:
        self._names += 1
        return self._directory / f"{self._names}-{name}"
