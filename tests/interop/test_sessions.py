"""What a session with a real switch agrees on."""

from __future__ import annotations

import pytest

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from terway_edge.lab.frr import Frr
from tests.interop import places
from tests.interop.rib import best_path, hold_time, neighbour, updates_received
from tests.interop.stage import Stage, knows, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import DIALLING, Extra, Kind, ask_again
from tests.interop.waiting import throughout, until

pytestmark = pytest.mark.root

OVER = pytest.mark.parametrize("over", [4, 6], ids=["over-ipv4", "over-ipv6"])
SPEAKER = places.node(1)


@OVER
def test_s35_a_session_carries_both_families(stage: Stage, kind: Kind, over: int) -> None:
    spec = spec_of(peer=places.SWITCH[over == 6])
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    wait_for_routes(switch, pod_routes())
    stage.wait_for_kernel(pod_routes())
    assert switch.sessions() == {SPEAKER[over == 6]: "Established"}
    state = speaker.state(str(spec.address))
    assert state.families == ("IPV4", "IPV6")
    assert (state.four_octet, state.has_restart, state.has_notification) == (True, True, kind == "frr")


@OVER
@pytest.mark.parametrize("password", [b"s3cret", b"x" * 80], ids=["short", "80-octets"])
def test_t46_segments_are_signed(stage: Stage, kind: Kind, over: int, password: bytes) -> None:
    spec = spec_of(peer=places.SWITCH[over == 6], password=Secret(password))
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    wait_for_routes(switch, pod_routes())
    assert password.decode() not in speaker.log.read_text()


def test_s33_an_as_number_of_four_octets(stage: Stage, kind: Kind) -> None:
    spec = spec_of(local_asn=4200000010, peer_asn=4200000001)
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    assert [best_path(switch, prefix).as_path for prefix in places.pod_cidrs(3)] == [(4200000010,)] * 2


def test_s33_a_peer_without_capabilities_is_told_as_23456(stage: Stage) -> None:
    spec = spec_of(local_asn=4200000010)
    plain = Extra(frr=(f"neighbor {SPEAKER[0]} dont-capability-negotiate",))
    switch, speaker = stage.switch("frr", spec, extra=plain), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    state = speaker.state(places.SWITCH[0])
    assert (state.four_octet, state.families, state.has_restart) == (False, ("IPV4",), False)
    assert best_path(switch, places.pod_cidrs(3)[0]).as_path == (23456,)


@pytest.mark.parametrize("seconds", [pytest.param(3, marks=pytest.mark.slow), 9, 90, 0])
def test_t46_hold_time(stage: Stage, kind: Kind, seconds: int) -> None:
    """As we offer it; the switch would have a longer one."""
    spec = spec_of(hold_time=seconds)
    switch, speaker = stage.switch(kind, spec, changes=(("hold_time", None),)), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    assert speaker.state(places.SWITCH[0]).hold_time == seconds
    assert hold_time(switch, SPEAKER[0]) == seconds
    if seconds == 3:
        throughout(seconds + 1, lambda: len(speaker.edges()) == 1, "the session lives on")
    assert switch.sessions() == {SPEAKER[0]: "Established"}


def test_t46_the_shorter_hold_time_counts(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec, changes=(("hold_time", 9),)), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    assert speaker.state(places.SWITCH[0]).hold_time == hold_time(switch, SPEAKER[0]) == 9


def test_t46_ttl_security_on_both_sides(stage: Stage, kind: Kind) -> None:
    spec = spec_of(ttl_security=1)
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    assert switch.sessions() == {SPEAKER[0]: "Established"}


@pytest.mark.slow
def test_t46_a_peer_two_hops_away_has_no_session_with_ttl_security(stage: Stage, kind: Kind) -> None:
    spec = spec_of(ttl_security=1)
    # TTL 254: what has crossed a router.
    switch = stage.switch(kind, spec, changes=(("ttl_security", 0), ("multihop", 254)), extra=DIALLING)
    speaker = stage.speaker(listen_port=179)
    speaker.want(Wish(spec, pod_routes()))
    until(speaker.states, "the speaker has begun")
    throughout(2, lambda: speaker.states()[0].state != "Established", "no session, whoever dials")
    assert speaker.edges() == []
    assert not switch.routes(4)


def test_t46_the_same_router_id_in_another_as_is_no_obstacle(stage: Stage, kind: Kind) -> None:
    spec = spec_of()  # RFC 6286
    switch, speaker = stage.switch(kind, spec, router_id=SPEAKER[0]), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    assert switch.sessions() == {SPEAKER[0]: "Established"}


def test_t46_the_same_router_id_in_the_same_as_is_refused(stage: Stage, kind: Kind) -> None:
    spec = spec_of(local_asn=65001)
    stage.switch(kind, spec, router_id=SPEAKER[0])
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("OpenBadID")
    assert (edge.code, edge.subcode, edge.was_established) == (2, 3, False)
    assert "router id" in edge.message


def test_s38_a_peer_that_asks_again_is_told_everything_again(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    speaker.wait_settled()
    wait_for_routes(switch, pod_routes())
    before = updates_received(switch, SPEAKER[0])
    ask_again(switch, SPEAKER[0])
    until(lambda: updates_received(switch, SPEAKER[0]) >= before + 6, "every next hop is told again")
    assert len(speaker.edges()) == 1
    assert knows(switch, pod_routes())


def test_s30_both_ends_of_rib_arrive(stage: Stage) -> None:
    spec = spec_of()
    switch, speaker = stage.switch("frr", spec), stage.speaker()
    speaker.want(Wish(spec, {Family.IPV4: pod_routes()[Family.IPV4]}))  # a family without routes has its end, too
    speaker.wait_settled()
    assert isinstance(switch, Frr)
    restart = neighbour(switch, SPEAKER[0])["gracefulRestartInfo"]
    assert restart["endOfRibRecv"] == {"ipv4Unicast": True, "ipv6Unicast": True}
    assert (restart["rBit"], restart["nBit"], restart["timers"]["receivedRestartTimer"]) == (False, True, 600)
    assert [restart[name]["fBit"] for name in ("ipv4Unicast", "ipv6Unicast")] == [True, True]
