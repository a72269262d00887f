"""T26: what the how-to has an operator type to upgrade, to go back and to uninstall, on an API server (the double)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.objects import AGENTS
from tests.deploy.test_applied import SEED, Kubectl, call, good  # noqa: F401 - a fixture
from tests.deploy.tools import DEPLOY

KINDS = "daemonset,deployment,configmap,serviceaccount,role,rolebinding,secret"
WIDE_KINDS = "crd,clusterrole,clusterrolebinding,priorityclass"
ALL = [".", *sorted(f"overlays/{each.name}" for each in (DEPLOY / "overlays").iterdir())]
OVERLAYS = ALL if os.environ.get("TERWAY_EDGE_FULL") == "1" else ["."]
HOW_TO = DEPLOY.parent / "docs/how-to/install-on-kubernetes.md"
Object = dict[str, Any]


class Operator:
    """With a directory of their own beside each version of this repository, as the how-to has it."""

    def __init__(self, home: Path, kubectl: Kubectl) -> None:
        self._home, self.kubectl = home, kubectl

    def version(self, tag: str, overlay: str = ".") -> Path:
        """A version of deploy/; returns the operator's directory."""
        shutil.copytree(DEPLOY, self._home / tag / "deploy", ignore=shutil.ignore_patterns("__pycache__", "chart"))
        return self.directory(tag, overlay)

    def directory(self, tag: str, overlay: str) -> Path:
        made = self._home / f"{tag}-{overlay.replace('/', '-')}"
        made.mkdir()
        resource = f"../{tag}/deploy/{overlay}".removesuffix("/.")
        image = {"name": "terway-edge", "newName": "registry.example.com/terway-edge", "newTag": tag}
        content = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        (made / "kustomization.yaml").write_text(
            yaml.safe_dump({**content, "resources": [resource], "images": [image]})
        )
        return made

    def objects(self) -> list[Object]:
        """All that is installed, as it was asked for."""
        found = []
        for scope, kinds in (("-A", KINDS), ("", WIDE_KINDS)):
            text = good(self.kubectl("get", kinds, *filter(None, [scope]), "-o", "yaml"))
            found += yaml.safe_load(text)["items"]
        return [_asked_for(each) for each in found]


def _asked_for(found: Object) -> Object:
    meta = found["metadata"]
    found["metadata"] = {key: meta[key] for key in ("name", "namespace", "labels") if key in meta}
    return {key: each for key, each in found.items() if key != "status"}


@pytest.fixture
def operator(tmp_path: Path, call: Kubectl) -> Operator:  # noqa: F811
    return Operator(tmp_path, call)


def later(directory: Path) -> None:
    """A version with a setting, an argument and a field of BGPPeer that the one before does not have."""
    for name, before, after in (
        ("base/config.yaml", "    cluster:\n", "    later:\n      key: 1\n    cluster:\n"),
        ("agent/daemonset.yaml", "args: [agent]", "args: [agent, --later]"),
        ("crds/bgppeers.yaml", "localSpeakers:\n", "later: {type: string}\n              localSpeakers:\n"),
    ):
        text = (directory / name).read_text()
        assert text.count(before) == 1, f"{name}: {before!r} {text.count(before)} times"
        (directory / name).write_text(text.replace(before, after))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_t26_a_version_is_rolled_back_to_what_it_was(operator: Operator, overlay: str, tmp_path: Path) -> None:
    before, after = operator.version("0.1.0", overlay), operator.version("0.2.0", overlay)
    later(tmp_path / "0.2.0" / "deploy")
    good(operator.kubectl("apply", "-k", str(before)))
    installed = operator.objects()
    good(operator.kubectl("apply", "-k", str(after)))
    assert operator.objects() != installed
    done = good(operator.kubectl("apply", "-k", str(before)))
    assert " configured" in done
    assert " created" not in done
    assert operator.objects() == installed


def test_t26_uninstall_leaves_nothing_but_what_others_made(operator: Operator) -> None:
    mine, away = operator.version("0.1.0"), operator.directory("0.1.0", "uninstall")
    good(operator.kubectl("apply", "-k", str(mine)))
    good(operator.kubectl("apply", "-f", str(SEED)))
    agents = ("-n", "kube-system", "delete", "daemonset", "-l", "app.kubernetes.io/name=terway-edge")
    done = good(operator.kubectl(*agents))
    assert {line.split('"')[1] for line in done.splitlines()} == set(AGENTS.values())
    good(operator.kubectl("apply", "-k", str(away)))
    [cleaning] = [each for each in operator.objects() if each["kind"] == "DaemonSet"]
    [first, *_] = cleaning["spec"]["template"]["spec"]["initContainers"]
    assert (first["image"], first["args"]) == ("registry.example.com/terway-edge:0.1.0", ["uninstall"])
    good(operator.kubectl("delete", "-k", str(away)))
    good(operator.kubectl("delete", "--ignore-not-found", "-k", str(mine)))
    lease = ("-n", "kube-system", "delete", "--ignore-not-found", "lease", "terway-edge-controlplane")
    good(operator.kubectl(*lease))
    assert [(each["kind"], each["metadata"]["name"]) for each in operator.objects()] == [("Secret", "bgp-secret")]


def test_t26_the_how_to_says_it_so() -> None:
    text = HOW_TO.read_text()
    for step in (
        "kubectl -n kube-system delete daemonset -l app.kubernetes.io/name=terway-edge\n",
        "kubectl apply -k my-uninstall",
        "kubectl delete -k my-uninstall",
        "kubectl delete --ignore-not-found -k my-cluster",
        "kubectl -n kube-system delete --ignore-not-found lease terway-edge-controlplane",
    ):
        assert step in text
