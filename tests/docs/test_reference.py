"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import pages

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == pages()[path], f"{path.name} is stale: run './dev docs'"


def test_every_hook_says_when_it_was_added_and_whom_it_reaches() -> None:
    page = (DOCS / "reference" / "hooks.md").read_text()
    sections = page.split("\n## ")[1:]
    assert len(sections) == 15
    for section in sections:
        assert "Since version" in section, section
        assert "Reaches" in section, section


def test_links_between_pages_lead_somewhere() -> None:
    pages_with_links = [DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    links = [(page, target) for page in pages_with_links for target in LINK.findall(page.read_text())]
    assert len(links) > 10
    broken = [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert not broken
