"""What keeps a session from coming up, or ends it, is called by its name; and mended, it is told, too."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest

from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from terway_edge.lab.frr import Frr
from tests.interop import places
from tests.interop.speaker_process import EdgeView
from tests.interop.speakers import SpeakerProcess
from tests.interop.stage import Stage, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import BIRD_SITE, Kind, Setup, clear, enable, shut_down
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]


def facts(edge: EdgeView) -> tuple[int, int, bool, bool]:
    return edge.code, edge.subcode, edge.received, edge.was_established


def wait_for_recovery(speaker: SpeakerProcess, timeout: float = 20.0) -> None:
    """Until the session is up, and that is the last that was told."""
    until(lambda: speaker.edges()[-1].reason == "", lambda: str(speaker.edges()[-1]), timeout)
    speaker.wait_settled()


def test_s27_the_switch_expects_another_as(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch = stage.switch(kind, spec, changes=(("speaker_asn", 65099),))
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("OpenBadPeerAS")
    assert facts(edge) == (2, 2, True, False)
    assert "does not expect AS 65010" in edge.message
    if kind == "frr":
        switch.configure(["router bgp 65001", f"neighbor {SPEAKER} remote-as 65010"])
    else:
        switch.configure(Setup((spec,)).text(kind).splitlines())
    wait_for_recovery(speaker)


def test_s27_the_switch_is_in_another_as(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    stage.switch(kind, spec, changes=(("switch_asn", 65055),))
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("OpenBadPeerAS")
    assert facts(edge) == (2, 2, False, False)
    assert "it is in AS 65055, not in peerAsNumber 65001" in edge.message
    speaker.want(Wish(replace(spec, peer_asn=65055), pod_routes()))
    wait_for_recovery(speaker)


@pytest.mark.slow
def test_s27_the_passwords_differ(stage: Stage, kind: Kind) -> None:
    """They are not the same; only this side has one; only the switch has one."""
    passwords = (b"s3cret", b"s3cret", None)
    specs = [spec_of(i, password=Secret(ours) if ours else None) for i, ours in enumerate(passwords, 1)]
    switch = stage.switch(kind, *specs, passwords=(b"other", b"", b"other"))
    speakers = [stage.speaker(index) for index in places.NODES]
    for speaker, spec in zip(speakers, specs, strict=True):
        speaker.want(Wish(spec, pod_routes()))
    for speaker, spec in zip(speakers, specs, strict=True):
        edge = speaker.wait_failure("AuthSuspected", timeout=8)
        assert facts(edge) == (0, 0, False, False)
        assert ("this side has no password" if spec.password is None else "of spec.authPassword") in edge.message
        assert b"s3cret".decode() not in edge.message
    if kind == "frr":
        right = [f"neighbor {places.node(index)[0]} password s3cret" for index in (1, 2)]
        switch.configure(["router bgp 65001", *right, f"no neighbor {places.node(3)[0]} password"])
    else:
        switch.configure(Setup(tuple(specs)).text(kind).splitlines())
    for speaker in speakers:
        wait_for_recovery(speaker, timeout=5)


def test_s27_nobody_listens_at_the_switch(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("ConnectRefused")
    assert facts(edge) == (0, 0, False, False)
    assert f"configure BGP there with neighbour {SPEAKER} in AS 65010" in edge.message
    stage.switch(kind, spec)
    wait_for_recovery(speaker, timeout=5)


@pytest.mark.slow
@pytest.mark.parametrize("peer", [places.NOBODY, "192.0.2.1"], ids=["no-neighbour", "no-route"])
def test_s27_nobody_has_the_address_of_the_switch(stage: Stage, peer: str) -> None:
    speaker = stage.speaker()
    speaker.want(Wish(spec_of(peer=peer), pod_routes()))
    edge = speaker.wait_failure("NoRouteToPeer", timeout=8)
    assert facts(edge) == (0, 0, False, False)
    assert peer in edge.message


def test_s27_the_node_has_lost_its_address(stage: Stage) -> None:
    speaker = stage.speaker()
    speaker.want(Wish(replace(spec_of(), local_address=places.address("198.18.0.77")), pod_routes()))
    assert "198.18.0.77" in speaker.wait_failure("LocalAddressMissing").message


def test_s27_the_switch_does_not_know_this_speaker(stage: Stage, kind: Kind) -> None:
    stage.switch(kind, spec_of(2))
    speaker = stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    until(lambda: any(edge.reason for edge in speaker.edges()), "a failure is told")
    edge = speaker.edges()[0]
    assert edge.reason in ("ConnectionClosed", "ConnectionReset", "CeaseRejected")
    assert not edge.was_established


def longest_pause(speaker: SpeakerProcess) -> float:
    """Seconds between two failures."""
    times = [edge.at for edge in speaker.edges() if edge.reason]
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


@pytest.mark.slow
def test_s27_the_session_is_shut_down_at_the_switch(stage: Stage, kind: Kind) -> None:
    spec = spec_of(connect_retry=2.0)
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, pod_routes()))
    shut_down(switch, SPEAKER, "maintenance until noon")
    edge = speaker.wait_failure("CeaseAdminShutdown")
    assert facts(edge) == (6, 2, True, True)
    assert edge.message == f'the session was shut down on {PEER}; enable it there ("maintenance until noon")'
    until(lambda: longest_pause(speaker) > 1.2, "pauses become longer than the first second", timeout=8)
    assert not any(edge.was_established for edge in speaker.edges()[2:])
    enable(switch, SPEAKER)
    wait_for_recovery(speaker)


def test_s27_the_session_is_reset_at_the_switch(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, pod_routes()))
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    clear(switch, SPEAKER)
    edge = speaker.wait_failure("CeaseAdminReset")
    assert facts(edge) == (6, 4, True, True)
    assert edge.at - before < 0.25
    wait_for_recovery(speaker)
    wait_for_routes(switch, pod_routes())
    assert [edge.reason for edge in speaker.edges()] == ["", "CeaseAdminReset", ""]


def test_s27_the_neighbour_is_removed_at_the_switch(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, pod_routes()))
    if isinstance(switch, Frr):
        switch.configure(["router bgp 65001", f"no neighbor {SPEAKER}"])
    else:
        switch.configure(BIRD_SITE.format(router_id=PEER).splitlines())
    edge = speaker.wait_failure("CeaseDeconfigured")
    assert facts(edge) == (6, 3, True, True)


def test_s27_the_switch_restarts(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, pod_routes()))
    switch.stop()
    until(lambda: len(speaker.edges()) > 1, "the end is told")
    edge = speaker.edges()[1]
    assert edge.was_established
    # FRR, which restarts gracefully, says nothing.
    assert (edge.reason, edge.received) == (
        ("ConnectionClosed", False) if kind == "frr" else ("CeaseAdminShutdown", True)
    )
    switch.start()
    switch.wait_ready()
    wait_for_recovery(speaker)
    wait_for_routes(switch, pod_routes())
