"""The pages on what is written to the cluster and read from pods name what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from terway_edge.agent.netconf import BYTE_ANNOTATIONS, RATE_ANNOTATIONS
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE
from terway_edge.eni.publishing import MAX_PODS, POD_IPS, SUFFICIENT_IP

ROOT = Path(__file__).parents[2]
WRITES = (ROOT / "docs" / "reference" / "cluster-writes.md").read_text()
OF_SESSIONS = {"SessionLost", "FailedEstablish"}
"""Reasons that are chosen by what a session was before."""


def section(title: str) -> str:
    return WRITES.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def names_in(text: str, column: int) -> set[str]:
    """What is written as code in a column of a section's table, its head left out."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


def test_annotations_and_conditions() -> None:
    assert names_in(section("Annotations"), 1) == {MAX_PODS, POD_IPS}
    assert names_in(section("Conditions of Nodes"), 0) == {SUFFICIENT_IP, NETWORK_UNAVAILABLE}


def test_every_event_that_is_no_condition() -> None:
    sources = [*(ROOT / "terway_edge" / "eni").glob("*.py"), *(ROOT / "terway_edge" / "backends").rglob("*.py")]
    told = {name for path in sources for name in re.findall(r'(?:tell|Event)\(\s*"(\w+)"', path.read_text())}
    assert len(told) > 10
    assert names_in(section("Events"), 1) == told | OF_SESSIONS


def test_every_annotation_that_is_read() -> None:
    page = (ROOT / "docs" / "reference" / "pod-annotations.md").read_text()
    assert names_in(page, 0) == {*RATE_ANNOTATIONS, *BYTE_ANNOTATIONS}
