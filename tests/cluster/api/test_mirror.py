"""Objects with their last good versions."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.projection import Item, Projector
from terway_edge.cluster.nodes import read_node
from terway_edge.core.models import Node
from tests.cluster.api.scripted import node

BAD = {"spec": {"podCIDR": "nonsense"}}


def item(name: str, number: int = 1, uid: str = "u", **more) -> Item:
    value = {**node(name, number), **more}
    value["metadata"]["uid"] = uid
    return Projector("Node").one(json.dumps(value).encode())


def mirror(*items: Item) -> Mirror[Node]:
    found = Mirror("Node", read_node)
    found.replace(items)
    return found


def test_equal_versions_change_nothing_and_keep_the_object() -> None:
    found = mirror(item("a"), item("b"))
    (before, _) = found.objects()
    assert not found.put(item("a"))
    assert not found.replace([item("b"), item("a")])
    assert found.objects()[0] is before


def test_a_listing_tells_whether_anything_changed() -> None:
    found = Mirror("Node", read_node)
    assert not found.is_listed
    assert found.replace([]), "the first one does, whatever it has"
    assert found.is_listed
    assert found.replace([item("a")])
    assert found.replace([item("a", 2)])
    assert found.replace([item("a", 2), item("b")])
    assert found.replace([item("b")])
    assert [each.name for each in found.objects()] == ["b"]


def test_a_bad_version_leaves_the_last_good_one_in_force() -> None:
    found = mirror(item("a"))
    good = found.objects()
    assert found.put(item("a", **BAD))
    assert found.objects() == good
    (problem,) = found.problems()
    assert problem.where == "Node/a: spec.podCIDR"
    assert "nonsense" in problem.message
    assert found.texts() == [item("a").trimmed], "the cache keeps what can be used"
    assert found.put(item("a", 2))
    assert found.problems() == []


def test_a_bad_object_that_never_was_good_keeps_the_listing_out_of_sync() -> None:
    found = mirror(item("a", **BAD), item("b"))
    assert found.is_listed
    assert not found.is_in_sync
    assert [each.name for each in found.objects()] == ["b"]
    found.put(item("a"))
    assert found.is_in_sync
    found.put(item("c", **BAD))
    assert found.is_in_sync, "what came later was never announced"


def test_a_bad_object_that_is_deleted_is_waited_for_no_more() -> None:
    found = mirror(item("a", **BAD))
    assert not found.is_in_sync
    found.drop("a")
    assert found.is_in_sync


def test_a_bad_object_of_another_uid_has_nothing_of_its_namesake() -> None:
    found = mirror(item("a"))
    found.put(item("a", uid="other", **BAD))
    assert found.objects() == []


def test_what_was_cached_is_in_force_until_a_listing_and_as_last_good_beyond() -> None:
    found = Mirror("Node", read_node)
    found.restore([item("a"), item("b")])
    assert found.is_listed
    assert found.is_in_sync
    found.replace([item("a", **BAD)])
    assert [each.name for each in found.objects()] == ["a"]
    assert found.is_in_sync, "the good version is known"
    found.replace([item("c", **BAD)])
    assert found.is_in_sync, "only the first listing of this life decides"


def test_the_first_listing_after_the_cache_decides_what_is_not_known() -> None:
    found = Mirror("Node", read_node)
    found.restore([item("a")])
    found.replace([item("a"), item("new", **BAD)])
    assert not found.is_in_sync


names = st.sampled_from("abc")
steps = st.lists(st.tuples(st.sampled_from(["put", "drop"]), names, st.integers(1, 3)), max_size=12)


@given(steps, st.permutations("abc"))
def test_the_order_of_what_happened_does_not_show(given_steps, order) -> None:
    """Objects come by name, and equal contents compare equal, whatever way led there."""
    found = mirror()
    truth: dict[str, int] = {}
    for what, name, number in given_steps:
        if what == "put":
            truth[name] = number
            found.put(item(name, number))
        else:
            truth.pop(name, None)
            found.drop(name)
    other = mirror(*(item(name, truth[name]) for name in order if name in truth))
    assert found.objects() == other.objects()
    assert [each.name for each in found.objects()] == sorted(truth)
