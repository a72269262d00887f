"""Who dials whom: every way leads to one session that stays."""

from __future__ import annotations

import pytest

from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from tests.interop import places
from tests.interop.stage import REBORN, Stage, as_one, pod_routes, spec_of, wait_for_routes, wait_for_stale
from tests.interop.switches import BIRD_SITE, DIALLING, Extra, Kind, clear
from tests.interop.waiting import throughout, until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]
DEAF = 1790
"""A port of the switch where nobody listens: only the switch can dial."""

FRR_DYNAMIC = f"""\
router bgp 65001
 bgp router-id {PEER}
 no bgp ebgp-requires-policy
 bgp graceful-restart stalepath-time 600
 neighbor NODES peer-group
 neighbor NODES remote-as 65010
 neighbor NODES password s3cret
 neighbor NODES graceful-restart-helper
 bgp listen range {places.LAN[0]} peer-group NODES
 address-family ipv4 unicast
  neighbor NODES activate
 exit-address-family
 address-family ipv6 unicast
  neighbor NODES activate
 exit-address-family
"""
BIRD_DYNAMIC = f"""\
{BIRD_SITE.format(router_id=PEER)}\
protocol bgp nodes {{
  local {PEER} as 65001;
  neighbor range {places.LAN[0]} as 65010;
  direct;
  password "s3cret";
  graceful restart aware;
  ipv4 {{ import all; export none; }};
  ipv6 {{ import all; export none; }};
}}
"""


def connections(stage: Stage) -> list[str]:
    """The BGP connections of the first node."""
    command = ["ss", "-Htn", "state", "established", "( sport = :179 or dport = :179 )"]
    return stage.site.processes.must(command, netns=stage.site.nodes[1]).splitlines()


def test_s31_a_switch_that_only_waits(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    waiting = Extra(frr=(f"neighbor {SPEAKER} passive",), bird=("passive on",))
    switch, speaker = stage.switch(kind, spec, extra=waiting), stage.announce(Wish(spec, pod_routes()), listen_port=179)
    wait_for_routes(switch, pod_routes())
    assert len(speaker.edges()) == 1


def test_s31_a_switch_with_a_range_instead_of_neighbours(stage: Stage, kind: Kind) -> None:
    specs = [spec_of(index, password=Secret(b"s3cret")) for index in (1, 2)]
    switch = stage.router(kind, FRR_DYNAMIC if kind == "frr" else BIRD_DYNAMIC)
    first, second = (stage.announce(Wish(spec, pod_routes()), index=index) for index, spec in enumerate(specs, 1))
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both are known")
    second.leave()
    wait_for_routes(switch, pod_routes())
    first.kill()
    wait_for_stale(switch, pod_routes())
    stage.announce(Wish(specs[0], pod_routes(), rebirth=REBORN))
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    wait_for_routes(switch, pod_routes())


@pytest.mark.slow
@pytest.mark.parametrize("password", [None, b"s3cret"], ids=["plain", "signed"])
def test_s31_a_switch_that_dials(stage: Stage, kind: Kind, password: bytes | None) -> None:
    spec = spec_of(port=DEAF, password=Secret(password) if password else None)
    switch = stage.switch(kind, spec, extra=DIALLING)
    speaker = stage.announce(Wish(spec, pod_routes()), listen_port=179)
    wait_for_routes(switch, pod_routes())
    speaker.kill()
    wait_for_stale(switch, pod_routes())
    again = stage.announce(Wish(spec, pod_routes(), rebirth=REBORN), listen_port=179)
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    wait_for_routes(switch, pod_routes())
    assert again.state(PEER).flaps == 0


def test_s31_a_switch_that_dials_over_ipv6(stage: Stage, kind: Kind) -> None:
    spec = spec_of(peer=places.SWITCH[1], port=DEAF, password=Secret(b"s3cret"))
    dialling = Extra(
        frr=(f"neighbor {places.node(1)[1]} timers connect 1",), bird=("connect delay time 1", "connect retry time 1")
    )
    switch = stage.switch(kind, spec, extra=dialling)
    stage.announce(Wish(spec, pod_routes()), listen_port=179)
    wait_for_routes(switch, pod_routes())


@pytest.mark.slow
@pytest.mark.parametrize("router_id", [places.SWITCH[0], places.NOBODY], ids=["ours-is-higher", "theirs-is-higher"])
def test_s31_both_dial(stage: Stage, kind: Kind, router_id: str) -> None:
    spec = spec_of()
    switch = stage.switch(kind, spec, extra=DIALLING, router_id=router_id)
    speaker = stage.announce(Wish(spec, pod_routes()), listen_port=179, longest_pause=0.9)
    for _ in range(2):
        before = speaker.state(PEER).flaps
        clear(switch, SPEAKER)
        until(lambda: speaker.state(PEER).flaps > before, "the session ends")  # noqa: B023
        speaker.wait_settled()
        until(lambda: switch.sessions() == {SPEAKER: "Established"}, lambda: str(switch.sessions()))
    flaps = speaker.state(PEER).flaps
    throughout(1, lambda: speaker.state(PEER).flaps == flaps, "the session stays")
    until(lambda: len(connections(stage)) == 1, lambda: f"one connection: {connections(stage)}")
    wait_for_routes(switch, pod_routes())
    assert switch.sessions() == {SPEAKER: "Established"}, as_one(switch)
