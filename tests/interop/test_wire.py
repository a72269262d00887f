"""What the speaker says in which order, message by message."""

from __future__ import annotations

import pytest

from terway_edge.backends.bgp.messages import (
    Capabilities,
    Family,
    GracefulRestart,
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
)
from terway_edge.backends.bgp.peer_spec import Rebirth
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from tests.interop import places
from tests.interop.scripted import BOTH, PLAIN, open_of
from tests.interop.stage import REBORN, Stage, many_routes, merged, pod_routes, spec_of
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]


def restart_of(message: Open) -> GracefulRestart | None:
    return message.capabilities.graceful_restart


@pytest.mark.parametrize(
    ("rebirth", "expected"),
    [
        (Rebirth(), GracefulRestart(600, BOTH, BOTH, notification=True)),
        (REBORN, GracefulRestart(600, BOTH, BOTH, restarting=True, notification=True)),
        (
            Rebirth(restarting=True, forwarding=False),
            GracefulRestart(600, BOTH, (), restarting=True, notification=True),
        ),
        (Rebirth(restarting=True, is_farewell=True), None),
    ],
    ids=["first", "restart", "reboot", "farewell"],
)
def test_s30_the_open(stage: Stage, rebirth: Rebirth, expected: GracefulRestart | None) -> None:
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes(), rebirth=rebirth))
    ours = peer.accept().establish()
    assert restart_of(ours) == expected
    assert (ours.asn, ours.hold_time, ours.capabilities.four_octet_asn) == (65010, 90, 65010)


@pytest.mark.parametrize("rebirth", [Rebirth(), REBORN], ids=["first", "restart"])
def test_s29_the_end_of_rib_comes_once_for_each_family_and_behind_the_full_set(stage: Stage, rebirth: Rebirth) -> None:
    routes = merged(pod_routes(), many_routes(100))
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), routes, rebirth=rebirth))
    connection = peer.accept()
    connection.establish()
    updates = connection.full_set()
    assert [update.end_of_rib for update in updates[-2:]] == [Family.IPV4, Family.IPV6]
    announcements = updates[:-2]
    assert not any(update.withdrawn or update.end_of_rib for update in announcements)
    told = [prefix for update in announcements for prefix in update.announced]
    assert sorted(told) == sorted(prefix for table in routes.values() for prefix in table)
    assert len(announcements) == 2 * len(places.NODES)  # one for each next hop
    speaker.want(Wish(spec_of(), pod_routes()))
    withdrawals = connection.receive_until(lambda message: isinstance(message, Update))
    assert not any(isinstance(message, Update) and message.end_of_rib for message in withdrawals)


def test_s29_a_peer_without_graceful_restart_needs_no_end_of_rib(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.accept()
    connection.establish(open_of(PLAIN))
    speaker.wait_settled()
    speaker.kill()
    assert not any(isinstance(message, Update) and message.end_of_rib for message in connection.rest())


def test_s29_an_upgrade_says_nothing_at_the_end(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.session()
    speaker.close()
    assert connection.rest() == []


@pytest.mark.parametrize("has_notification", [True, False], ids=["N", "without-N"])
def test_s24_a_decommissioned_speaker_withdraws_and_then_says_so(stage: Stage, has_notification: bool) -> None:
    agreeing = Capabilities(BOTH, 65001, graceful_restart=GracefulRestart(120, BOTH, notification=has_notification))
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.accept()
    connection.establish(open_of(agreeing))
    connection.full_set()
    speaker.want()
    *updates, last = connection.rest()
    withdrawn = {prefix for update in updates if isinstance(update, Update) for prefix in update.withdrawn}
    assert withdrawn == {prefix for table in pod_routes().values() for prefix in table}
    assert last == (Notification(6, 9, bytes((6, 3))) if has_notification else Notification(6, 3))


@pytest.mark.parametrize("theirs", [places.SWITCH[0], places.NOBODY], ids=["ours-is-higher", "theirs-is-higher"])
def test_s31_of_two_connections_that_of_the_higher_router_id_is_kept(stage: Stage, theirs: str) -> None:
    peer, speaker = stage.scripted(), stage.speaker(listen_port=179)
    speaker.want(Wish(spec_of(), pod_routes()))
    dialled_by_speaker = peer.accept()
    dialled_by_us = peer.dial(SPEAKER)
    for connection in (dialled_by_speaker, dialled_by_us):
        connection.send(open_of(router_id=theirs))
    lost, kept = dialled_by_us, dialled_by_speaker
    if theirs == places.NOBODY:
        lost, kept = kept, lost
    assert lost.rest()[-1] == Notification(6, 7)
    kept.receive_until(lambda message: message == Keepalive())
    kept.send(Keepalive())
    kept.full_set()
    assert speaker.state(PEER).flaps == 0
    assert [edge.reason for edge in speaker.edges()] == [""]


def test_t46_a_second_connection_beside_a_new_session_is_refused(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker(listen_port=179)
    speaker.want(Wish(spec_of(), pod_routes()))
    first = peer.accept()
    first.establish()
    first.full_set()
    second = peer.dial(SPEAKER)
    second.send(open_of())
    assert second.rest()[-1] == Notification(6, 7)
    first.send(Keepalive())
    assert speaker.state(PEER).state == "Established"
    assert speaker.state(PEER).flaps == 0


def test_t46_a_stranger_is_refused_and_mentioned_once(stage: Stage) -> None:
    speaker = stage.speaker(listen_port=179)
    speaker.want(Wish(spec_of(peer=places.SECOND_SWITCH[0]), pod_routes()))
    until(speaker.states, "the speaker has begun")
    peer = stage.scripted()
    for _ in range(3):
        assert peer.dial(SPEAKER).rest() == []
    warnings = [line for line in speaker.log.read_text().splitlines() if "refused a connection" in line]
    assert warnings == [f"WARNING refused a connection of {PEER}, which is no peer of this node"]


def test_t46_a_peer_with_a_password_cannot_connect_without(stage: Stage) -> None:
    spec = spec_of(password=Secret(b"s3cret"))
    speaker = stage.speaker(listen_port=179)
    speaker.want(Wish(spec, pod_routes()))
    until(speaker.states, "the speaker has begun")
    peer = stage.scripted()
    with pytest.raises(TimeoutError):
        peer.dial(SPEAKER, timeout=1.5)


def test_s38_every_request_is_answered_with_its_family_and_no_other(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.session()
    for family in (Family.IPV6, Family.IPV4):
        connection.send(RouteRefresh(family))
        told: set[object] = set()
        while told != set(pod_routes()[family]):
            message = connection.receive()
            assert isinstance(message, Update)
            assert not message.withdrawn
            assert not message.end_of_rib
            told |= set(message.announced)
    assert speaker.state(PEER).flaps == 0
