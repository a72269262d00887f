"""A scripted API server, and sources that follow it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api.rig import Cluster, write_kubeconfig
from tests.cluster.api.scripted import ScriptedApi


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    found = ScriptedApi()
    yield found
    found.stop()


@pytest.fixture
def cluster(api: ScriptedApi, tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(api, tmp_path / "state", write_kubeconfig(tmp_path / "kubeconfig", api.url))
    yield found
    found.closing.close()
