"""Writes: in the end the API has what was wanted last, whatever stood in the way, and nothing waits for it."""

from __future__ import annotations

import logging
import time
from threading import Event as Flag

import pytest

from terway_edge.cluster.api.resources import PEER_VERSION
from terway_edge.core.ports import Annotation, Event, Severity, StatusEntry
from tests.cluster.api.rig import Cluster
from tests.cluster.api.scripted import EVENTS, NODES, PEERS, Request, ScriptedApi, node, peer

UP = Event("Established", "BGPPeer/p", "up")


def entry(flaps: int | None, name: str = "p") -> StatusEntry:
    return StatusEntry("BGPPeer", name, "n1", None if flaps is None else {"flaps": flaps})


def is_status(request: Request) -> bool:
    return request.path == f"{PEERS}/p/status"


def is_event(request: Request) -> bool:
    return request.path.startswith(EVENTS)


def flaps(request: Request) -> int | None:
    speakers = request.body["status"].get("speakers")
    return speakers[0]["flaps"] if speakers else None


@pytest.fixture
def filled(api: ScriptedApi) -> ScriptedApi:
    api.put(NODES, node("n1"))
    api.put(PEERS, peer("p"))
    return api


def test_writing_never_waits_and_offline_only_the_newest_state_is_kept(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()
    filled.stop()
    began = time.monotonic()
    for number in range(500):
        source.write_status(entry(number))
        source.emit(Event("FailedEstablish", "BGPPeer/p", "no route", Severity.WARNING))
    assert time.monotonic() - began < 1.0
    filled.start()
    filled.wait_for(lambda: filled.count(lambda r: is_status(r) and flaps(r) == 499))
    filled.wait_for(lambda: filled.count(lambda r: is_event(r) and r.body["count"] == 500))
    assert filled.count(is_status) + filled.count(is_event) <= 4, "one attempt may have been under way with less"


def test_writes_that_fail_are_made_again_until_they_are_there(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()
    for code in (429, 500, 503):
        filled.fail(is_status, lambda h, code=code: h.error(code, "Reason", "not now"), times=2)
    filled.fail(is_event, lambda handler: handler.error(503, "ServiceUnavailable", "not now"), times=2)
    source.write_status(entry(1))
    source.emit(UP)
    filled.wait_for(lambda: all(fault.times == 0 for fault in filled.faults))
    filled.wait_for_requests(7, is_status)
    filled.wait_for_requests(3, is_event)


def test_an_event_and_its_repeats_are_one_object(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()
    source.emit(UP)
    (first,) = filled.wait_for_requests(1, is_event)
    assert first.body["involvedObject"]["uid"] == filled.objects[PEERS]["p"].value["metadata"]["uid"]
    source.emit(UP)
    second = filled.wait_for_requests(2, is_event)[1]
    assert (second.method, second.path) == ("PATCH", f"{EVENTS}/{first.body['metadata']['name']}")
    assert second.body["count"] == 2
    assert second.headers["Content-Type"] == "application/merge-patch+json"


def test_an_event_that_the_server_forgot_is_made_again(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()
    source.emit(UP)
    filled.wait_for_requests(1, is_event)
    filled.fail(is_event, lambda handler: handler.error(404, "NotFound", "gone"))
    source.emit(UP)
    third = filled.wait_for_requests(3, is_event)[2]
    assert (third.method, third.body["count"]) == ("POST", 1)


def test_an_event_that_is_refused_holds_up_no_other(
    cluster: Cluster, filled: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    source, _ = cluster.followed()
    filled.fail(is_event, lambda handler: handler.error(422, "Invalid", "involvedObject.namespace"))
    source.emit(UP)
    source.emit(Event("Other", "n1", "m"))
    filled.wait_for(lambda: filled.count(lambda r: is_event(r) and r.body["reason"] == "Other"))
    assert "event Established about BGPPeer/p was refused: 422" in caplog.text


@pytest.mark.parametrize("code", [400, 404, 422])
def test_what_never_can_be_written_is_not_tried_for_ever(cluster: Cluster, filled: ScriptedApi, code: int) -> None:
    source, _ = cluster.followed()
    filled.fail(is_status, lambda handler: handler.error(code, "Reason", "no"), times=1000)
    source.write_status(entry(1))
    filled.wait_for_requests(1, is_status)
    source.write_annotation(Annotation("Node", "n1", "", "k", "v"))
    filled.wait_for_requests(1, lambda request: request.path == f"{NODES}/n1" and request.method == "PATCH")
    assert filled.count(is_status) == 1


def test_a_peer_that_is_made_anew_gets_its_status_again(cluster: Cluster, filled: ScriptedApi) -> None:
    source, listener = cluster.followed()
    source.write_status(entry(1))
    filled.wait_for_requests(1, is_status)
    filled.delete(PEERS, "p")
    listener.until(lambda snapshot: snapshot.peers == ())
    filled.put(PEERS, peer("p"))
    filled.wait_for_requests(2, is_status)
    filled.put(PEERS, peer("p", "n1", "n2"))
    listener.until(lambda snapshot: len(snapshot.peers) == 1 and len(snapshot.peers[0].spec.local_speakers) == 2)
    assert filled.count(is_status) == 2, "a change of the same object is no reason"


def test_what_a_proxy_only_claimed_to_have_written_is_written_after_the_next_listing(
    cluster: Cluster, filled: ScriptedApi
) -> None:
    """A node-local cache may answer patches while the API is away, and drop them."""
    source, _ = cluster.followed()
    source.write_status(entry(1))
    filled.wait_for_requests(1, is_status)
    filled.wait_for_requests(1, lambda request: request.path == PEERS and request.is_watch)
    filled.expire()
    filled.drop_connections()
    assert flaps(filled.wait_for_requests(2, is_status)[1]) == 1


def test_a_missing_right_is_told_tried_again_and_forgotten_once_it_is_granted(
    cluster: Cluster, filled: ScriptedApi
) -> None:
    source, listener = cluster.followed()
    fault = filled.fail(is_status, lambda h: h.error(403, "Forbidden", "cannot patch"), times=1000)
    source.write_status(entry(1))
    filled.wait_for_requests(2, is_status)
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert "does not let the agent patch bgppeers.network.openyurt.io/status" in snapshot.problems[0].message
    fault.times = 0
    listener.until(lambda snapshot: snapshot.problems == ())


def test_a_condition_keeps_its_transition_time_and_is_not_written_twice(cluster: Cluster, filled: ScriptedApi) -> None:
    known = node("n1")
    known["status"]["conditions"] = [
        {"type": "Ready", "status": "True"},
        {"type": "X", "status": "True", "reason": "Old", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]
    filled.put(NODES, known)
    source, _ = cluster.followed()
    value = {"type": "X", "status": "True", "reason": "New", "message": "m"}
    source.write_status(StatusEntry("Node", "n1", "X", value))
    source.write_status(StatusEntry("Node", "n1", "Y", None))
    source.write_annotation(Annotation("Node", "n1", "", "last", "1"))
    filled.wait_for(lambda: any(request.path == f"{NODES}/n1" for request in filled.written))
    (patch, _) = filled.written
    (condition,) = patch.body["status"]["conditions"]
    assert (condition["reason"], condition["lastTransitionTime"]) == ("New", "2026-01-01T00:00:00Z")


def test_a_condition_of_others_may_have_no_times(cluster: Cluster, filled: ScriptedApi) -> None:
    """A meta/v1 Time that nobody set is null on the wire."""
    odd = {"type": "Odd", "status": "True", "lastHeartbeatTime": None, "lastTransitionTime": None}
    filled.put(NODES, {**node("n1"), "status": {"conditions": [odd]}})
    source, _ = cluster.followed()
    source.write_status(StatusEntry("Node", "n1", "NetworkUnavailable", {"status": "False", "reason": "R"}))
    (patch,) = filled.wait_for_requests(1, lambda r: r.path == f"{NODES}/n1/status")
    assert patch.body["status"]["conditions"][0]["type"] == "NetworkUnavailable"


def test_a_pods_annotation_is_for_that_pod_only(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()
    source.write_annotation(Annotation("Pod", "web-0", "shop", "k", "10.0.0.1", "uid-1"))
    filled.wait_for(lambda: filled.written)
    request = filled.written[0]
    assert request.path == "/api/v1/namespaces/shop/pods/web-0"
    assert request.body == {"metadata": {"annotations": {"k": "10.0.0.1"}, "uid": "uid-1"}}


def test_what_has_no_place_in_the_api_is_logged_and_left(
    cluster: Cluster, filled: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    source, _ = cluster.followed()
    with caplog.at_level(logging.ERROR):
        source.write_status(StatusEntry("Deployment", "d", "n1", {}))
        source.write_status(entry(1))
        filled.wait_for_requests(1, is_status)
    assert "status of a Deployment cannot be written" in caplog.text


def test_the_last_writes_are_made_at_the_end(cluster: Cluster, filled: ScriptedApi) -> None:
    """As at an uninstallation: what is left behind would stay for ever."""
    source = cluster.open()
    source.write_status(entry(None))
    source.close()
    (request,) = filled.written
    assert request.body == {"apiVersion": PEER_VERSION, "kind": "BGPPeer", "metadata": {"name": "p"}}


def test_the_end_waits_for_no_server_that_is_away(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed()

    ended = Flag()
    filled.fail(is_status, lambda handler: ended.wait(30))
    source.write_status(entry(1))
    filled.wait_for_requests(1, is_status)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < cluster.timing.flush + 2.0
    ended.set()
    source.emit(UP)
    source.write_status(entry(2))
    assert filled.count(is_event) == 0, "the end is the end"
