"""The traps of the client library (kubernetes 37.0.2) and of API servers, each sprung on purpose.

Numbers are those of a list that was made by experiment; what the library does by itself is in the docstrings.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

import pytest

from terway_edge.core.ports import Annotation, Event, StatusEntry
from tests.cluster.api.rig import Cluster, write_kubeconfig
from tests.cluster.api.scripted import (
    DEADLINE,
    EVENTS,
    NODES,
    PEERS,
    Handler,
    Request,
    ScriptedApi,
    bookmark,
    node,
    peer,
    status,
)

SLACK = 0.05  # seconds by which the server may have noticed the first request late


def lists_nodes(request: Request) -> bool:
    return request.path == NODES and request.is_list


def watches_nodes(request: Request) -> bool:
    return request.path == NODES and request.is_watch


def test_trap_01_a_server_that_is_down_is_asked_ever_more_rarely(cluster: Cluster, api: ScriptedApi) -> None:
    """SharedInformer asks 750 times a second, and logs a traceback each time."""
    api.fail(lists_nodes, lambda handler: handler.error(500, "InternalError", "etcd is away"), times=6)
    source = cluster.open(first_pause=0.04, longest_pause=0.16)
    source.load()
    asked = [request.at for request in api.wait_for_requests(7, lists_nodes)]
    assert asked[-1] - asked[0] >= 0.8 * (0.04 + 0.08 + 4 * 0.16) - SLACK


def test_trap_02_a_watch_that_ended_goes_on_where_it_was(cluster: Cluster, api: ScriptedApi) -> None:
    """Watch.stream(deserialize=False) begins at the same version for ever, and tells everything again."""
    other = node("n2", 2)
    other["metadata"] |= {"uid": "u2", "resourceVersion": "4711"}
    api.put(NODES, node("n1"))
    api.fail(watches_nodes, lambda handler: handler.stream([{"type": "ADDED", "object": other}]))
    _, listener = cluster.followed()
    listener.until_nodes("n1", "n2")
    first, second = api.wait_for_requests(2, watches_nodes)[:2]
    assert (first.query["resourceVersion"], second.query["resourceVersion"]) == ("101", "4711")
    assert api.count(lists_nodes) == 1


@pytest.mark.parametrize("after", ["nothing", "headers", "half a line"])
def test_trap_03_a_connection_that_is_silent_is_left(cluster: Cluster, api: ScriptedApi, after: str) -> None:
    """Without a read timeout the library waits for ever; the server's timeoutSeconds does not help."""
    released = Flag()

    def be_silent(handler: Handler) -> None:
        if after != "nothing":
            handler.begin_stream()
        if after == "half a line":
            handler.chunk(b'{"type":"ADDED","obj')
        released.wait(30)

    api.put(NODES, node("n1"))
    api.fail(watches_nodes, be_silent)
    _, listener = cluster.followed(idle=0.15)
    api.wait_for_requests(2, watches_nodes)
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    assert api.count(lists_nodes) == 1
    released.set()


def test_trap_04_a_watch_may_take_longer_than_any_request(cluster: Cluster, api: ScriptedApi) -> None:
    """The library's _request_timeout is that of a whole request, 300 s unless told otherwise."""
    told = Flag()

    def be_slow(handler: Handler) -> None:
        handler.begin_stream()
        for version in range(200, 230):
            handler.line(bookmark(version))
            told.wait(0.02)
        told.set()
        handler.watch_on(230)

    api.fail(watches_nodes, be_slow)
    cluster.followed(request=0.2, idle=5.0)
    assert told.wait(DEADLINE)
    assert api.count(watches_nodes) == 1


def test_trap_05_a_bookmark_moves_a_watch_on_and_is_no_object(cluster: Cluster, api: ScriptedApi) -> None:
    """It has only a resourceVersion: whoever reads its name dies."""
    api.put(NODES, node("n1"))
    api.fail(watches_nodes, lambda handler: handler.stream([bookmark(4711)]))
    _, listener = cluster.followed()
    api.wait_for(lambda: api.count(lambda r: watches_nodes(r) and r.query["resourceVersion"] == "4711"))
    assert listener.last is not None
    assert [each.name for each in listener.last.nodes] == ["n1"]
    assert api.count(lists_nodes) == 1


def test_trap_05_bookmarks_are_asked_for(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    cluster.followed()
    for request in api.wait_for_requests(3, lambda request: request.is_watch):
        assert request.query["allowWatchBookmarks"] == "true"
        assert int(request.query["timeoutSeconds"]) > 0


def test_trap_06_a_server_that_dies_in_the_middle_of_a_line(cluster: Cluster, api: ScriptedApi) -> None:
    """ClientPayloadError comes out of the library's watch."""

    def die(handler: Handler) -> None:
        handler.begin_stream()
        handler.chunk(b'{"type":"ADDED","object":{"metadata":{"na')
        handler.connection.shutdown(socket.SHUT_RDWR)

    api.put(NODES, node("n1"))
    api.fail(watches_nodes, die, times=3)
    _, listener = cluster.followed()
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    assert api.count(lists_nodes) == 1


def test_trap_06_closing_waits_for_no_watch(cluster: Cluster, api: ScriptedApi) -> None:
    """Watch.stop() does not wake a read that is blocked."""
    api.bookmark_every = 60
    api.put(NODES, node("n1"))
    source, _ = cluster.followed(idle=60.0)
    api.wait_for_requests(3, lambda request: request.is_watch)
    source.close()


def test_trap_07_and_13_nothing_of_the_library_is_imported_but_its_client() -> None:
    """Its leader election cannot work; its models take half a second and 30 MB; its parents 9 MB."""
    program = (
        "import sys, terway_edge.cluster.api.source\n"
        "print(*(name for name in sys.modules if name.startswith('kubernetes')))\n"
        "print(*(name for name in ('requests', 'urllib3', 'websocket', 'oauthlib') if name in sys.modules))"
    )
    imported, others = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    allowed = ("kubernetes.aio.client", "kubernetes.aio.config", "kubernetes.aio.utils")
    assert imported
    assert [name for name in imported.split() if not name.startswith(allowed)] == []
    assert [name for name in imported.split() if ".models." in name or ".api." in name] == []
    assert others == ""


def test_trap_07_the_real_library_can_be_imported_later() -> None:
    program = (
        "import terway_edge.cluster.api.source, kubernetes, kubernetes.aio\n"
        "assert kubernetes.client.CoreV1Api and kubernetes.aio.client.CoreV1Api and kubernetes.aio.watch.Watch\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("code", [400, 403, 404, 500, 503])
def test_trap_08_an_error_is_no_empty_list(cluster: Cluster, api: ScriptedApi, code: int) -> None:
    """The library's *_without_preload_content gives a 404 as if it were an answer."""
    api.put(NODES, node("n1"))
    api.fail(lists_nodes, lambda handler: handler.error(code, "Reason", "said so"), times=3)
    _, listener = cluster.followed()
    first = listener.last
    assert first is not None
    listener.until_nodes("n1")
    assert all(each.nodes for each in (first, *listener.seen) if each.in_sync)
    assert api.count(lists_nodes) == 4


def test_trap_09_every_patch_says_of_what_type_it_is(cluster: Cluster, api: ScriptedApi) -> None:
    """A merge patch of nodes/status replaces all conditions; a strategic one of a custom resource is refused (415)."""
    api.put(NODES, node("n1"))
    api.put(PEERS, peer("p"))
    source, _ = cluster.followed()
    source.write_status(StatusEntry("BGPPeer", "p", "n1", {"state": "Idle"}))
    source.write_status(StatusEntry("Node", "n1", "X", {"type": "X", "status": "True", "reason": "R", "message": "m"}))
    source.write_annotation(Annotation("Node", "n1", "", "k", "v"))
    api.wait_for(lambda: len(api.written) == 3)
    types = {request.path: request.headers["Content-Type"] for request in api.written}
    assert types == {
        f"{PEERS}/p/status": "application/apply-patch+yaml",
        f"{NODES}/n1/status": "application/strategic-merge-patch+json",
        f"{NODES}/n1": "application/merge-patch+json",
    }
    (apply,) = (request for request in api.written if request.path == f"{PEERS}/p/status")
    assert apply.query == {"fieldManager": "terway-edge-n1", "force": "true"}


def test_trap_10_events_have_names_and_times_that_every_server_takes(cluster: Cluster, api: ScriptedApi) -> None:
    """generateName with a dot at its end is refused by events.k8s.io, and its times need microseconds: neither is
    used."""
    api.put(NODES, node("n1"))
    source, _ = cluster.followed()
    source.emit(Event("NotReady", "n1", "m"))
    api.wait_for(lambda: api.written)
    body = api.written[0].body
    assert api.written[0].path == EVENTS
    assert "generateName" not in body["metadata"]
    assert body["apiVersion"] == "v1"


def test_trap_12_one_odd_object_spoils_nothing_but_itself(cluster: Cluster, api: ScriptedApi) -> None:
    """The library's models fail the whole list for a condition without status or an address without address."""
    api.put(NODES, node("n1"))
    odd = node("n2", 2)
    odd["status"]["conditions"] = [{"type": "Ready"}]
    api.put(NODES, odd)
    odd = node("n3", 3)
    odd["status"]["addresses"] = [{"type": "InternalIP"}]
    api.put(NODES, odd)
    snapshot = cluster.open().load()
    assert [each.name for each in snapshot.nodes] == ["n1", "n2"]
    assert [problem.where for problem in snapshot.problems] == ["Node/n3: status.addresses[0].address"]
    assert not snapshot.in_sync, "what n3 says is not known"


def test_trap_13_a_long_list_comes_in_pages(cluster: Cluster, api: ScriptedApi) -> None:
    """Decoding all at once holds up the loop for seconds."""
    api.page = 7
    for number in range(1, 31):
        api.put(NODES, node(f"n{number:02}", number))
    snapshot = cluster.open().load()
    assert len(snapshot.nodes) == 30
    pages = [request.query for request in api.requests if lists_nodes(request)]
    assert [query.get("continue") for query in pages] == [None, "7", "14", "21", "28"]
    assert {query["limit"] for query in pages} == {"500"}
    assert all("resourceVersion" not in query for query in pages), "a whole listing is a consistent one"


def test_trap_14_what_a_silent_watch_did_not_tell_a_listing_does(cluster: Cluster, api: ScriptedApi) -> None:
    """A watch from a version of the future, after etcd was restored, is told nothing, and no error either."""
    made = Flag()

    def tell_nothing(handler: Handler) -> None:
        handler.begin_stream()
        handler.line(bookmark(9999))
        made.wait(10)
        handler.end_stream()

    api.put(NODES, node("n1"))
    api.fail(watches_nodes, tell_nothing)
    _, listener = cluster.followed(relist=0.0)
    api.put(NODES, node("n2", 2))
    made.set()
    listener.until_nodes("n1", "n2")
    assert api.count(lists_nodes) >= 2


def test_trap_15_gone_comes_as_an_event_of_a_watch(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    api.put(NODES, node("n2", 2))
    _, listener = cluster.followed()
    api.wait_for_requests(1, watches_nodes)
    api.stop()
    api.delete(NODES, "n2")
    api.put(NODES, node("n3", 3))
    api.expire()
    api.start()
    listener.until_nodes("n1", "n3")
    assert api.count(lists_nodes) == 2


def test_trap_15_gone_comes_as_an_answer_to_a_watch(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    api.fail(watches_nodes, lambda handler: handler.error(410, "Expired", "too old"))
    cluster.followed()
    api.wait_for_requests(2, lists_nodes)
    api.wait_for_requests(2, watches_nodes)


def test_trap_15_gone_comes_between_two_pages(cluster: Cluster, api: ScriptedApi) -> None:
    api.page = 2
    for number in range(1, 6):
        api.put(NODES, node(f"n{number}", number))
    api.fail(
        lambda request: lists_nodes(request) and request.query.get("continue") == "4",
        lambda handler: handler.error(410, "Expired", "the continue parameter is too old"),
    )
    snapshot = cluster.open().load()
    assert [each.name for each in snapshot.nodes] == ["n1", "n2", "n3", "n4", "n5"]
    assert [r.query.get("continue") for r in api.requests if lists_nodes(r)] == [None, "2", "4", None, "2", "4"]


def test_trap_15_other_errors_come_as_events_too(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    failed = {"type": "ERROR", "object": status(500, "InternalError", "etcd")}
    api.fail(watches_nodes, lambda handler: handler.stream([failed]))
    _, listener = cluster.followed()
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    assert api.count(lists_nodes) == 1


def test_trap_16_credentials_are_sent_and_read_again_once_they_are_refused(cluster: Cluster, api: ScriptedApi) -> None:
    """36.0.0 sent none at all; a kubeconfig's token file is read once and never again."""
    token = cluster.kubeconfig.with_name("token")
    token.write_text("old")
    write_kubeconfig(cluster.kubeconfig, api.url, tokenFile=str(token))
    config = json.loads(cluster.kubeconfig.read_text())
    del config["users"][0]["user"]["token"]
    cluster.kubeconfig.write_text(json.dumps(config))
    api.put(NODES, node("n1"))
    _, listener = cluster.followed()
    assert {request.headers["authorization"] for request in api.requests} == {"Bearer old"}
    api.wait_for_requests(3, lambda request: request.is_watch)
    token.write_text("new")
    api.fail(
        lambda request: request.headers["authorization"] != "Bearer new",
        lambda handler: handler.error(401, "Unauthorized", "Unauthorized"),
        times=1000,
    )
    api.drop_connections()
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")


def test_trap_17_a_line_may_be_as_long_as_an_object(cluster: Cluster, api: ScriptedApi) -> None:
    """aiohttp's own limit of a line is 128 KiB; an object may have 1.5 MB."""
    api.put(NODES, node("n1"))
    _, listener = cluster.followed()
    big = node("n2", 2)
    big["status"]["images"] = ["x" * 1_500_000]
    api.put(NODES, big)
    listener.until_nodes("n1", "n2")
    assert api.count(lists_nodes) == 1


def test_trap_17_a_line_without_end_is_an_error_and_not_all_memory(cluster: Cluster, api: ScriptedApi) -> None:
    def go_on(handler: Handler) -> None:
        handler.begin_stream()
        try:
            while True:
                handler.chunk(b"x" * 65536)
        except OSError:
            pass

    api.put(NODES, node("n1"))
    api.fail(watches_nodes, go_on)
    cluster.followed()
    api.wait_for_requests(2, lists_nodes)


def test_an_error_without_end_is_left(cluster: Cluster, api: ScriptedApi) -> None:
    """A watch may be as long as it likes, what is answered instead of one may not."""

    def drip(handler: Handler) -> None:
        handler.send_response(502)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:  # until the other side has enough
            handler.chunk(b" ")
            select.select([handler.connection], [], [], 0.05)

    api.put(NODES, node("n1"))
    api.fail(watches_nodes, drip)
    _, listener = cluster.followed(request=0.3)
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")


def test_retry_after_is_waited_for(cluster: Cluster, api: ScriptedApi) -> None:
    """As for a second after a CRD was made."""
    refusal = lambda handler: handler.error(429, "TooManyRequests", "initializing", Retry_After="1")  # noqa: E731
    api.fail(lists_nodes, refusal)
    cluster.timing = replace(cluster.timing, longest_retry_after=0.3)
    cluster.open().load()
    first, second = (request.at for request in api.wait_for_requests(2, lists_nodes))
    assert second - first >= 0.3 - SLACK


def test_a_watch_that_ends_at_once_again_and_again_is_a_failure(cluster: Cluster, api: ScriptedApi) -> None:
    """A proxy may do so; a client that goes on at once takes a whole core."""
    api.fail(watches_nodes, lambda handler: handler.stream([]), times=5)
    cluster.followed(short_lived=5.0, first_pause=0.02, longest_pause=0.08)
    asked = [request.at for request in api.wait_for_requests(6, watches_nodes)]
    assert asked[-1] - asked[0] >= 0.8 * (0.02 + 0.04 + 0.08 * 3) - SLACK
    assert api.count(lists_nodes) == 1


def test_listings_keep_their_distance(cluster: Cluster, api: ScriptedApi) -> None:
    """A server that says 410 to every watch is not to be asked for everything all the time."""
    api.fail(watches_nodes, lambda handler: handler.error(410, "Expired", "too old"), times=4)
    cluster.followed(list_gap=0.1)
    asked = [request.at for request in api.wait_for_requests(4, lists_nodes)]
    assert asked[-1] - asked[0] >= 3 * 0.1 - SLACK


def test_what_is_no_json_is_listed_again(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    api.fail(lists_nodes, lambda handler: handler.raw(200, b"<html>hello, captive portal"), times=2)
    api.fail(watches_nodes, lambda handler: handler.stream([{"type": "ADDED", "object": "nonsense"}]))
    _, listener = cluster.followed()
    api.wait_for_requests(4, lists_nodes)
    assert listener.last is not None
    assert [each.name for each in listener.last.nodes] == ["n1"]


def test_the_user_agent_begins_as_caching_proxies_know_it(cluster: Cluster, api: ScriptedApi) -> None:
    cluster.open().load()
    assert {request.headers["User-Agent"] for request in api.requests} == {"terway-edge/1.2.3 (node n1)"}


def test_a_kubeconfig_that_is_missing_or_wrong_is_refused_with_its_name(cluster: Cluster, tmp_path: Path) -> None:
    from terway_edge.core.errors import Refused

    for text in (None, "", "{}", "{:", '{"current-context": "none", "contexts": []}'):
        if text is None:
            cluster.kubeconfig.unlink()
        else:
            cluster.kubeconfig.write_text(text)
        with pytest.raises(Refused, match=f"{cluster.kubeconfig}: .*set cluster.kubeconfig to a file"):
            cluster.open().load()
