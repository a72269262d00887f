"""Parts of the objects that are deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import yaml

from tests.deploy.tools import DEPLOY, Object

AGENTS = {"edge": "terway-edge", "cloud": "terway-edge-cloud", "ens": "terway-edge-ens"}
"""DaemonSets by the nodes that each is for."""


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def name_of(item: Object) -> tuple[str, str, str]:
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]


def by_name(objects: Iterable[Object]) -> dict[tuple[str, str, str], Object]:
    listed = list(objects)
    found = {name_of(each): each for each in listed}
    assert len(found) == len(listed)
    return found


def agent(objects: Iterable[Object], nodes: str) -> Object:
    return by_name(objects)["DaemonSet", "kube-system", AGENTS[nodes]]


def pod_of(workload: Object) -> Object:
    return workload["spec"]["template"]["spec"]


def containers(workload: Object) -> Iterator[Object]:
    pod = pod_of(workload)
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


def written_agent() -> Object:
    """As it is in its file, of which kustomize makes those of all nodes."""
    return yaml.safe_load((DEPLOY / "agent/daemonset.yaml").read_text())
