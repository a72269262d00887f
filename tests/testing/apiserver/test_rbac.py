"""Tokens and roles."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver import ADMIN, Settings, User, service_account
from tests.testing.apiserver.manifests import NODES, config, node
from tests.testing.apiserver.wire import Wire

RBAC = "rbac.authorization.k8s.io/v1"
CONFIGS = "/api/v1/namespaces/{}/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
def settings():
    return Settings(rbac=True)


@pytest.fixture
def admin(api, server):
    return Wire(server.url, token=api.tokens.add(ADMIN))


@pytest.fixture
def agent(api, server):
    return Wire(server.url, token=api.tokens.add(service_account("kube-system", "agent")))


def role(kind, rules, namespace=""):
    meta = {"name": "agent"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": RBAC, "kind": kind, "metadata": meta, "rules": rules}


def binding(kind, of, namespace="", subject=None):
    meta = {"name": "agent"} | ({"namespace": namespace} if namespace else {})
    subject = subject or {"kind": "ServiceAccount", "name": "agent", "namespace": "kube-system"}
    reference = {"apiGroup": RBAC.partition("/")[0], "kind": of, "name": "agent"}
    return {"apiVersion": RBAC, "kind": kind, "metadata": meta, "roleRef": reference, "subjects": [subject]}


def rule(resources, verbs, group="", **more):
    return {"apiGroups": [group], "resources": resources, "verbs": verbs} | more


def test_tokens(api, server, agent):
    for token in ("", "wrong"):
        answer = Wire(server.url, token=token).get(NODES)
        assert (answer.status, answer.reason, answer.message) == (401, "Unauthorized", "Unauthorized")
    assert Wire(server.url).get("/readyz").status == 200
    token = api.tokens.add(ADMIN)
    assert Wire(server.url, token=token).get(NODES).status == 200
    api.tokens.revoke(token)
    assert Wire(server.url, token=token).get(NODES).status == 401


def test_without_a_role_all_is_forbidden(agent):
    answer = agent.get(f"{NODES}/a")
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.message == (
        'nodes "a" is forbidden: User "system:serviceaccount:kube-system:agent" cannot get resource "nodes" '
        'in API group "" at the cluster scope'
    )
    assert agent.get("/apis").status == 200
    assert agent.get("/metrics").status == 403


def test_a_cluster_role_is_for_the_whole_cluster(api, agent):
    api.objects.put(role("ClusterRole", [rule(["nodes"], ["get", "list"]), rule(["nodes/status"], ["patch"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole"))
    api.objects.put(node("a"))
    assert agent.get(NODES).status == 200
    assert agent.get(NODES, watch="true").status == 403
    assert agent.patch(f"{NODES}/a/status", {"status": {"phase": "x"}}).status == 200
    assert agent.patch(f"{NODES}/a", {"metadata": {"labels": {}}}).status == 403
    assert agent.put(f"{NODES}/a/status", node("a")).status == 403


def test_a_role_is_for_its_namespace(api, agent):
    api.objects.put(role("Role", [rule(["configmaps"], ["*"])], "kube-system"))
    api.objects.put(binding("RoleBinding", "Role", "kube-system"))
    assert agent.post(CONFIGS.format("kube-system"), config("a", "kube-system")).status == 201
    assert agent.get(CONFIGS.format("default")).status == 403
    assert agent.get("/api/v1/configmaps").status == 403


def test_names_bind_lists_by_field_selector_only(api, agent):
    api.objects.put(role("Role", [rule(["secrets"], ["get", "list", "watch"], resourceNames=["bgp"])], "kube-system"))
    api.objects.put(binding("RoleBinding", "Role", "kube-system"))
    path = "/api/v1/namespaces/kube-system/secrets"
    assert agent.get(f"{path}/bgp").status == 404
    assert agent.get(f"{path}/other").status == 403
    assert agent.get(path).status == 403
    assert agent.get(path, fieldSelector="metadata.name=bgp").status == 200
    assert agent.get(path, fieldSelector="metadata.name=other").status == 403


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "User", "name": "system:serviceaccount:kube-system:agent"},
        {"kind": "Group", "name": "system:serviceaccounts:kube-system"},
        {"kind": "Group", "name": "system:authenticated"},
    ],
)
def test_subjects(api, agent, subject):
    api.objects.put(role("ClusterRole", [rule(["*"], ["list"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole", subject=subject))
    assert agent.get(NODES).status == 200


def test_rules_of_other_groups_and_verbs_do_not_help(api, agent):
    api.objects.put(role("ClusterRole", [rule(["nodes"], ["list"], "apps"), rule(["nodes"], ["get"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole"))
    assert agent.get(NODES).status == 403


def access(verb, resource, **more):
    spec = {"resourceAttributes": {"verb": verb, "resource": resource, **more}}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}


def test_reviews(api, agent, admin):
    api.objects.put(role("ClusterRole", [rule(["nodes/status"], ["patch"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole"))
    assert agent.post(REVIEWS, access("patch", "nodes", subresource="status")).json["status"]["allowed"] is True
    assert agent.post(REVIEWS, access("patch", "nodes")).json["status"]["allowed"] is False
    asked = {"Impersonate-User": "system:serviceaccount:kube-system:agent"}
    assert admin.post(REVIEWS, access("patch", "nodes"), headers=asked).json["status"]["allowed"] is False
    rules = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "x"}}
    found = agent.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", rules).json["status"]
    assert [each["resources"] for each in found["resourceRules"]] == [["nodes/status"]]
    who = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = agent.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", who).json["status"]
    assert found["userInfo"]["username"] == "system:serviceaccount:kube-system:agent"


def test_a_token_of_a_service_account(api, server, admin):
    path = "/api/v1/namespaces/default/serviceaccounts"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    assert admin.post(f"{path}/a/token", body).status == 404
    api.objects.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "default"}})
    made = admin.post(f"{path}/a/token", body)
    assert made.status == 201
    refused = Wire(server.url, token=made.json["status"]["token"]).get(NODES)
    assert 'User "system:serviceaccount:default:a"' in refused.message


def test_what_was_used_can_be_compared_with_the_role(api, agent):
    api.objects.put(role("ClusterRole", [rule(["nodes", "pods"], ["list"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole"))
    agent.get(NODES)
    agent.get(f"{NODES}/a")
    assert {(verb, resource) for verb, _, resource, _, _ in api.log.uses} == {("list", "nodes")}


def test_a_user_without_groups(api, server):
    api.objects.put(role("ClusterRole", [rule(["nodes"], ["list"])]))
    api.objects.put(binding("ClusterRoleBinding", "ClusterRole", subject={"kind": "User", "name": "jane"}))
    assert Wire(server.url, token=api.tokens.add(User("jane"))).get(NODES).status == 200
    assert Wire(server.url, token=api.tokens.add(User("john"))).get(NODES).status == 403
