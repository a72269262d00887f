"""Wishes change while sessions live: only what is concerned is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.messages import Capabilities
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from terway_edge.lab.routers import Router
from tests.interop import places
from tests.interop.rib import hold_time
from tests.interop.scripted import BOTH, open_of
from tests.interop.speakers import SpeakerProcess
from tests.interop.stage import Stage, knows, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import Kind, Setup
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER, OTHER, SPEAKER = places.SWITCH[0], places.SECOND_SWITCH[0], places.node(1)[0]
OLD, NEW = Secret(b"old"), Secret(b"n" * 80)


class Two:
    """A speaker with a session that is changed, and another one that must not notice."""

    def __init__(self, stage: Stage, kind: Kind, spec: PeerSpec) -> None:
        self.spec, self.other = spec, spec_of(peer=OTHER, peer_asn=65002)
        self.switch = stage.switch(kind, spec)
        netns = stage.site.second_switch
        self.other_switch = stage.switch("frr", self.other, netns=netns, router_id=OTHER)
        self.speaker = stage.announce(Wish(spec, pod_routes()), Wish(self.other, pod_routes()))

    def want(self, *specs: PeerSpec) -> None:
        self.speaker.want(Wish(self.other, pod_routes()), *(Wish(spec, pod_routes()) for spec in specs))

    def check_other(self) -> None:
        """It lived on, and knows all."""
        assert [edge.reason for edge in self.speaker.edges(OTHER)] == [""]
        assert self.speaker.state(OTHER).flaps == 0
        assert knows(self.other_switch, pod_routes())


def reconfigure(switch: Router, kind: Kind, spec: PeerSpec, *frr: str) -> None:
    """Have the switch agree with `spec`; FRR is told by these lines."""
    if kind == "frr":
        switch.configure([f"router bgp {spec.peer_asn}", *frr])
    else:
        switch.configure(Setup((spec,)).text(kind).splitlines())


def wait_for_session(speaker: SpeakerProcess, after: int) -> None:
    """Until a session came up, as the last of more than so many edges."""
    until(lambda: len(speaker.edges(PEER)) > after and not speaker.edges(PEER)[-1].reason, "the session is up")
    speaker.wait_settled(PEER)


@pytest.mark.parametrize("first", ["switch", "speaker"])
def test_s28_a_password_is_changed_on_both_sides(stage: Stage, kind: Kind, first: str) -> None:
    spec = spec_of(password=OLD)
    two = Two(stage, kind, spec)
    stage.wait_for_kernel(pod_routes())
    monitor, pings = stage.monitor(), stage.pings(places.pod(3)[0])
    changed = replace(spec, password=NEW)
    if first == "speaker":
        two.want(changed)
        until(lambda: two.speaker.edges(PEER)[-1].reason, "the old session ends")
    reconfigure(two.switch, kind, changed, f"neighbor {SPEAKER} password {NEW.value.decode()}")
    two.want(changed)
    wait_for_session(two.speaker, 1)
    wait_for_routes(two.switch, pod_routes())
    lost = pings.end().lost
    if (kind, first) == ("frr", "speaker"):
        assert lost == 0
        assert monitor.deleted() == []
    # Else it is the switch that ends the session and forgets its routes: FRR if there is a session, BIRD always.
    two.check_other()


@pytest.mark.slow
def test_s28_a_password_is_changed_for_one_neighbour_after_the_other_and_nothing_is_lost(
    stage: Stage, kind: Kind
) -> None:
    olds = tuple(spec_of(index, password=OLD) for index in (1, 2))
    news = [replace(spec, password=NEW) for spec in olds]
    switch = stage.switch(kind, *olds)
    speakers = [stage.announce(Wish(spec, pod_routes()), index=index) for index, spec in enumerate(olds, 1)]
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both announced the same set")
    stage.wait_for_kernel(pod_routes())
    pings = [stage.pings(address) for address in places.pod(3)]
    for speaker, spec in zip(speakers, news, strict=True):
        speaker.want(Wish(spec, pod_routes()))  # the Secret is one for both
    until(lambda: switch.stale(4) and switch.stale(6), "the switch keeps what it knows")
    for number, (speaker, spec) in enumerate(zip(speakers, news, strict=True), 1):
        if kind == "frr":
            line = f"neighbor {spec.local_address} password {NEW.value.decode()}"
            switch.configure(["router bgp 65001", line])
        else:
            passwords = (NEW.value, NEW.value if number == 2 else OLD.value)
            switch.configure(Setup(olds, passwords=passwords).text(kind).splitlines())
        wait_for_session(speaker, 1)
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    for ping in pings:
        assert ping.end().lost == 0
    wait_for_routes(switch, pod_routes())


@pytest.mark.parametrize("first", ["switch", "speaker"])
def test_s28_a_session_lives_through_a_change_of_its_password(stage: Stage, first: str) -> None:
    """With a peer that does not keep routes; on both sides the connection is signed anew."""
    spec = spec_of(password=OLD)
    changed = replace(spec, password=NEW)
    peer, speaker = stage.scripted(), stage.speaker()
    peer.set_password(spec)
    speaker.want(Wish(spec))
    connection = peer.accept()
    connection.establish(open_of(Capabilities(BOTH, 65001, route_refresh=True)))
    speaker.wait_settled()
    if first == "switch":
        connection.set_password(changed)
    speaker.want(Wish(changed, pod_routes()))
    if first == "speaker":
        connection.set_password(changed)
    told = set()
    while len(told) < 6:
        message = connection.receive()
        told |= set(getattr(message, "announced", ()))
    assert speaker.state(PEER).flaps == 0
    assert len(speaker.edges()) == 1


def test_s24_a_peer_is_removed_and_added_again(stage: Stage, kind: Kind) -> None:
    two = Two(stage, kind, spec_of())
    two.want()
    until(lambda: two.speaker.edges(PEER)[-1].is_gone, "the speaker has left")
    until(lambda: not two.switch.paths(4) and not two.switch.paths(6), "no route is left")
    assert len(two.speaker.states()) == 1
    two.want(two.spec)
    wait_for_session(two.speaker, 2)
    wait_for_routes(two.switch, pod_routes())
    two.check_other()


def test_timers_are_changed(stage: Stage, kind: Kind) -> None:
    two = Two(stage, kind, spec_of())
    before = len(two.speaker.edges(PEER))
    two.want(replace(two.spec, hold_time=30, restart_time=300))
    wait_for_session(two.speaker, before)
    assert hold_time(two.switch, SPEAKER) == 30
    wait_for_routes(two.switch, pod_routes())
    two.check_other()


def test_a_change_that_concerns_no_session_touches_none(stage: Stage, kind: Kind) -> None:
    two = Two(stage, kind, spec_of())
    renamed = replace(two.spec, name="renamed", connect_retry=7.0)
    two.want(renamed)
    until(lambda: two.speaker.state(PEER).name == "renamed", "the speaker knows")
    two.want(renamed)
    assert [edge.reason for edge in two.speaker.edges(PEER)] == [""]
    two.check_other()


def test_the_as_of_the_speakers_is_changed(stage: Stage, kind: Kind) -> None:
    two = Two(stage, kind, spec_of())
    changed = replace(two.spec, local_asn=65020)
    two.want(changed)
    two.speaker.wait_failure("OpenBadPeerAS", PEER)
    reconfigure(two.switch, kind, changed, f"neighbor {SPEAKER} remote-as 65020")
    two.speaker.wait_settled(PEER)
    wait_for_routes(two.switch, pod_routes())
    two.check_other()
