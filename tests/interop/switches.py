"""The switch's side of a test: what `switch-config` says for the sessions, a little of the test's own, and the daemon.

FRR and BIRD do the same things by other words; what has no counterpart is left to the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.switch_config import SwitchSide, render
from terway_edge.lab.bird import Bird
from terway_edge.lab.frr import Frr
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Router
from tests.interop import places

Kind = Literal["frr", "bird"]
KINDS: tuple[Kind, ...] = ("frr", "bird")
SECRET = "bgp/password"

BIRD_SITE = """\
router id {router_id};
protocol device {{}}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; }}
"""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a test adds: `frr` are lines within "router bgp", `bird` lines within each protocol, `channel` lines within
    each of its channels; `site` is text of its own in the words of the kind."""

    frr: tuple[str, ...] = ()
    bird: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    site: str = ""


DIALLING = Extra(
    frr=(f"neighbor {places.node(1)[0]} timers connect 1",), bird=("connect delay time 1", "connect retry time 1")
)
"""The switch dials the first node, and soon."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A switch for these sessions, one BGPPeer each; it agrees with their specifications but for `changes`, which are
    of `SwitchSide`, and `passwords`, one for each session, empty for none."""

    specs: tuple[PeerSpec, ...]
    changes: tuple[tuple[str, Any], ...] = ()
    passwords: tuple[bytes, ...] = ()
    extra: Extra = Extra()
    router_id: str = places.SWITCH[0]

    def text(self, kind: Kind) -> str:
        rendered = "".join(self._rendered(number, spec, kind) for number, spec in enumerate(self.specs, 1))
        if kind == "frr":
            router = [f"router bgp {self._side(1, self.specs[0]).switch_asn}", f" bgp router-id {self.router_id}"]
            lines = "\n".join([*router, *(f" {line}" for line in self.extra.frr), "exit\n"])
            return f"{rendered}{lines}{self.extra.site}"
        return BIRD_SITE.format(router_id=self.router_id) + rendered + self.extra.site

    def _rendered(self, number: int, spec: PeerSpec, kind: Kind) -> str:
        side = self._side(number, spec)
        text = render(side, kind)
        if side.password:
            text = text.replace(side.password, self._password(number, spec).decode())
        if kind == "frr":
            return text
        lines = "".join(f"  {line};\n" for line in self.extra.bird)
        text = text.replace("  graceful restart", f"{lines}  graceful restart")
        return text.replace(
            " export none; };", "".join(f" {line};" for line in self.extra.channel) + " export none; };"
        )

    def _password(self, number: int, spec: PeerSpec) -> bytes:
        return self.passwords[number - 1] if self.passwords else spec.password.value if spec.password else b""

    def _side(self, number: int, spec: PeerSpec) -> SwitchSide:
        side = SwitchSide(
            name=f"peer{number}",
            switch_asn=spec.peer_asn,
            switch_address=spec.address,
            speaker_asn=spec.local_asn,
            speakers=((f"node-{number}", spec.local_address),),
            prefixes=places.PODS,
            secret=SECRET if self._password(number, spec) else "",
            restart_time=spec.restart_time,
            hold_time=spec.hold_time if spec.hold_time != 90 else None,
            ttl_security=spec.ttl_security,
            multihop=spec.multihop,
            families=spec.families,
            longest=places.POD_LENGTHS,
        )
        return replace(side, **dict(self.changes))


def start_switch(kind: Kind, netns: str, directory: Path, processes: Processes, text: str) -> Router:
    """With routes in the kernel."""
    router = (Frr if kind == "frr" else Bird)(netns, netns, directory, processes, text)
    router.start()
    router.wait_ready()
    return router


def protocol(router: Router, number: int = 1) -> str:
    """The name that `switch-config` gives a BGPPeer's only session in BIRD."""
    assert isinstance(router, Bird)
    return f"'peer{number}-1'"


def clear(router: Router, peer: str, number: int = 1) -> None:
    """Reset the session."""
    router.vty(f"clear bgp {peer}" if isinstance(router, Frr) else f"restart {protocol(router, number)}")


def shut_down(router: Router, peer: str, text: str, asn: int = 65001) -> None:
    """Disable the neighbour, with a word to it (RFC 9003)."""
    if isinstance(router, Frr):
        router.configure([f"router bgp {asn}", f"neighbor {peer} shutdown message {text}"])
    else:
        router.vty(f'disable {protocol(router)} "{text}"')


def enable(router: Router, peer: str, asn: int = 65001) -> None:
    if isinstance(router, Frr):
        router.configure([f"router bgp {asn}", f"no neighbor {peer} shutdown"])
    else:
        router.vty(f"enable {protocol(router)}")


def ask_again(router: Router, peer: str) -> None:
    """Have the router ask for everything again (RFC 2918)."""
    if isinstance(router, Frr):
        router.vty(f"clear bgp ipv4 unicast {peer} in")
        router.vty(f"clear bgp ipv6 unicast {peer} in")
    else:
        router.vty(f"reload in {protocol(router)}")


def daemon_log(router: Router) -> str:
    name = "bgpd.log" if isinstance(router, Frr) else "bird.log"
    return (router.directory / name).read_text()
