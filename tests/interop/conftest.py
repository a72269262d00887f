"""One site for all tests of this folder, with a stage for each test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.teardown import tear_down
from tests.interop.site import Site
from tests.interop.stage import Stage
from tests.interop.switches import KINDS, Kind


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    layout = Layout(f"twt-bgp-{os.getpid()}", tmp_path_factory.mktemp("interop"))
    try:
        made = Site(layout, Processes(new_token(layout)))
        made.build()
        yield made
    finally:
        tear_down(layout)
        for name in layout.namespaces():
            subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def stage(site: Site, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(site, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """The software of the switch."""
    kind: Kind = request.param
    return kind
