"""Every object is what its kind's schema says, strictly, in the oldest and the newest Kubernetes that are meant.

The schemas are those of Kubernetes' own OpenAPI documents, as package kubernetes-validate has them.
"""

from __future__ import annotations

import pytest

from tests.deploy.tools import Object, helm, kustomize

NEWEST = "1.37"
SERVERS = {"overlays/everything": ("1.31", NEWEST), "overlays/before-1.31": ("1.25", "1.28", "1.30")}


def check(item: Object, version: str) -> None:
    from kubernetes_validate import validate  # which takes seconds

    validate(item, version, strict=True)


@pytest.mark.parametrize(("directory", "version"), [(each, v) for each, all_ in SERVERS.items() for v in all_])
def test_what_kustomize_makes(directory: str, version: str) -> None:
    for item in kustomize(directory):
        check(item, version)


def test_what_the_chart_makes() -> None:
    for item in helm():
        check(item, NEWEST)


def test_what_takes_it_away_again() -> None:
    for item in kustomize("uninstall"):
        check(item, NEWEST)


def test_a_mistake_is_found() -> None:
    """That is, the checks above look at what is in the objects."""
    [*_, deployment] = [each for each in kustomize(".") if each["kind"] == "Deployment"]
    pod = {**deployment["spec"]["template"]["spec"], "hostNetwrok": True}
    wrong = {**deployment, "spec": {**deployment["spec"], "template": {"spec": pod}}}
    with pytest.raises(Exception, match="hostNetwrok"):
        check(wrong, NEWEST)
