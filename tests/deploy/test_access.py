"""The rights that are given are those of the table, each of them, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deploy.access import CONTROLPLANE, EDGE, ENI, RIGHTS, UNINSTALL
from terway_edge.cluster.api.resources import EVENTS_PATH, NAMESPACE
from tests.deploy.objects import by_name, of_kind
from tests.deploy.tools import Object, kustomize

Granted = tuple[str, str, str, str, tuple[str, ...]]
"""Account, resource, verb, namespace, names."""


def granted(objects: Iterable[Object]) -> Iterator[Granted]:
    """What every ServiceAccount may do."""
    objects = list(objects)
    roles = by_name(of_kind(objects, "Role", "ClusterRole"))
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        namespace = binding["metadata"].get("namespace", "")
        ref = binding["roleRef"]
        role = roles[ref["kind"], namespace if ref["kind"] == "Role" else "", ref["name"]]
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "kube-system")
            for rule in role["rules"]:
                for resource, verb in _pairs(rule):
                    yield subject["name"], resource, verb, namespace, tuple(rule.get("resourceNames", ()))


def _pairs(rule: Object) -> Iterator[tuple[str, str]]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            name, slash, part = resource.partition("/")
            for verb in rule["verbs"]:
                yield (f"{name}.{group}" if group else name) + slash + part, verb


def wanted(*accounts: str) -> list[Granted]:
    return sorted(
        (right.account, right.resource, right.verb, right.namespace, right.names)
        for right in RIGHTS
        if right.account in accounts
    )


def test_every_right_has_its_reason_and_every_reason_its_right() -> None:
    assert sorted(granted(kustomize("."))) == wanted(EDGE, ENI, CONTROLPLANE)
    assert sorted(granted(kustomize("uninstall"))) == wanted(UNINSTALL)
    assert all(right.why for right in RIGHTS)


def test_a_part_gives_the_rights_of_its_accounts_only() -> None:
    assert sorted(granted(kustomize("overlays/edge-only"))) == wanted(EDGE, CONTROLPLANE)
    assert sorted(granted(kustomize("overlays/cloud"))) == wanted(ENI, CONTROLPLANE)
    assert sorted(granted(kustomize("overlays/ens"))) == wanted(ENI, CONTROLPLANE)


def test_no_role_is_left_over_and_no_account_without_a_pod() -> None:
    objects = [*kustomize("."), *kustomize("uninstall")]
    bound = {each["roleRef"]["name"] for each in of_kind(objects, "RoleBinding", "ClusterRoleBinding")}
    assert {each["metadata"]["name"] for each in of_kind(objects, "Role", "ClusterRole")} == bound
    used = {
        each["spec"]["template"]["spec"]["serviceAccountName"] for each in of_kind(objects, "DaemonSet", "Deployment")
    }
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    assert accounts == used == {EDGE, ENI, CONTROLPLANE, UNINSTALL}


def test_nothing_is_given_that_would_be_too_much() -> None:
    for account, resource, verb, namespace, names in granted([*kustomize("."), *kustomize("uninstall")]):
        assert "*" not in resource + verb, (account, resource, verb)
        assert verb not in ("delete", "deletecollection", "impersonate", "bind", "escalate"), (account, resource, verb)
        if resource == "secrets":
            assert (verb, namespace, bool(names)) == ("get", "kube-system", True)
        if resource == "configmaps":
            assert namespace == "kube-system"
            assert names
        if resource == "pods" and account == EDGE:
            raise AssertionError("agents of edge nodes may change no pod")


def test_namespaces_are_those_that_the_source_asks_in() -> None:
    assert NAMESPACE == "kube-system"
    assert EVENTS_PATH.split("/")[4] == "default"
    assert {right.namespace for right in RIGHTS if right.resource == "events"} == {"default"}
