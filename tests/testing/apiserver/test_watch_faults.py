"""What goes wrong with watches."""

from __future__ import annotations

import http.client
import json

import pytest

from terway_edge.testing.apiserver import Script
from terway_edge.testing.apiserver.faults.script import CutWatch, EndWatch, ErrorEvent, Malformed, SilentWatch
from tests.testing.apiserver.manifests import LINKS, NODES, link, node

BROKEN = (ConnectionError, http.client.IncompleteRead)


@pytest.fixture
def links(api):
    for name in ("a", "b", "c"):
        api.objects.put(link(name))


def script(**fault):
    return Script.model_validate({"faults": [{"verb": "watch", **fault}]})


def test_the_end_after_some_events(api, wire, links):
    api.set_faults(script(kind="end_watch", events=2))
    with wire.watch(LINKS) as stream:
        assert [stream.named()[1] for _ in range(2)] == ["a", "b"]
        assert stream.line() == b""


def test_a_cut_between_events(api, wire, links):
    api.set_faults(script(kind="cut_watch", events=2))
    with wire.watch(LINKS) as stream:
        assert [stream.named()[1] for _ in range(2)] == ["a", "b"]
        with pytest.raises(BROKEN):
            stream.line()


def test_a_cut_inside_an_object(api, wire, links):
    api.set_faults(script(kind="cut_watch", events=1, inside=True))
    with wire.watch(LINKS) as stream:
        assert stream.named() == ("ADDED", "a")
        piece = stream.response.read1()
        assert piece.startswith(b'{"type":"ADDED","object":{')
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(piece)


def test_silence(api, wire, links):
    """No bookmark either, and the connection stays."""
    api.set_faults(script(kind="silent_watch", events=3))
    with wire.watch(LINKS, allowWatchBookmarks="true") as stream:
        assert [stream.named()[1] for _ in range(3)] == ["a", "b", "c"]
        api.objects.put(link("d"))
        stream.patience(0.7)
        with pytest.raises(TimeoutError):
            stream.line()
        assert len(api.watches.all("links")) == 1
    api.watches.wait(0)


def test_an_error_event(api, wire, links):
    api.set_faults(script(kind="error_event", events=1, code=410))
    with wire.watch(LINKS) as stream:
        stream.named()
        kind, value = stream.next()
        assert (kind, value["code"], value["reason"]) == ("ERROR", 410, "Expired")
        assert stream.line() == b""


def test_gone_as_a_status(api, wire, links):
    api.set_faults(script(kind="gone"))
    with wire.watch(LINKS) as stream:
        assert stream.status == 410


def test_a_malformed_line(api, wire, links):
    api.set_faults(script(kind="malformed", events=1, line="{oops"))
    with wire.watch(LINKS) as stream:
        assert stream.named() == ("ADDED", "a")
        assert stream.line() == b"{oops\n"
        assert stream.named() == ("ADDED", "b")


def test_repeated_and_stale_events(api, wire, links):
    api.set_faults(script(kind="repeat"))
    with wire.watch(LINKS) as stream:
        assert [stream.named()[1] for _ in range(6)] == ["a", "a", "b", "b", "c", "c"]
    api.set_faults(script(kind="stale"))
    with wire.watch(LINKS, fieldSelector="metadata.name=a") as stream:
        stream.next()
        api.objects.patch("Link", "a", {"spec": {"number": 1}})
        assert [stream.next()[1]["spec"]["number"] for _ in range(2)] == [1, 65010]


def test_bookmarks_and_their_absence(api, wire):
    with wire.watch(NODES, allowWatchBookmarks="true") as stream:
        kind, value = stream.next()
        api.objects.put(link("x"))
        later = stream.next()[1]
        assert (kind, value["kind"]) == ("BOOKMARK", "Node")
        assert int(later["metadata"]["resourceVersion"]) > int(value["metadata"]["resourceVersion"])
    api.set_faults(script(kind="no_bookmarks"))
    with wire.watch(NODES, allowWatchBookmarks="true") as stream:
        stream.patience(0.7)
        with pytest.raises(TimeoutError):
            stream.line()


def test_faults_that_happen_now(api, wire, links):
    for fault, expected in (
        (EndWatch(kind="end_watch"), b""),
        (Malformed(kind="malformed", line="x"), b"x\n"),
        (ErrorEvent(kind="error_event", code=500), b'{"type":"ERROR"'),
    ):
        with wire.watch(LINKS, resourceVersion=str(api.revision)) as stream:
            api.watches.wait(1, "links")
            api.watches.happen(fault, "links")
            assert stream.line()[: len(expected) or 1] == expected
        api.watches.wait(0, "links")  # or the next fault may happen to this one
    with wire.watch(LINKS, resourceVersion=str(api.revision)) as stream:
        api.watches.wait(1, "links")[0].happen(CutWatch(kind="cut_watch"))
        with pytest.raises(BROKEN):
            stream.line()
    with wire.watch(NODES, resourceVersion=str(api.revision)) as stream:
        api.watches.wait(1, "nodes")[0].happen(SilentWatch(kind="silent_watch"))
        api.objects.put(node("n"))
        stream.patience(0.7)
        with pytest.raises(TimeoutError):
            stream.line()


def test_a_client_that_goes_is_noticed(api, wire):
    with wire.watch(NODES):
        assert len(api.watches.wait(1)) == 1
    assert api.watches.wait(0) == []


def test_a_compaction_leaves_watches_alone(api, wire, links):
    version = str(api.revision)
    api.objects.put(node("n"))
    with wire.watch(LINKS, resourceVersion=version) as stream:
        api.watches.wait(1)
        api.expire()
        api.objects.put(link("d"))
        assert stream.named() == ("ADDED", "d")
    with wire.watch(LINKS, resourceVersion=version) as stream:
        assert stream.next()[0] == "ERROR"
