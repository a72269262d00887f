"""What clients rely on: the double always, and the cluster of KUBECONFIG_REAL if that is set, pass the same tests.

All objects have names that begin with `double-` (links are of a CRD of the tests' own), and are removed afterwards.
"""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise

import pytest

from terway_edge.testing.apiserver import ApiServer, Server, Settings, listen
from tests.testing.apiserver import manifests
from tests.testing.apiserver.manifests import CRDS, LEASES, LINKS, NODES, config, lease, link, link_status, node, pod
from tests.testing.apiserver.real_cluster import wire_of
from tests.testing.apiserver.wire import JSON_PATCH, STRATEGIC, Wire

REAL = os.environ.get("KUBECONFIG_REAL", "")
CONFIGS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/{}/events"
PATIENCE = 30.0


def until(ask, holds):
    """Ask again until the answer is right; a real server takes a while to serve a new CRD."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not holds(answer := ask()):
        assert time.monotonic() < end, answer
        pause.wait(0.1)
    return answer


@pytest.fixture(scope="module", params=["double", *(["real"] if REAL else [])])
def cluster(request):
    if request.param == "real":
        yield wire_of(REAL)
    else:
        with Server(ApiServer(Settings(bookmarks=60)), listen()) as server:
            yield Wire(server.url)


@pytest.fixture(scope="module")
def defined(cluster):
    cluster.post(CRDS, manifests.crd())
    until(lambda: cluster.get(LINKS), lambda answer: answer.status == 200)
    yield cluster
    cluster.delete(f"{CRDS}/{manifests.CRD['metadata']['name']}")


@pytest.fixture
def wire(defined):
    wipe(defined)
    yield defined
    wipe(defined)


def wipe(wire):
    for path in (LINKS, NODES, CONFIGS, LEASES, PODS, EVENTS.format("default")):
        for each in wire.get(path).json["items"]:
            name = each["metadata"]["name"]
            if path == LINKS or name.startswith("double-"):
                if each["metadata"].get("finalizers"):
                    wire.patch(f"{path}/{name}", {"metadata": {"finalizers": None}})
                wire.delete(f"{path}/{name}", gracePeriodSeconds=0)


def made(answer):
    assert answer.status in (200, 201), answer.body
    return answer.json


def test_a_new_object_has_what_only_the_server_gives(wire):
    answer = wire.post(LINKS, link())
    assert answer.status == 201
    meta = answer.json["metadata"]
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["generation"] == 1
    assert meta["resourceVersion"].isdecimal()
    assert answer.json["spec"]["hold"] == 90
    assert wire.get(f"{LINKS}/one").json == answer.json


def test_a_name_is_given_once(wire):
    made(wire.post(LINKS, link()))
    answer = wire.post(LINKS, link())
    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert answer.json["details"] == {"name": "one", "group": manifests.GROUP, "kind": "links"}


def test_a_generated_name_begins_as_asked(wire):
    body = config("")
    body["metadata"] = {"generateName": "double-"}
    names = {made(wire.post(CONFIGS, body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(each.startswith("double-") and len(each) == 12 for each in names)


@pytest.mark.parametrize(
    ("path", "code"),
    [(f"{LINKS}/none", 404), (f"{NODES}/double-none", 404), ("/api/v1/bogus", 404), ("/apis/none/v1", 404)],
)
def test_what_is_not_there(wire, path, code):
    assert wire.get(path).status == code


def test_a_status_tells_what_was_not_found(wire):
    body = wire.get(f"{NODES}/double-none").json
    assert (body["kind"], body["apiVersion"], body["status"], body["reason"]) == ("Status", "v1", "Failure", "NotFound")
    assert body["message"] == 'nodes "double-none" not found'
    assert body["details"] == {"name": "double-none", "kind": "nodes"}


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"speakers": []}, "FieldValueInvalid", "spec.speakers"),
        ({"speakers": ["a", "a"]}, "FieldValueDuplicate", "spec.speakers[1]"),
        ({"speakers": ["Node_1"]}, "FieldValueInvalid", "spec.speakers[0]"),
        ({"number": 0}, "FieldValueInvalid", "spec.number"),
        ({"number": 4294967296}, "FieldValueInvalid", "spec.number"),
        ({"number": 23456}, "FieldValueInvalid", "spec.number"),
        ({"number": "65010"}, "FieldValueTypeInvalid", "spec.number"),
        ({"peer": "fe80::1"}, "FieldValueInvalid", "spec.peer"),
        ({"mode": "other"}, "FieldValueNotSupported", "spec.mode"),
        ({"labels": {"a": 1}}, "FieldValueTypeInvalid", "spec.labels.a"),
    ],
)
def test_the_schema_of_a_crd_is_enforced(wire, spec, reason, field):
    answer = wire.post(LINKS, link(**spec))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert (reason, field) in answer.causes


def test_a_missing_field_is_told(wire):
    body = link()
    del body["spec"]["number"]
    answer = wire.post(LINKS, body)
    assert ("FieldValueRequired", "spec.number") in answer.causes
    assert manifests.RESERVED in wire.post(LINKS, link(number=23456)).message


def test_unknown_fields_are_cut_with_a_warning_or_refused(wire):
    answer = wire.post(LINKS, link(bogus=1))
    assert answer.status == 201
    assert "bogus" not in answer.json["spec"]
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.bogus\\""'
    strict = wire.post(LINKS, link("two", bogus=1), fieldValidation="Strict")
    assert (strict.status, strict.reason) == (400, "BadRequest")
    assert 'unknown field "spec.bogus"' in strict.message


def test_bodies_that_are_no_objects(wire):
    assert wire.post(LINKS, b"{").status == 400
    assert wire.ask("POST", LINKS, b"<a/>", kind="application/xml").status == 415
    wrong = link() | {"apiVersion": f"{manifests.GROUP}/v2"}
    assert wire.post(LINKS, wrong).status == 400
    assert wire.ask("POST", NODES, link()).status == 400


def test_an_update_needs_the_version_it_was_made_from(wire):
    first = made(wire.post(LINKS, link()))
    made(wire.patch(f"{LINKS}/one", {"spec": {"number": 1}}))
    answer = wire.put(f"{LINKS}/one", first)
    assert (answer.status, answer.reason) == (409, "Conflict")
    del first["metadata"]["resourceVersion"]
    assert wire.put(f"{LINKS}/one", first).status == 422
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"number": 2}}
    assert wire.patch(f"{LINKS}/one", stale).status == 409


def test_an_update_of_a_lease_needs_a_version(wire):
    body = made(wire.post(LEASES, lease("double-a", "me")))
    body["spec"]["holderIdentity"] = "you"
    taken = made(wire.put(f"{LEASES}/double-a", body))
    assert taken["spec"]["holderIdentity"] == "you"
    assert wire.put(f"{LEASES}/double-a", body).status == 409


def test_a_write_that_changes_nothing_is_none(wire):
    first = made(wire.post(LINKS, link()))
    same = made(wire.patch(f"{LINKS}/one", {"spec": {"number": 65010}}))
    assert same["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_generation_follows_the_spec_alone(wire):
    made(wire.post(LINKS, link()))
    labelled = made(wire.patch(f"{LINKS}/one", {"metadata": {"labels": {"a": "b"}}}))
    assert labelled["metadata"]["generation"] == 1
    status = made(wire.patch(f"{LINKS}/one/status", {"status": {"speakers": [{"node": "a"}]}}))
    assert status["metadata"]["generation"] == 1
    assert made(wire.patch(f"{LINKS}/one", {"spec": {"number": 1}}))["metadata"]["generation"] == 2


def test_status_and_the_rest_are_apart(wire):
    body = link() | {"status": {"speakers": [{"node": "a"}]}}
    assert "status" not in made(wire.post(LINKS, body))
    patch = {"spec": {"number": 1}, "metadata": {"labels": {"a": "b"}}, "status": {"speakers": [{"node": "b"}]}}
    both = made(wire.patch(f"{LINKS}/one/status", patch))
    assert both["status"] == {"speakers": [{"node": "b"}]}
    assert both["spec"]["number"] == 65010
    assert "labels" not in both["metadata"]
    main = made(wire.patch(f"{LINKS}/one", {"status": {"speakers": []}}))
    assert main["status"] == {"speakers": [{"node": "b"}]}


def test_merge_patch_replaces_lists_and_removes_by_null(wire):
    made(wire.post(LINKS, link(mode="active")))
    after = made(wire.patch(f"{LINKS}/one", {"spec": {"speakers": ["b"], "mode": None}}))
    assert after["spec"]["speakers"] == ["b"]
    assert "mode" not in after["spec"]


def test_json_patch(wire):
    made(wire.post(LINKS, link()))
    patch = [
        {"op": "test", "path": "/spec/number", "value": 65010},
        {"op": "add", "path": "/spec/speakers/-", "value": "node-3"},
        {"op": "remove", "path": "/spec/peer"},
    ]
    after = made(wire.patch(f"{LINKS}/one", patch, JSON_PATCH))
    assert after["spec"]["speakers"] == ["node-1", "node-2", "node-3"]
    assert "peer" not in after["spec"]
    assert wire.patch(f"{LINKS}/one", patch[2:], JSON_PATCH).status == 422
    assert wire.patch(f"{LINKS}/one", [{"op": "test", "path": "/spec/number", "value": 1}], JSON_PATCH).status == 422
    assert wire.patch(f"{LINKS}/one", {"op": "add"}, JSON_PATCH).status == 400


def test_strategic_patch_merges_conditions_by_type(wire):
    made(wire.post(NODES, node()))
    path = f"{NODES}/double-1/status"
    for kind, status in (("A", "True"), ("B", "True"), ("A", "False")):
        made(wire.patch(path, {"status": {"conditions": [{"type": kind, "status": status}]}}, STRATEGIC))
    found = {each["type"]: each["status"] for each in wire.get(path).json["status"]["conditions"]}
    assert (found["A"], found["B"]) == ("False", "True")
    gone = {"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}
    left = made(wire.patch(path, gone, STRATEGIC))["status"]["conditions"]
    assert "A" not in [each["type"] for each in left]


def test_merge_patch_replaces_all_conditions(wire):
    made(wire.post(NODES, node()))
    path = f"{NODES}/double-1/status"
    for kind in ("A", "B"):
        made(wire.patch(path, {"status": {"conditions": [{"type": kind, "status": "True"}]}}))
    assert [each["type"] for each in wire.get(path).json["status"]["conditions"]] == ["B"]


def test_a_custom_resource_takes_no_strategic_patch(wire):
    made(wire.post(LINKS, link()))
    answer = wire.patch(f"{LINKS}/one", {"spec": {}}, STRATEGIC)
    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")
    assert wire.patch(f"{LINKS}/one", {"spec": {}}, "application/json").status == 415


def test_pod_cidr_of_a_node_is_set_once(wire):
    made(wire.post(NODES, node()))
    set_once = made(wire.patch(f"{NODES}/double-1", {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}}))
    assert set_once["spec"]["podCIDR"] == "10.0.0.0/24"
    again = {"spec": {"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.1.0/24"]}}
    assert wire.patch(f"{NODES}/double-1", again).status == 422


def speaker(name, state="up"):
    return link_status(speakers=[{"node": name, "state": state}])


def test_appliers_keep_their_own_entries_of_a_keyed_list(wire):
    made(wire.post(LINKS, link()))
    made(wire.apply(f"{LINKS}/one/status", speaker("a"), "agent-a"))
    both = made(wire.apply(f"{LINKS}/one/status", speaker("b"), "agent-b"))
    assert both["status"]["speakers"] == [{"node": "a", "state": "up"}, {"node": "b", "state": "up"}]
    owners = {(each["manager"], each.get("subresource")) for each in both["metadata"]["managedFields"]}
    assert {("agent-a", "status"), ("agent-b", "status")} <= owners
    left = made(wire.apply(f"{LINKS}/one/status", link_status(), "agent-a"))
    assert left["status"]["speakers"] == [{"node": "b", "state": "up"}]


def test_a_field_of_another_applier_is_a_conflict_unless_forced(wire):
    made(wire.post(LINKS, link()))
    made(wire.apply(f"{LINKS}/one/status", speaker("a"), "agent-a"))
    made(wire.apply(f"{LINKS}/one/status", speaker("a"), "second"))  # the same value is no conflict
    answer = wire.apply(f"{LINKS}/one/status", speaker("a", "down"), "third")
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert ("FieldManagerConflict", '.status.speakers[node="a"].state') in answer.causes
    taken = made(wire.apply(f"{LINKS}/one/status", speaker("a", "down"), "third", force="true"))
    assert taken["status"]["speakers"] == [{"node": "a", "state": "down"}]
    assert wire.apply(f"{LINKS}/one/status", speaker("a"), "agent-a").status == 409


def test_apply_creates_and_lets_go(wire):
    assert wire.apply(f"{LINKS}/one", link(mode="active"), "me").status == 201
    after = made(wire.apply(f"{LINKS}/one", link(), "me"))
    assert "mode" not in after["spec"]
    same = made(wire.apply(f"{LINKS}/one", link(), "me"))
    assert same["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


def test_a_field_stays_while_somebody_owns_it(wire):
    for manager in ("me", "you"):
        made(wire.apply(f"{LINKS}/one", link(mode="active"), manager))
    assert made(wire.apply(f"{LINKS}/one", link(), "me"))["spec"]["mode"] == "active"
    assert "mode" not in made(wire.apply(f"{LINKS}/one", link(), "you"))["spec"]


def test_what_an_apply_must_say(wire):
    assert wire.patch(f"{LINKS}/one", b"{}", "application/apply-patch+yaml", fieldManager="me").status == 400
    assert wire.apply(f"{LINKS}/one", link(), "").status == 422
    assert wire.apply(f"{LINKS}/other", link(), "me").status == 400
    assert wire.apply(f"{LINKS}/one/status", link_status(), "me").status == 404
    made(wire.post(LINKS, link()))
    assert wire.patch(f"{LINKS}/one", {"spec": {}}, force="true").status == 422


def test_an_update_takes_the_ownership_of_what_it_changes(wire):
    made(wire.apply(f"{LINKS}/one", link(), "me"))
    made(wire.patch(f"{LINKS}/one", {"spec": {"number": 7}}, fieldManager="you"))
    fields = wire.get(f"{LINKS}/one").json["metadata"]["managedFields"]
    owners = {each["manager"]: each["fieldsV1"]["f:spec"] for each in fields}
    assert "f:number" in owners["you"]
    assert "f:number" not in owners["me"]
    answer = wire.apply(f"{LINKS}/one", link(number=8), "me")
    assert answer.status == 409
    assert 'conflict with "you"' in answer.message


def test_finalizers_keep_an_object(wire):
    body = link()
    body["metadata"]["finalizers"] = ["double.test/keep"]
    made(wire.post(LINKS, body))
    marked = wire.delete(f"{LINKS}/one")
    assert marked.status == 200
    assert marked.json["metadata"]["deletionTimestamp"]
    assert wire.get(f"{LINKS}/one").status == 200
    more = {"metadata": {"finalizers": ["double.test/keep", "double.test/more"]}}
    assert wire.patch(f"{LINKS}/one", more).status == 422
    made(wire.patch(f"{LINKS}/one", {"metadata": {"finalizers": None}}))
    assert wire.get(f"{LINKS}/one").status == 404


def test_deletion_with_preconditions(wire):
    uid = made(wire.post(LINKS, link()))["metadata"]["uid"]
    other = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    assert wire.delete(f"{LINKS}/one", other).status == 409
    gone = wire.delete(f"{LINKS}/one", {"preconditions": {"uid": uid}})
    assert (gone.status, gone.json["kind"], gone.json["status"]) == (200, "Status", "Success")
    assert gone.json["details"]["uid"] == uid
    assert wire.delete(f"{LINKS}/one").status == 404


def test_a_collection_is_deleted_by_selector(wire):
    for name, color in (("double-1", "red"), ("double-2", "blue"), ("double-3", "red")):
        made(wire.post(NODES, node(name, color=color)))
    assert wire.delete(NODES, labelSelector="color=red").status == 200
    left = [each["metadata"]["name"] for each in wire.get(NODES, labelSelector="color").json["items"]]
    assert left == ["double-2"]


def test_a_dry_run_changes_nothing(wire):
    assert made(wire.post(LINKS, link(), dryRun="All"))["spec"]["hold"] == 90
    assert wire.get(f"{LINKS}/one").status == 404
    assert wire.post(LINKS, link(number=0), dryRun="All").status == 422
    assert wire.post(LINKS, link(), dryRun="Some").status == 422


def names(answer):
    return [each["metadata"]["name"] for each in answer.json["items"]]


def test_pages_show_one_moment(wire):
    for index in range(5):
        made(wire.post(LINKS, link(f"l{index}")))
    first = wire.get(LINKS, limit=2)
    assert first.json["metadata"]["remainingItemCount"] == 3
    wire.delete(f"{LINKS}/l3")
    made(wire.post(LINKS, link("l9")))
    second = wire.get(LINKS, limit=2, **{"continue": first.json["metadata"]["continue"]})
    third = wire.get(LINKS, limit=2, **{"continue": second.json["metadata"]["continue"]})
    assert names(first) + names(second) + names(third) == ["l0", "l1", "l2", "l3", "l4"]
    assert first.json["metadata"]["resourceVersion"] == third.json["metadata"]["resourceVersion"]
    assert "continue" not in third.json["metadata"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("color=red", ["double-1"]),
        ("color!=red,shape", ["double-2"]),
        ("color in (red, blue)", ["double-1", "double-2"]),
        ("color notin (red),shape", ["double-2"]),
        ("!color,shape", []),
    ],
)
def test_label_selectors(wire, selector, found):
    made(wire.post(NODES, node("double-1", color="red", shape="round")))
    made(wire.post(NODES, node("double-2", color="blue", shape="square")))
    assert names(wire.get(NODES, labelSelector=selector)) == found


def test_field_selectors(wire):
    made(wire.post(LINKS, link("one")))
    made(wire.post(LINKS, link("two", peer="192.0.2.2")))
    assert names(wire.get(LINKS, fieldSelector="spec.peer=192.0.2.2")) == ["two"]
    assert names(wire.get(LINKS, fieldSelector="metadata.name!=two")) == ["one"]
    assert wire.get(LINKS, fieldSelector="spec.number=1").status == 400
    assert wire.get(NODES, labelSelector="a b").status == 400


def test_a_version_of_the_future_is_a_timeout(wire):
    answer = wire.get(LINKS, resourceVersion=str(2**60), resourceVersionMatch="NotOlderThan")
    assert (answer.status, answer.reason) == (504, "Timeout")
    assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert wire.get(LINKS, resourceVersion="soon").status == 400


def test_a_watch_goes_on_where_a_list_ended(wire):
    made(wire.post(LINKS, link("one")))
    version = wire.get(LINKS).json["metadata"]["resourceVersion"]
    with wire.watch(LINKS, resourceVersion=version) as stream:
        made(wire.post(LINKS, link("two")))
        made(wire.patch(f"{LINKS}/one", {"spec": {"number": 1}}))
        last = wire.get(f"{LINKS}/one").json["metadata"]["resourceVersion"]
        wire.delete(f"{LINKS}/one")
        assert stream.named() == ("ADDED", "two")
        assert stream.named() == ("MODIFIED", "one")
        kind, value = stream.next()
        assert (kind, value["metadata"]["name"], value["spec"]["number"]) == ("DELETED", "one", 1)
        assert int(value["metadata"]["resourceVersion"]) > int(last)


def test_a_watch_from_nothing_begins_with_what_there_is(wire):
    made(wire.post(LINKS, link("one")))
    with wire.watch(LINKS, resourceVersion="0") as stream:
        assert stream.named() == ("ADDED", "one")
        made(wire.post(LINKS, link("two")))
        assert stream.named() == ("ADDED", "two")


def test_versions_of_a_watch_rise(wire):
    version = wire.get(LINKS).json["metadata"]["resourceVersion"]
    with wire.watch(LINKS, resourceVersion=version) as stream:
        for index in range(5):
            made(wire.post(LINKS, link(f"l{index}")))
        seen = [int(stream.next()[1]["metadata"]["resourceVersion"]) for _ in range(5)]
    assert all(first < second for first, second in pairwise(seen))


def test_leaving_a_selection_is_a_deletion(wire):
    made(wire.post(NODES, node("double-1", color="red")))
    version = wire.get(NODES).json["metadata"]["resourceVersion"]
    with wire.watch(NODES, resourceVersion=version, labelSelector="color=red") as stream:
        made(wire.patch(f"{NODES}/double-1", {"metadata": {"labels": {"color": "blue"}}}))
        kind, value = stream.next()
        assert (kind, value["metadata"]["labels"]["color"]) == ("DELETED", "red")
        made(wire.patch(f"{NODES}/double-1", {"metadata": {"labels": {"color": "red"}}}))
        assert stream.named() == ("ADDED", "double-1")


def test_a_watch_of_one_namespace_hears_of_no_other(wire):
    version = wire.get(CONFIGS).json["metadata"]["resourceVersion"]
    elsewhere = CONFIGS.replace("default", "kube-public")
    with wire.watch(CONFIGS, resourceVersion=version) as stream:
        try:
            made(wire.post(elsewhere, config("double-elsewhere", "kube-public")))
            made(wire.post(CONFIGS, config("double-here")))
            assert stream.named() == ("ADDED", "double-here")
        finally:
            wire.delete(f"{elsewhere}/double-elsewhere")


def test_a_watch_ends_in_time_with_a_bookmark(wire):
    version = wire.get(LINKS).json["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "timeoutSeconds": 3, "allowWatchBookmarks": "true"}
    with wire.watch(LINKS, **query) as stream:
        kind, value = stream.next()
        assert kind == "BOOKMARK"
        assert value["kind"] == "Link"
        assert int(value["metadata"]["resourceVersion"]) >= int(version)
        assert "name" not in value["metadata"]
        assert stream.line() == b""


def test_initial_events_end_with_a_bookmark(wire):
    made(wire.post(LINKS, link("one")))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with wire.watch(LINKS, **query) as stream:
        assert stream.named() == ("ADDED", "one")
        kind, value = stream.next()
        assert kind == "BOOKMARK"
        assert value["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert wire.get(LINKS, watch="true", sendInitialEvents="true").status == 422


def test_a_watch_of_the_past_is_an_error_event(wire):
    with wire.watch(LINKS, resourceVersion="1") as stream:
        assert stream.status == 200
        kind, value = stream.next()
        assert (kind, value["kind"], value["code"], value["reason"]) == ("ERROR", "Status", 410, "Expired")
        assert stream.line() == b""


def event(name, namespace, involved):
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": involved, "reason": "R"}


def test_events_lie_where_their_object_is(wire):
    about = {"apiVersion": f"{manifests.GROUP}/v1", "kind": "Link", "name": "one", "uid": "u"}
    assert wire.post(EVENTS.format("default"), event("double-e", "default", about)).status == 201
    elsewhere = wire.post(EVENTS.format("kube-system"), event("double-e", "kube-system", about))
    assert (elsewhere.status, elsewhere.reason) == (422, "Invalid")
    assert ("FieldValueInvalid", "involvedObject.namespace") in elsewhere.causes
    found = wire.get(EVENTS.format("default"), fieldSelector="involvedObject.uid=u,involvedObject.namespace=")
    assert names(found) == ["double-e"]


def test_a_namespace_must_be_there(wire):
    answer = wire.post("/api/v1/namespaces/double-none/configmaps", config("a", "double-none"))
    assert (answer.status, answer.message) == (404, 'namespaces "double-none" not found')
    assert wire.post(CONFIGS, config("a", "kube-system")).status == 400
    assert wire.put(f"{CONFIGS}/double-a", config("double-b")).status == 400


def test_secrets_hold_base64(wire):
    path = "/api/v1/namespaces/default/secrets"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "double-s"}, "stringData": {"a": "b"}}
    try:
        found = made(wire.post(path, body))
        assert (found["data"], found["type"]) == ({"a": "Yg=="}, "Opaque")
        assert "stringData" not in found
        assert wire.patch(f"{path}/double-s", {"data": {"a": "no base64!"}}).status == 422
        assert wire.post(path, body | {"data": {"a": "no base64!"}}).status == 400
    finally:
        wire.delete(f"{path}/double-s")


def test_sealed_config(wire):
    made(wire.post(CONFIGS, config("double-c", a="b") | {"immutable": True}))
    assert wire.patch(f"{CONFIGS}/double-c", {"data": {"a": "c"}}).status == 422
    made(wire.patch(f"{CONFIGS}/double-c", {"metadata": {"labels": {"a": "b"}}}))


def test_tables(wire):
    made(wire.post(LINKS, link()))
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    table = wire.get(LINKS, headers=accept).json
    assert table["kind"] == "Table"
    columns = [(each["name"], each["priority"]) for each in table["columnDefinitions"]]
    assert columns == [("Name", 0), ("Speakers", 0), ("Number", 0), ("Up", 1), ("Age", 0)]
    row = table["rows"][0]
    assert row["cells"][:4] == ["one", '["node-1","node-2"]', 65010, None]
    assert row["object"]["kind"] == "PartialObjectMetadata"


def test_metadata_alone(wire):
    made(wire.post(LINKS, link()))
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    found = wire.get(LINKS, headers=accept).json
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0]["metadata"]["name"] == "one"
    assert "spec" not in found["items"][0]
    assert wire.get(LINKS, headers={"Accept": "text/html"}).status == 406


def test_discovery(wire):
    found = {each["name"]: each for each in wire.get(f"/apis/{manifests.GROUP}/v1").json["resources"]}
    assert found["links"]["kind"] == "Link"
    assert found["links"]["shortNames"] == ["lnk"]
    assert set(found["links/status"]["verbs"]) == {"get", "patch", "update"}
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    groups = wire.get("/apis", headers=accept).json
    assert groups["kind"] == "APIGroupDiscoveryList"
    assert manifests.GROUP in [each["metadata"]["name"] for each in groups["items"]]
    assert manifests.GROUP in [each["name"] for each in wire.get("/apis").json["groups"]]
    assert f"apis/{manifests.GROUP}/v1" in wire.get("/openapi/v3").json["paths"]


def test_version_and_health(wire):
    assert int(wire.get("/version").json["minor"].rstrip("+")) >= 31
    assert wire.get("/readyz").body == b"ok"
    assert wire.ask("PUT", LINKS, link()).status == 405


def test_pods_of_a_node(wire):
    """A pod that is bound stays for its grace period, one that is not is gone at once."""
    made(wire.post(PODS, pod("double-free")))
    assert wire.delete(f"{PODS}/double-free").status == 200
    assert wire.get(f"{PODS}/double-free").status == 404
    made(wire.post(PODS, pod("double-bound", "double-nowhere")))
    assert names(wire.get("/api/v1/pods", fieldSelector="spec.nodeName=double-nowhere")) == ["double-bound"]
    assert made(wire.delete(f"{PODS}/double-bound"))["metadata"]["deletionGracePeriodSeconds"] == 30
    assert wire.get(f"{PODS}/double-bound").status == 200
    made(wire.delete(f"{PODS}/double-bound", gracePeriodSeconds=0))
    assert wire.get(f"{PODS}/double-bound").status == 404
