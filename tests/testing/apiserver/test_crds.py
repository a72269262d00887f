"""CustomResourceDefinitions: what is refused, and what follows from one that comes, changes or goes."""

from __future__ import annotations

from copy import deepcopy

import pytest

from terway_edge.testing.apiserver import ApiServer, Server, Settings, listen
from tests.testing.apiserver.manifests import CRDS, GROUP, LINKS, crd, link
from tests.testing.apiserver.wire import Wire

NAME = f"{CRDS}/links.{GROUP}"


@pytest.fixture
def fresh():
    """A server without the CRD."""
    api = ApiServer()
    with Server(api, listen()) as server:
        yield Wire(server.url)


def rules(rule):
    return crd(peer={"type": "string", "x-kubernetes-validations": [rule]})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"peer": {"format": "ipv4"}}, "properties[peer].type"),
        ({"peer": {"type": "string", "$ref": "#/x"}}, "properties[peer].$ref"),
        ({"peer": {"type": "string", "x-kubernetes-odd": True}}, "properties[peer].x-kubernetes-odd"),
        ({"peer": {"type": "string", "pattern": "("}}, "properties[peer].pattern"),
        ({"peer": {"type": "array"}}, "properties[peer].items"),
        (
            {"peer": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}},
            "properties[peer].x-kubernetes-list-map-keys",
        ),
    ],
)
def test_schemas_must_be_structural(fresh, change, field):
    answer = fresh.post(CRDS, crd(**change))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert any(each.endswith(field) for _, each in answer.causes), answer.causes


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "self.startsWith("},
        {"rule": "timestamp(self) < now"},
        {"rule": "quantity(self).isInteger()"},
        {"rule": "unknown == 1"},
        {"rule": "self == 'a'", "messageExpression": "'b'"},
    ],
)
def test_rules_that_would_not_be_evaluated_are_refused(fresh, rule):
    answer = fresh.post(CRDS, rules(rule))
    assert answer.status == 422
    assert "x-kubernetes-validations[0]" in answer.message


def test_columns_have_a_type_of_scalars(fresh):
    body = crd()
    body["spec"]["versions"][0]["additionalPrinterColumns"][0]["type"] = "array"
    assert "must be one of boolean,date,integer,number,string" in fresh.post(CRDS, body).message
    body["spec"]["versions"][0]["additionalPrinterColumns"][0] |= {"type": "string", "jsonPath": "spec"}
    assert fresh.post(CRDS, body).status == 422


def test_the_name_is_made_of_plural_and_group(fresh):
    assert fresh.post(CRDS, crd() | {"metadata": {"name": "other.example.com"}}).status == 422


def test_a_definition_is_established_and_served(fresh):
    assert fresh.get(LINKS).status == 404
    made = fresh.post(CRDS, crd())
    conditions = {each["type"]: each["status"] for each in made.json["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made.json["status"]["storedVersions"] == ["v1"]
    assert fresh.get(LINKS).json["items"] == []


def test_names_are_given_once(fresh):
    fresh.post(CRDS, crd())
    other = crd()
    other["metadata"]["name"] = f"others.{GROUP}"
    other["spec"]["names"] = {"kind": "Link", "plural": "others"}
    conditions = {each["type"]: each["status"] for each in fresh.post(CRDS, other).json["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "False", "Established": "False"}
    assert fresh.get(f"/apis/{GROUP}/v1/others").status == 404


def test_a_changed_schema_holds_at_once(api, wire):
    api.objects.put(crd(number={"type": "integer", "minimum": 5}))
    assert wire.post(LINKS, link(number=4)).status == 422
    assert wire.post(LINKS, link(number=5)).status == 201


def test_objects_go_with_their_definition(api, wire):
    api.objects.put(link())
    with wire.watch(LINKS, resourceVersion=str(api.revision)) as stream:
        api.watches.wait(1)
        wire.delete(NAME)
        assert stream.named() == ("DELETED", "one")
        assert stream.line() == b""
    assert wire.get(LINKS).status == 404
    wire.post(CRDS, crd())
    assert wire.get(LINKS).json["items"] == []


def test_a_new_resource_settles_first():
    api = ApiServer(Settings(settling=30))
    with Server(api, listen()) as server:
        wire = Wire(server.url)
        wire.post(CRDS, crd())
        answer = wire.get(LINKS)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        api.clock.skew += 31
        assert wire.get(LINKS).status == 200


def test_two_versions_of_one_object(fresh):
    body = crd()
    body["spec"]["versions"].append(deepcopy(body["spec"]["versions"][0]) | {"name": "v1beta1", "storage": False})
    fresh.post(CRDS, body)
    old = f"/apis/{GROUP}/v1beta1/links"
    assert fresh.post(old, link() | {"apiVersion": f"{GROUP}/v1beta1"}).status == 201
    assert fresh.get(f"{LINKS}/one").json["apiVersion"] == f"{GROUP}/v1"
    assert fresh.patch(f"{old}/one", {"spec": {"number": 2}}).json["apiVersion"] == f"{GROUP}/v1beta1"
    assert fresh.get(LINKS).json["items"][0]["apiVersion"] == f"{GROUP}/v1"
    assert fresh.get(f"/apis/{GROUP}").json["preferredVersion"]["version"] == "v1"


def test_transition_rules_want_an_old_value(fresh):
    fresh.post(CRDS, rules({"rule": "self == oldSelf", "message": "peer is immutable"}))
    assert fresh.post(LINKS, link(peer="a")).status == 201
    assert "peer is immutable" in fresh.patch(f"{LINKS}/one", {"spec": {"peer": "b"}}).message
    assert fresh.patch(f"{LINKS}/one", {"spec": {"number": 3}}).status == 200


def test_group_and_scope_stay(wire):
    assert wire.patch(NAME, {"spec": {"scope": "Namespaced"}}).status == 422
