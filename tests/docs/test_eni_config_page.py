"""The page on Terway's ConfigMap says what the tables say, and of every key."""

from __future__ import annotations

import re
from pathlib import Path

from docs.eni_config import eni_config_page
from tests.core.test_eni_config_keys import EVERY

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "eni-config.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == eni_config_page(), "eni-config.md is stale: write eni_config_page() to it"


def test_the_page_names_every_key_once() -> None:
    sections = PAGE.read_text().split("\n## ")[1:]
    named = [re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) for section in sections]
    for keys, rows in zip(EVERY.values(), named, strict=True):
        assert len(rows) == len(set(rows))
        assert set(keys) <= set(rows)
    assert [section.splitlines()[0] for section in sections] == [
        "The ConfigMap's keys",
        "`eni_conf`",
        "`10-terway.conf`",
    ]
