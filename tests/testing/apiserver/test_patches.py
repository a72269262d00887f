"""JSON patch, strategic merge patch, and the laws of field ownership."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.testing.apiserver import ApiError, ApiServer
from terway_edge.testing.apiserver.builtin import builtin_kinds
from terway_edge.testing.apiserver.patch.comparison import compare
from terway_edge.testing.apiserver.patch.field_set import decode_fields, encode_fields, fields_of, removed
from terway_edge.testing.apiserver.patch.json_patch import apply_json_patch
from terway_edge.testing.apiserver.patch.merge_patch import apply_merge_patch
from terway_edge.testing.apiserver.patch.strategic import apply_strategic_patch
from tests.testing.apiserver import manifests
from tests.testing.apiserver.manifests import link, link_status

POD = next(each.schema for each in builtin_kinds() if each.name == "Pod")
LINK = manifests.CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2]}),
        ({"op": "add", "path": "/b~1c", "value": {}}, {"a": [1, 2], "b/c": {}}),
        ({"op": "replace", "path": "/a", "value": 0}, {"a": 0}),
        ({"op": "replace", "path": "", "value": {}}, {}),
        ({"op": "move", "from": "/a/0", "path": "/b"}, {"a": [2], "b": 1}),
        ({"op": "copy", "from": "/a", "path": "/b"}, {"a": [1, 2], "b": [1, 2]}),
        ({"op": "remove", "path": "/a/0"}, {"a": [2]}),
    ],
)
def test_json_patch(operation, expected):
    value = {"a": [1, 2]}
    assert apply_json_patch(value, [operation]) == expected
    assert value == {"a": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/a/3", "value": 1},
        {"op": "add", "path": "/a/0/x", "value": 1},
        {"op": "add", "path": "/a/0"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "twist", "path": "/a"},
        {"op": "test", "path": "/a", "value": [2, 1]},
    ],
)
def test_json_patches_that_do_not_fit(operation):
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": [1, 2]}, [operation])
    assert caught.value.code == 422


def test_merge_patch_is_rfc_7396():
    target = {"a": "b", "c": {"d": "e", "f": "g"}}
    assert apply_merge_patch(target, {"a": "z", "c": {"f": None}}) == {"a": "z", "c": {"d": "e"}}
    assert apply_merge_patch({"a": [1]}, {"a": {"b": None, "c": 1}}) == {"a": {"c": 1}}


def containers(*names, **more):
    return {"spec": {"containers": [{"name": each, "image": "i"} for each in names], **more}}


def strategic(value, patch):
    return apply_strategic_patch(value, patch, POD)["spec"]["containers"]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([{"name": "b", "image": "j"}], [("a", "i"), ("b", "j")]),
        ([{"name": "c", "image": "k"}], [("a", "i"), ("b", "i"), ("c", "k")]),
        ([{"name": "a", "$patch": "delete"}], [("b", "i")]),
        ([{"$patch": "replace"}, {"name": "z", "image": "z"}], [("z", "z")]),
    ],
)
def test_strategic_merge_of_keyed_lists(patch, expected):
    found = strategic(containers("a", "b"), {"spec": {"containers": patch}})
    assert [(each["name"], each["image"]) for each in found] == expected


def test_a_merged_item_keeps_what_the_patch_does_not_name():
    value = {"spec": {"containers": [{"name": "a", "image": "i", "env": [{"name": "X", "value": "1"}]}]}}
    patch = {"spec": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]}}
    (found,) = strategic(value, patch)
    assert (found["image"], [each["name"] for each in found["env"]]) == ("i", ["X", "Y"])


def test_strategic_directives():
    order = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert [each["name"] for each in strategic(containers("a", "b"), order)] == ["b", "a"]
    value = {"metadata": {"finalizers": ["a/x", "a/y"]}}
    gone = apply_strategic_patch(value, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/x"]}}, POD)
    assert gone["metadata"]["finalizers"] == ["a/y"]
    more = apply_strategic_patch(value, {"metadata": {"finalizers": ["a/y", "a/z"]}}, POD)
    assert more["metadata"]["finalizers"] == ["a/x", "a/y", "a/z"]
    kept = apply_strategic_patch({"spec": {"a": 1, "b": 2}}, {"spec": {"$retainKeys": ["a"], "a": 3}}, POD)
    assert kept == {"spec": {"a": 3}}
    whole = apply_strategic_patch({"spec": {"a": 1}}, {"spec": {"$patch": "replace", "b": 2}}, POD)
    assert whole == {"spec": {"b": 2}}


def test_strategic_merge_of_whole_lists_replaces_them():
    value = {"spec": {"containers": [], "tolerations": [{"key": "a"}, {"key": "b"}]}}
    after = apply_strategic_patch(value, {"spec": {"tolerations": [{"key": "c"}]}}, POD)
    assert after["spec"]["tolerations"] == [{"key": "c"}]


@pytest.mark.parametrize("patch", [{"spec": {"containers": [{"image": "x"}]}}, {"spec": {"$patch": "odd"}}, []])
def test_strategic_patches_that_make_no_sense(patch):
    with pytest.raises(ApiError) as caught:
        apply_strategic_patch(containers("a"), patch, POD)
    assert caught.value.code == 400


NAMES = st.sampled_from(["a", "b", "c", "d"])
SPECS = st.fixed_dictionaries(
    {"speakers": st.lists(NAMES, min_size=1, max_size=4, unique=True), "number": st.integers(1, 9)},
    optional={"mode": st.sampled_from(["active", "passive"]), "labels": st.dictionaries(NAMES, NAMES, max_size=3)},
)
STATES = st.dictionaries(NAMES, st.sampled_from(["up", "down"]), max_size=4)


def status(states):
    return link_status(speakers=[{"node": node, "state": state} for node, state in sorted(states.items())])


@given(SPECS, STATES)
def test_fields_are_written_and_read_as_the_same(spec, states):
    fields = frozenset(fields_of({"spec": spec, "status": status(states)["status"]}, LINK))
    assert frozenset(decode_fields(encode_fields(fields))) == fields


@given(SPECS, SPECS)
def test_a_comparison_is_its_own_opposite(old, new):
    there, back = compare({"spec": old}, {"spec": new}, LINK), compare({"spec": new}, {"spec": old}, LINK)
    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert any(there) == (set_like(old) != set_like(new))


def set_like(spec):
    """A set has no order, and an empty mapping is none."""
    return {k: sorted(v) if k == "speakers" else v for k, v in spec.items()}


@given(SPECS)
def test_without_its_fields_nothing_is_left(spec):
    value = {"spec": deepcopy(spec)}
    left = removed(value, fields_of({"spec": spec}, LINK))
    assert left in ({}, {"spec": {}})


@given(SPECS, SPECS)
def test_what_one_manager_applies_is_what_is_there(first, second):
    """Whatever it applied before: no other manager keeps a field."""
    api = served()
    for spec in (first, second, second):
        after = api.objects.apply(link(**spec) | {"spec": spec}, "me")
    wanted = {"hold": 90} | {key: each for key, each in second.items() if each != {}}
    found = {key: each for key, each in after["spec"].items() if each != {}}
    assert set_like(found) == set_like(wanted)


@given(STATES, STATES)
def test_managers_of_different_entries_never_meet(mine, yours):
    """Whoever comes first, whatever they change: each finds its own entries and only those change."""
    yours = {f"other-{name}": state for name, state in yours.items()}
    api = served()
    api.objects.put(link())
    for states, manager in ((mine, "me"), (yours, "you"), ({}, "me"), (mine, "me")):
        api.objects.apply(status(states), manager, subresource="status")
    found = api.objects.get("Link", "one").get("status", {}).get("speakers", [])
    assert {each["node"]: each["state"] for each in found} == mine | yours


def served():
    api = ApiServer()
    api.objects.put(manifests.crd())
    return api
