"""Whatever an agent complains about, and whatever it counts, can be looked up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import terway_edge
from terway_edge.cluster.api.failures import Reason

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(terway_edge.__file__).parent
OF_NO_AGENT = ("testing", "lab", "torture", "controlplane")
FAMILIES = ("GaugeMetricFamily", "CounterMetricFamily", "HistogramMetricFamily")


def _first_arguments(*names: str) -> Iterator[str]:
    """The text that calls of these names begin with, in all that runs on a node."""
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in OF_NO_AGENT:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names:
                match call.args:
                    case [ast.Constant(value=str(text)), *_]:
                        yield f"{text}_total" if call.func.id == "CounterMetricFamily" else text


def _listed(page: str) -> set[str]:
    """What the first cells of a page's tables name."""
    lines = (DOCS / "reference" / page).read_text().splitlines()
    return {name for line in lines if line.startswith("| `") for name in re.findall(r"`(\w+)`", line.split(" | ")[0])}


def test_every_condition_is_on_the_page_of_conditions() -> None:
    reasons = {*_first_arguments("Condition"), *Reason, "InvalidObject", "CniConfigUnreadable", "CniConfigOfOthers"}
    assert len(reasons) > 40
    assert reasons - _listed("conditions.md") == set()


def test_the_page_of_conditions_has_none_that_is_gone() -> None:
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert [reason for reason in _listed("conditions.md") if f'"{reason}"' not in sources] == []


def test_the_page_of_metrics_has_each_one() -> None:
    metrics = set(_first_arguments(*FAMILIES))
    assert len(metrics) > 8
    assert {name for name in _listed("metrics.md") if name.startswith("terway_edge_")} == metrics


@pytest.mark.parametrize("page", sorted(path.name for path in (DOCS / "reference").glob("*.md")))
def test_every_reference_page_can_be_reached_from_the_readme(page: str) -> None:
    assert f"docs/reference/{page}" in (DOCS.parent / "README.md").read_text()


ANCHOR = re.compile(r"\]\(([^)#:\s]*)#([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_parts_of_pages_lead_there() -> None:
    broken = [
        f"{page.name}: {target}#{anchor}"
        for page in DOCS.rglob("*.md")
        for target, anchor in ANCHOR.findall(page.read_text())
        if anchor not in _anchors(page.parent / target if target else page)
    ]
    assert broken == []
