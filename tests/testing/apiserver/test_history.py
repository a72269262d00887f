"""A server that remembers little."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver import Settings
from tests.testing.apiserver.manifests import LINKS, link, node


@pytest.fixture
def settings():
    return Settings(history=4)


def test_a_watch_far_behind_is_told_so(api, wire):
    api.objects.put(link())
    old = str(api.revision)
    for number in range(1, 10):
        api.objects.patch("Link", "one", {"spec": {"number": number}})
    with wire.watch(LINKS, resourceVersion=old) as stream:
        assert stream.next()[0] == "ERROR"
    with wire.watch(LINKS, resourceVersion=str(api.revision - 2)) as stream:
        assert [stream.next()[1]["spec"]["number"] for _ in range(2)] == [8, 9]


def test_other_kinds_do_not_wear_it_out(api, wire):
    api.objects.put(link())
    old = str(api.revision)
    for number in range(20):
        api.objects.put(node(f"n{number}"))
    with wire.watch(LINKS, resourceVersion=old) as stream:
        api.objects.put(link("two"))
        assert stream.named() == ("ADDED", "two")


def test_a_list_of_the_past(api, wire):
    api.objects.put(link("a"))
    then = str(api.revision)
    api.objects.delete("Link", "a")
    api.objects.put(link("b"))
    exact = wire.get(LINKS, resourceVersion=then, resourceVersionMatch="Exact").json
    assert [each["metadata"]["name"] for each in exact["items"]] == ["a"]
    assert exact["metadata"]["resourceVersion"] == then
    assert wire.get(LINKS, resourceVersion="0", resourceVersionMatch="Exact").status == 422
    assert wire.get(LINKS, resourceVersionMatch="Exact").status == 422
    api.expire()
    assert wire.get(LINKS, resourceVersion=then, resourceVersionMatch="Exact").status == 410


def test_a_restored_backup_whose_revisions_were_bumped(api, wire):
    """Whoever knows of later changes must list again, and has to hear so."""
    api.objects.put(link("a"))
    backup = api.snapshot()
    api.objects.put(link("b"))
    newer = api.revision
    api.restore(backup, bump=newer)
    assert [each["metadata"]["name"] for each in wire.get(LINKS).json["items"]] == ["a"]
    with wire.watch(LINKS, resourceVersion=str(newer)) as stream:
        kind, told = stream.next()
    assert (kind, told["code"]) == ("ERROR", 410)
