"""What the lab says when the example backend is not there."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from terway_edge.core.config import load
from terway_edge.lab.errors import LabError
from terway_edge.lab.example import BACKEND, LABELS, node_pools, require_installed


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    if entry_points(group="terway_edge.backends", name=BACKEND):
        require_installed()
        return
    with pytest.raises(LabError, match=r"no backend 'example' is installed; run: \S+ -m pip install "):
        require_installed()


def test_the_agent_accepts_the_rule() -> None:
    rule = load({"node_name": "node-3", "node_pools": node_pools()}, {}).node_pools[0]
    assert (rule.backend, rule.advertisers, rule.lan) == ("example", ("flannel_route", "bgp"), None)
    assert rule.selector.matches(LABELS)
