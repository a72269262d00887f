"""What is made from other files is up to date, and nothing is left of what was made before."""

from __future__ import annotations

import re

from deploy.generate import DEPLOY, files
from deploy.locks import ROOT, locks


def test_the_files_are_up_to_date() -> None:
    stale = [str(path) for path, text in files().items() if not path.is_file() or path.read_text() != text]
    assert not stale, "run: python -m deploy.generate"


def test_nothing_is_left_over() -> None:
    homes = [DEPLOY / "crds", DEPLOY / "chart/files", DEPLOY / "image"]
    there = {path for home in homes for path in home.rglob("*") if path.is_file() and path.name != "kustomization.yaml"}
    assert there == files().keys()


def test_locks_are_parts_of_the_whole_one() -> None:
    whole = (ROOT / "requirements.lock").read_text()
    for text in locks().values():
        pins = re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==(\S+)", text, re.MULTILINE)
        assert pins
        assert all(f"{name}==" in whole for name, _ in pins)
        assert set(re.findall(r"--hash=\S+", text)) <= set(re.findall(r"--hash=\S+", whole))


def test_the_image_has_what_agents_need_and_nothing_to_test_or_build_with() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)", locks()["run.lock"], re.MULTILINE))
    assert {"pluggy", "pydantic", "pydantic-core", "pyroute2", "prometheus-client", "pyyaml"} <= names
    assert {"aliyun-python-sdk-core", "cryptography", "cffi"} <= names
    assert names.isdisjoint({"pytest", "hypothesis", "hatchling", "mypy", "exabgp", "ruff"})
    assert "hatchling" in locks()["build.lock"]
