"""A request that gets no answer, or one that is right for a moment only, costs no other write and is not lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from threading import Event as Flag

import pytest

from terway_edge.cluster.api.writer import TRIES
from terway_edge.core.ports import Annotation, Event, StatusEntry
from tests.cluster.api.rig import Cluster
from tests.cluster.api.scripted import EVENTS, NODES, PEERS, SECRETS, Handler, Request, ScriptedApi, node, peer

UP = Event("Established", "BGPPeer/p", "up")
STATUS = StatusEntry("BGPPeer", "p", "n1", {"flaps": 1})
ON_NODE = Annotation("Node", "n1", "", "k", "v")
ON_POD = Annotation("Pod", "web", "default", "k", "10.0.0.1", "u1")
OFF_POD = ON_POD._replace(value=None)
POD = "/api/v1/namespaces/default/pods/web"


def is_status(request: Request) -> bool:
    return request.path == f"{PEERS}/p/status"


def is_on_node(request: Request) -> bool:
    return request.path == f"{NODES}/n1" and request.method == "PATCH"


def is_on_pod(request: Request) -> bool:
    return request.path == POD


def is_event(request: Request) -> bool:
    return request.path.startswith(EVENTS)


@pytest.fixture
def filled(api: ScriptedApi) -> ScriptedApi:
    api.put(NODES, node("n1"))
    api.put(PEERS, peer("p"))
    return api


@pytest.fixture
def hold() -> Iterator[Callable[[Handler], None]]:
    """Accepts a request and never answers it."""
    over = Flag()
    yield lambda handler: over.wait(30) and None
    over.set()


def refuse(code: int, reason: str) -> Callable[[Handler], None]:
    return lambda handler: handler.error(code, reason, "no")


def test_a_write_that_is_never_answered_holds_up_the_others_for_its_own_limit_only(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    source, _ = cluster.followed(write=0.3)
    filled.fail(is_status, hold, times=2)
    source.write_status(STATUS)
    filled.wait_for_requests(1, is_status)
    began = time.monotonic()
    source.write_annotation(ON_NODE)
    source.emit(UP)
    filled.wait_for_requests(1, is_on_node)
    filled.wait_for_requests(1, is_event)
    assert time.monotonic() - began < 2.0, "not 'request' seconds, nor after the stuck one"
    filled.wait_for_requests(3, is_status)


def test_looking_at_a_node_before_its_condition_is_written_takes_no_longer(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    source, _ = cluster.followed(write=0.3, request=30.0)
    filled.fail(lambda request: request.method == "GET" and request.path == f"{NODES}/n1", hold)
    source.write_status(StatusEntry("Node", "n1", "X", {"type": "X", "status": "True", "reason": "R", "message": "m"}))
    source.write_status(STATUS)
    filled.wait_for_requests(1, is_status)
    filled.wait_for_requests(1, lambda request: request.path == f"{NODES}/n1/status")


def test_an_object_whose_writes_are_never_answered_is_left_until_last(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    """An admission webhook that hangs, of which there is one for BGPPeers only: tried again, and behind the others."""
    source, _ = cluster.followed(write=0.2)
    filled.fail(is_status, hold, times=1000)
    source.write_status(STATUS)
    for number in range(3):
        filled.wait_for_requests(number + 1, is_status)
        source.write_annotation(ON_NODE._replace(value=str(number)))
        filled.wait_for_requests(number + 1, is_on_node)


def test_what_takes_the_server_too_long_holds_up_no_other(cluster: Cluster, filled: ScriptedApi) -> None:
    source, _ = cluster.followed(longest_pause=60.0, first_pause=60.0, rewrite=0.02)
    filled.fail(is_status, refuse(504, "Timeout"), times=2)
    source.write_status(STATUS)
    filled.wait_for_requests(1, is_status)
    source.write_annotation(ON_NODE)
    filled.wait_for_requests(1, is_on_node)
    filled.wait_for_requests(3, is_status)


def test_an_event_whose_answer_was_lost_is_not_told_twice(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    source, _ = cluster.followed(write=0.2)
    filled.fail(is_event, hold)
    filled.fail(is_event, refuse(409, "AlreadyExists"))
    source.emit(UP)
    first, second = filled.wait_for_requests(2, is_event)
    assert first.body["metadata"]["name"] == second.body["metadata"]["name"]
    source.emit(UP)
    third = filled.wait_for_requests(3, is_event)[2]
    assert (third.method, third.path) == ("PATCH", f"{EVENTS}/{first.body['metadata']['name']}")
    assert third.body["count"] == 2


def test_writes_go_on_as_soon_as_the_server_is_heard_of(cluster: Cluster, filled: ScriptedApi) -> None:
    """Whatever the pause has grown to while it was away."""
    filled.put(PEERS, peer("p", secret="s"))
    filled.put(SECRETS, {"metadata": {"name": "s"}, "data": {}})
    source, _ = cluster.followed(first_pause=30.0, poll=0.2)
    filled.fail(is_status, lambda handler: handler.connection.shutdown(socket.SHUT_RDWR))
    began = time.monotonic()
    source.write_status(STATUS)
    filled.wait_for_requests(2, is_status)
    assert time.monotonic() - began < 5.0


def test_a_server_that_has_too_much_to_do_is_left_alone_though_it_answers_others(
    cluster: Cluster, filled: ScriptedApi
) -> None:
    filled.put(PEERS, peer("p", secret="s"))
    filled.put(SECRETS, {"metadata": {"name": "s"}, "data": {}})
    source, _ = cluster.followed(poll=0.02)
    filled.fail(is_status, lambda handler: handler.error(429, "TooManyRequests", "wait", Retry_After="1"))
    source.write_status(STATUS)
    first, second = filled.wait_for_requests(2, is_status)
    assert second.at - first.at >= 1.0


def test_a_secret_that_is_never_answered_holds_up_news_for_its_own_limit_only(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    """Whoever decrypts Secrets for the API server hangs."""
    _, listener = cluster.followed(request=60.0, write=0.2)
    filled.fail(lambda request: request.path.startswith(SECRETS), hold, times=1000)
    filled.put(PEERS, peer("q", "n1", secret="s"))
    filled.wait_for_requests(1, lambda request: request.path.startswith(SECRETS))
    filled.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")


def test_writing_begins_though_a_listing_is_never_answered(
    cluster: Cluster, filled: ScriptedApi, hold: Callable[[Handler], None]
) -> None:
    filled.fail(lambda request: request.is_list and request.path == PEERS, hold)
    source = cluster.open(without_cache=0.2, with_cache=0.2, request=20.0)
    source.write_annotation(ON_NODE)
    filled.wait_for_requests(1, is_on_node)


@pytest.mark.parametrize(
    ("write", "is_it", "code", "reason"),
    [
        (ON_POD, is_on_pod, 404, "NotFound"),
        (ON_POD, is_on_pod, 409, "Conflict"),
        (ON_NODE, is_on_node, 409, "Conflict"),
        (STATUS, is_status, 409, "Conflict"),
    ],
)
def test_what_may_pass_is_tried_again(
    cluster: Cluster,
    filled: ScriptedApi,
    write: Annotation | StatusEntry,
    is_it: Callable[[Request], bool],
    code: int,
    reason: str,
) -> None:
    """A pod that an API server of several does not know yet; an object that several change at the same moment."""
    source, _ = cluster.followed()
    filled.fail(is_it, refuse(code, reason))
    source.write_status(write) if isinstance(write, StatusEntry) else source.write_annotation(write)
    filled.wait_for_requests(2, is_it)


@pytest.mark.parametrize(("write", "tries"), [(ON_POD, TRIES), (OFF_POD, 1)])
def test_a_pod_that_is_gone_is_given_up(cluster: Cluster, filled: ScriptedApi, write: Annotation, tries: int) -> None:
    source, _ = cluster.followed()
    filled.fail(is_on_pod, refuse(404, "NotFound"), times=1000)
    source.write_annotation(write)
    filled.wait_for_requests(tries, is_on_pod)
    for number in range(5):  # each takes as long as one more try would
        source.write_annotation(ON_NODE._replace(value=str(number)))
        filled.wait_for_requests(number + 1, is_on_node)
    assert filled.count(is_on_pod) == tries


def test_a_peer_that_is_made_anew_while_its_status_is_written_gets_it(cluster: Cluster, filled: ScriptedApi) -> None:
    """The answer for the old object comes after the news of the new one."""
    source, listener = cluster.followed()

    def late(handler: Handler) -> None:
        filled.delete(PEERS, "p")
        listener.until(lambda snapshot: snapshot.peers == ())
        filled.put(PEERS, peer("p"))
        listener.until(lambda snapshot: len(snapshot.peers) == 1)
        handler.error(404, "NotFound", "no p")

    filled.fail(is_status, late)
    source.write_status(STATUS)
    filled.wait_for_requests(2, is_status)
