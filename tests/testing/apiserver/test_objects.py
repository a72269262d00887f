"""Rules of single kinds, namespaces, and changes from outside."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver import ApiError
from tests.testing.apiserver.manifests import LINKS, NODES, config, lease, link, node, pod

NAMESPACES = "/api/v1/namespaces"


def test_outside_puts_and_patches_as_the_api_would(api, wire):
    made = api.objects.put(link() | {"status": {"speakers": [{"node": "a"}]}})
    assert made["status"] == {"speakers": [{"node": "a"}]}
    again = api.objects.put(link(number=7))
    assert (again["spec"]["number"], again["metadata"]["generation"]) == (7, 2)
    assert again["status"] == made["status"]
    assert wire.get(f"{LINKS}/one").json == again
    assert api.objects.list("Link") == [again]
    api.objects.delete("Link", "one")
    assert wire.get(f"{LINKS}/one").status == 404
    assert api.log.calls("create links") == []


def test_outside_is_refused_what_the_api_refuses(api):
    for body, code in ((link(number=0), 422), (link(bogus=1), 400), (config("a", "none"), 404)):
        with pytest.raises(ApiError) as caught:
            api.objects.put(body)
        assert caught.value.code == code
    with pytest.raises(KeyError):
        api.objects.put({"apiVersion": "none/v1", "kind": "None", "metadata": {"name": "a"}})
    with pytest.raises(ApiError):
        api.objects.get("v1 Node", "none")


def test_what_is_read_is_the_readers_own(api):
    api.objects.put(link())
    api.objects.get("Link", "one")["spec"]["number"] = 1
    assert api.objects.get("Link", "one")["spec"]["number"] == 65010


def test_a_namespace_goes_with_all_in_it(api, wire):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
    assert wire.post(NAMESPACES, space).json["status"] == {"phase": "Active"}
    api.objects.put(config("a", "x"))
    assert wire.delete(f"{NAMESPACES}/x").json["status"]["phase"] == "Terminating"
    assert wire.get(f"{NAMESPACES}/x").status == 404
    assert wire.get("/api/v1/configmaps").json["items"] == []


def test_a_namespace_waits_for_finalizers(api, wire):
    api.objects.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    for name in ("a", "b"):
        held = config(name, "x")
        held["metadata"]["finalizers"] = ["a.b/c"]
        api.objects.put(held)
    wire.delete(f"{NAMESPACES}/x")
    assert wire.get(f"{NAMESPACES}/x").json["status"]["phase"] == "Terminating"
    refused = wire.post(f"{NAMESPACES}/x/configmaps", config("b", "x"))
    assert (refused.status, refused.json["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    api.objects.patch("ConfigMap", "a", {"metadata": {"finalizers": None}}, "x")
    assert wire.get(f"{NAMESPACES}/x").status == 200
    api.objects.patch("ConfigMap", "b", {"metadata": {"finalizers": None}}, "x")
    assert wire.get(f"{NAMESPACES}/x").status == 404


@pytest.mark.parametrize(
    "body",
    [
        node("Upper"),
        node("a", **{"bad key!": "x"}),
        node("a", a="bad value!"),
        node("a") | {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.1.0/24"]}},
        node("a") | {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}] * 2}},
        lease("a", "x") | {"spec": {"leaseDurationSeconds": 0}},
        pod("a") | {"spec": {"containers": [{"name": "c"}]}},
    ],
)
def test_objects_that_are_invalid(api, body):
    with pytest.raises(ApiError) as caught:
        api.objects.put(body)
    assert caught.value.code == 422


def test_a_bound_pod_ends_when_its_kubelet_says_so(api, wire):
    path = "/api/v1/namespaces/default/pods/a"
    api.objects.put(pod("a", "n"))
    first = wire.delete(path).json["metadata"]
    shorter = wire.delete(path, gracePeriodSeconds=5).json["metadata"]
    longer = wire.delete(path, {"gracePeriodSeconds": 20}).json["metadata"]
    assert [each["deletionGracePeriodSeconds"] for each in (first, shorter, longer)] == [30, 5, 5]
    assert wire.patch(path, {"spec": {"nodeName": "other"}}).status == 422
    api.objects.delete("Pod", "a", "default")
    assert wire.get(path).status == 404


def daemon_set(**labels):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    meta = {"name": "d", "namespace": "kube-system"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}


def test_a_daemon_set_selects_its_own_pods(api):
    made = api.objects.put(daemon_set(app="x"))
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert made["metadata"]["generation"] == 1
    wrong = daemon_set(app="y")
    for body in (wrong, daemon_set(app="y") | {"spec": wrong["spec"] | {"selector": {"matchLabels": {"app": "y"}}}}):
        with pytest.raises(ApiError) as caught:
            api.objects.put(body)
        assert caught.value.code == 422


def test_a_misspelt_field_of_a_built_in_kind(wire):
    body = daemon_set(app="x")
    body["spec"]["template"]["spec"]["containers"][0]["imagePullPolicyy"] = "Always"
    answer = wire.post("/apis/apps/v1/namespaces/kube-system/daemonsets", body, fieldValidation="Strict")
    assert answer.status == 400
    assert 'unknown field "spec.template.spec.containers[0].imagePullPolicyy"' in answer.message
    body["spec"]["template"]["spec"]["hostNetwork"] = "yes"
    assert wire.post("/apis/apps/v1/namespaces/kube-system/daemonsets", body).status == 400


def test_both_internal_addresses_of_a_node(api, wire):
    both = [{"type": "InternalIP", "address": each} for each in ("10.0.0.1", "fd00::1")]
    api.objects.put(node("a") | {"status": {"addresses": both}})
    assert wire.get(f"{NODES}/a").json["status"]["addresses"] == both


def test_annotations_go_through_the_status_of_a_node(api, wire):
    api.objects.put(node("a"))
    patch = {"metadata": {"annotations": {"x": "y"}}, "spec": {"podCIDR": "10.0.0.0/24"}}
    after = wire.patch(f"{NODES}/a/status", patch)
    assert after.json["metadata"]["annotations"] == {"x": "y"}
    assert "podCIDR" not in after.json["spec"]
