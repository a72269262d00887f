"""Query parameters that are refused."""

from __future__ import annotations

import pytest

from tests.testing.apiserver.manifests import LINKS, link

SENDS = {"watch": "true", "sendInitialEvents": "true"}


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ({"limit": "many"}, 400, "limit"),
        ({"timeoutSeconds": "1s"}, 400, "timeoutSeconds"),
        ({"resourceVersion": "-1"}, 400, "resource version"),
        ({"resourceVersionMatch": "Odd", "resourceVersion": "1"}, 422, "Unsupported value"),
        ({"resourceVersionMatch": "NotOlderThan"}, 422, "unless resourceVersion is provided"),
        ({"resourceVersionMatch": "NotOlderThan", "watch": "1", "resourceVersion": "1"}, 422, "for watch"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "x"}, 422, "when continue is provided"),
        ({"sendInitialEvents": "true"}, 422, "forbidden for list"),
        ({**SENDS, "resourceVersionMatch": "Exact", "resourceVersion": "1"}, 422, "requires setting"),
        ({"continue": "e30"}, 400, "continue key is not valid"),
        ({"fieldSelector": "odd"}, 400, "invalid selector"),
        ({"fieldSelector": "metadata.namespace=a"}, 400, "not supported"),
    ],
)
def test_lists(wire, query, code, said):
    answer = wire.get(LINKS, **query)
    assert answer.status == code
    assert said in answer.message


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"fieldValidation": "Odd"}, "fieldValidation"),
        ({"fieldManager": "x" * 129}, "fieldManager"),
        ({"dryRun": "some"}, "dryRun"),
    ],
)
def test_writes(wire, query, said):
    answer = wire.post(LINKS, link(), **query)
    assert (answer.status, said in answer.message) == (422, True)
    assert wire.get(f"{LINKS}/one").status == 404


@pytest.mark.parametrize(
    "body", [{"propagationPolicy": "Odd"}, {"gracePeriodSeconds": -1}, {"gracePeriodSeconds": "1"}, {"dryRun": ["x"]}]
)
def test_deletes(api, wire, body):
    api.objects.put(link())
    assert wire.delete(f"{LINKS}/one", body).status == 422
    assert wire.delete(f"{LINKS}/one", {"dryRun": ["All"]}).status == 200
    assert wire.get(f"{LINKS}/one").status == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", f"{LINKS}/one", 405),
        ("PATCH", LINKS, 405),
        ("DELETE", f"{LINKS}/one/status", 405),
        ("GET", f"{LINKS}/one/scale", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("OPTIONS", LINKS, 405),
        ("POST", "/apis", 405),
        ("POST", "/none", 404),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
    ],
)
def test_methods_and_paths(wire, method, path, code):
    answer = wire.ask(method, path, {} if method in ("POST", "PATCH") else None)
    assert answer.status == code
    assert answer.json["kind"] == "Status"
