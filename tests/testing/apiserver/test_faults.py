"""Faults of answers, the log, and the server going away and coming back."""

from __future__ import annotations

import http.client
import time
from contextlib import closing

import pytest

from terway_edge.testing.apiserver import ADMIN, Script
from tests.testing.apiserver.manifests import LINKS, NODES, config, link, node
from tests.testing.apiserver.wire import Wire

CONFIGS = "/api/v1/namespaces/default/configmaps"


def script(**fault):
    return Script.model_validate({"faults": [fault]})


def test_throttle_says_when_to_come_again(api, wire):
    api.set_faults(script(kind="throttle", retry_after=7, verb="list", resource="nodes", count=1))
    answer = wire.get(NODES)
    assert (answer.status, answer.reason) == (429, "TooManyRequests")
    assert answer.headers["retry-after"] == "7"
    assert answer.json["details"]["retryAfterSeconds"] == 7
    assert wire.get(NODES).status == 200


def test_overload_is_no_status(api, wire):
    api.set_faults(script(kind="overload", retry_after=2))
    answer = wire.get(NODES)
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "x-kubernetes-pf-flowschema-uid" in answer.headers


def test_error_page_and_gone(api, wire):
    api.set_faults(
        Script.model_validate(
            {
                "faults": [
                    {"kind": "error", "verb": "get", "code": 503, "reason": "ServiceUnavailable", "retry_after": 3},
                    {"kind": "page", "verb": "create"},
                    {"kind": "gone", "verb": "list"},
                ]
            }
        )
    )
    answer = wire.get(f"{NODES}/a")
    assert (answer.status, answer.reason, answer.headers["retry-after"]) == (503, "ServiceUnavailable", "3")
    page = wire.post(NODES, node())
    assert (page.status, page.headers["content-type"]) == (502, "text/html")
    gone = wire.get(NODES)
    assert (gone.status, gone.reason) == (410, "Expired")


@pytest.mark.parametrize(("when", "is_there"), [("before", False), ("after", True)])
def test_a_dropped_request_has_its_effect_or_not(api, wire, when, is_there):
    api.set_faults(script(kind="drop", when=when, verb="create"))
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        wire.post(NODES, node())
    assert (wire.get(f"{NODES}/double-1").status == 200) == is_there
    record = api.log.calls("create nodes")[0]
    assert (record.dropped, record.faults) == (True, ("drop",))


def test_slow_and_held(api, server, wire):
    api.set_faults(script(kind="slow", seconds=0.3))
    start = time.monotonic()
    assert wire.get(NODES).status == 200
    assert time.monotonic() - start >= 0.3
    api.set_faults(script(kind="hold"))
    connection = http.client.HTTPConnection(server.host, server.port, timeout=0.5)
    with closing(connection):
        connection.request("GET", NODES)
        with pytest.raises(TimeoutError):
            connection.getresponse()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"calls": [2]}, [200, 500, 200, 200]),
        ({"count": 2}, [500, 500, 200, 200]),
        ({"resource": "pods"}, [200] * 4),
        ({"resource": "node*"}, [500] * 4),
        ({"user_agent": "other*"}, [200] * 4),
        ({"user_agent": "wire/*"}, [500] * 4),
        ({"name": "x"}, [200] * 4),
        ({"since": 1000}, [200] * 4),
        ({"probability": 0.5, "seed": 3}, [500, 200, 500, 200]),
    ],
)
def test_conditions(api, wire, condition, expected):
    api.set_faults(script(kind="error", **condition))
    assert [wire.get(NODES).status for _ in range(4)] == expected


def test_the_log_tells_who_asked_what(api, wire):
    wire.post(CONFIGS, config("a"))
    wire.patch(f"{LINKS}/none/status", {"status": {}}, bogus="1", fieldManager="me")
    wire.get("/version")
    first, second, third = api.log.calls()
    assert (first.name, first.status, first.target.namespace, first.user) == (
        "create configmaps",
        201,
        "default",
        "kubernetes-admin",
    )
    assert first.call.user_agent == "wire/1"
    assert b'"name": "a"' in first.call.body
    assert (second.name, second.reason, second.unknown) == ("patch links/status", "NotFound", ("bogus",))
    assert third.name == "get /version"
    assert api.log.wait("create configmaps")[0] is first
    assert api.log.uses == {("create", "", "configmaps", "default", "")}


def test_secrets_and_tokens_are_not_logged(api, server):
    token = api.tokens.add(ADMIN)
    wire = Wire(server.url, token=token)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "canary"}}
    assert wire.post("/api/v1/namespaces/default/secrets", body).status == 201
    assert "canary" not in str(api.log.calls())
    assert token not in str(api.log.calls())


def test_away_and_back(api, server, wire):
    wire.post(LINKS, link())
    with wire.watch(LINKS, resourceVersion="0") as stream:
        assert stream.named() == ("ADDED", "one")
        server.away()
        with pytest.raises((ConnectionError, http.client.HTTPException, ValueError)):
            stream.next()
    with pytest.raises(ConnectionRefusedError):
        wire.get(LINKS)
    api.objects.patch("Link", "one", {"spec": {"number": 1}})
    server.back()
    with wire.watch(LINKS, resourceVersion=str(api.revision)) as stream:
        api.objects.patch("Link", "one", {"spec": {"number": 2}})
        assert stream.next()[1]["spec"]["number"] == 2
    server.away()
    server.back()
    assert wire.get(LINKS).status == 200


def test_restore_takes_the_version_back(api, wire):
    before = api.snapshot()
    wire.post(LINKS, link())
    version = wire.get(LINKS).json["metadata"]["resourceVersion"]
    with wire.watch(LINKS, resourceVersion=version) as stream:
        api.watches.wait(1)
        api.restore(before)
        assert wire.get(f"{LINKS}/one").status == 404
        assert int(wire.get(LINKS).json["metadata"]["resourceVersion"]) < int(version)
        wire.post(LINKS, link("two"))
        assert wire.get(LINKS).json["metadata"]["resourceVersion"] == version
        stream.patience(0.7)
        with pytest.raises(TimeoutError):  # what came at an old revision is never told
            stream.line()


def test_restore_takes_definitions_back(api, wire):
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/links.double.test.terway-edge.io"
    before = api.snapshot()
    wire.delete(crd)
    assert wire.get(LINKS).status == 404
    api.restore(before)
    assert wire.get(LINKS).status == 200


def test_skew_moves_all_stamps(api, wire):
    first = wire.post(LINKS, link()).json["metadata"]["creationTimestamp"]
    api.clock.skew = 86400 * 365
    second = wire.post(LINKS, link("two")).json["metadata"]["creationTimestamp"]
    assert int(second[:4]) == int(first[:4]) + 1


def test_expired_pages_leave_a_way_on(api, wire):
    for index in range(4):
        wire.post(LINKS, link(f"l{index}"))
    token = wire.get(LINKS, limit=2).json["metadata"]["continue"]
    wire.delete(f"{LINKS}/l2")
    api.expire()
    answer = wire.get(LINKS, **{"continue": token})
    assert (answer.status, answer.reason) == (410, "Expired")
    rest = wire.get(LINKS, **{"continue": answer.json["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in rest.json["items"]] == ["l3"]
    assert wire.get(LINKS, **{"continue": "nonsense"}).status == 400
