"""The chart makes the objects that kustomize makes. Rendered by Helm's own engine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from terway_edge.core.config import load
from tests.deploy.objects import agent, by_name, containers, name_of, of_kind
from tests.deploy.tools import DEPLOY, ChartError, Object, helm, helm_lint, kustomize

NOBODY = {"enabled": False}
OVERLAYS = {
    "overlays/everything": {},
    "overlays/edge-only": {"agents": {"cloud": NOBODY, "ens": NOBODY}},
    "overlays/cloud": {"agents": {"edge": NOBODY, "ens": NOBODY}},
    "overlays/ens": {"agents": {"edge": NOBODY, "cloud": NOBODY}},
}


def comparable(item: Object) -> Object:
    """Without what the order of lists of named things and the style of a text say."""
    if item["kind"] == "ConfigMap":
        item = {**item, "data": {key: yaml.safe_load(text) for key, text in item["data"].items()}}
    return _sorted(item)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        items = [_sorted(each) for each in value]
        named = all(isinstance(each, dict) and "name" in each for each in items)
        return sorted(items, key=lambda each: each["name"]) if named else items
    return value


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_chart_makes_what_the_overlay_makes(overlay: str) -> None:
    ours, theirs = by_name(kustomize(overlay)), by_name(helm(**OVERLAYS[overlay]))
    assert ours.keys() == theirs.keys()
    for name, item in ours.items():
        assert comparable(theirs[name]) == comparable(item), name


def test_the_root_is_everything() -> None:
    assert kustomize(".") == kustomize("overlays/everything")


def test_helm_has_nothing_to_say_of_the_chart() -> None:
    found = helm_lint()
    assert not [each for each in found.get("messages", []) if "icon" not in str(each).lower()], found


def test_values_reach_the_objects() -> None:
    objects = helm(
        image={"repository": "registry.example/te", "tag": "9"},
        imagePullSecrets=["pull"],
        config={"cluster": {"source": "api"}, "metrics": {"port": 9999}},
        bgpSecrets=["a", "b"],
        eniConfigMaps=["eni-config", "gpu"],
        agents={"maxUnavailable": 3, "edge": {"resources": {"limits": {"memory": "1Gi"}}}},
        controlplane={"replicas": 3},
    )
    workloads = of_kind(objects, "DaemonSet", "Deployment")
    assert {each["image"] for workload in workloads for each in containers(workload)} == {"registry.example/te:9"}
    assert all(workload["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "pull"}] for workload in workloads)
    found = by_name(objects)
    assert found["Role", "kube-system", "terway-edge"]["rules"][0]["resourceNames"] == ["a", "b"]
    assert found["Role", "kube-system", "terway-edge-eni"]["rules"][0]["resourceNames"] == ["eni-config", "gpu"]
    assert found["Deployment", "kube-system", "terway-edge-controlplane"]["spec"]["replicas"] == 3
    edge = agent(objects, "edge")
    assert edge["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == 3
    [_, main] = containers(edge)
    assert main["resources"]["limits"]["memory"] == "1Gi"
    assert {main[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")} == {9999}
    text = found["ConfigMap", "kube-system", "terway-edge"]["data"]["config.yaml"]
    assert load(yaml.safe_load(text), {}, "n").metrics.port == 9999


def test_without_passwords_there_is_no_right_to_read_any() -> None:
    assert ("Role", "kube-system", "terway-edge") not in by_name(helm(bgpSecrets=[]))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"agent": {}}, "agent"),
        ({"config": {"metrics": {"enabled": False}}}, "the probes ask there"),
        ({"config": {"metrics": {"address": "192.0.2.1"}}}, "the probes ask on loopback"),
        ({"eniConfigMaps": []}, "eniConfigMaps"),  # no names would mean all
    ],
)
def test_values_that_would_not_work_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ChartError, match=told):
        helm(**values)


def test_the_chart_takes_the_definition_for_its_server() -> None:
    text = (DEPLOY / "chart/templates/crd.yaml").read_text()
    assert 'semverCompare ">=1.31.0-0"' in text
    [crd] = of_kind(helm(), "CustomResourceDefinition")
    assert name_of(crd) == ("CustomResourceDefinition", "", "bgppeers.network.openyurt.io")
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
