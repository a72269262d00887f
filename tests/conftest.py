"""Hypothesis runs the same examples every time, so that a red run stays red until it is mended.

`HYPOTHESIS_PROFILE=search` looks for new ones.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

SERVED = ("cluster/api", "controlplane", "deploy", "eni_cloud", "testing/apiserver", "testing/openapi")
"""Directories whose tests talk to servers or start programs, nearly all of them: not for the fast subset."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("TERWAY_EDGE_FULL") != "1":
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("full")])
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    here = Path(__file__).parent
    served = tuple(here / each for each in SERVED)
    for item in items:
        if any(item.path.is_relative_to(each) for each in served):
            item.add_marker(pytest.mark.slow)
        if os.geteuid() != 0 and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


class ByDirectory(LoadScopeScheduling):
    """Two directories may run at once, two tests of one may not: they share names, session fixtures, a lab's lock."""

    def _split_scope(self, nodeid: str) -> str:
        directory = nodeid.split("/")[1]
        return "lab" if directory == "torture" else directory


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """For `--dist loadscope`."""
    return ByDirectory(config, log) if config.getvalue("dist") == "loadscope" else None
