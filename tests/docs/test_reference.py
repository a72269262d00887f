"""The reference pages say what the code says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from docs.generate import pages
from terway_edge.cluster.documents import parse
from terway_edge.cluster.objects import read
from terway_edge.core import peer_rules
from terway_edge.core.bgp_peer import BgpPeerSpec, GracefulRestart

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == pages()[path], f"{path.name} is stale: run './dev docs'"


def test_every_hook_says_when_it_was_added_and_whom_it_reaches() -> None:
    page = (DOCS / "reference" / "hooks.md").read_text()
    sections = page.split("\n## ")[1:]
    assert len(sections) == 17
    for section in sections:
        assert "Since version" in section, section
        assert "Reaches" in section, section


def test_links_between_pages_lead_somewhere() -> None:
    pages_with_links = [DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    links = [(page, target) for page in pages_with_links for target in LINK.findall(page.read_text())]
    assert len(links) > 10
    broken = [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert not broken


def _fields(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Paths of all fields as manifests write them, in the model's order."""
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        yield path
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield from _fields(candidate, f"{path}.")


def test_the_page_on_bgp_peers_names_each_field_once() -> None:
    page = (DOCS / "reference" / "bgppeer.md").read_text()
    table = page.partition("## Fields of `spec`")[2].partition("\n\n`")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == list(_fields(BgpPeerSpec))


def test_the_page_on_bgp_peers_has_the_models_defaults() -> None:
    page = (DOCS / "reference" / "bgppeer.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]+)` \| no \| (\w+) \|", page, re.MULTILINE))
    restart = GracefulRestart()
    assert {name: text for name, text in rows.items() if text.isdecimal() or text == "true"} == {
        "gracefulRestart.restartTimeSeconds": str(restart.restart_time_seconds),
        "gracefulRestart.notification": str(restart.notification).lower(),
        **{
            field.alias: str(field.default)
            for field in BgpPeerSpec.model_fields.values()
            if isinstance(field.default, int)
        },
    }


def test_the_page_on_bgp_peers_names_each_condition() -> None:
    page = (DOCS / "reference" / "bgppeer.md").read_text()
    source = inspect.getsource(peer_rules)
    reasons = set(re.findall(r'Condition\(\s*"(\w+)"', source))
    assert len(reasons) == 7
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE)) == reasons


def test_the_manifest_of_the_page_on_bgp_peers_is_valid() -> None:
    page = (DOCS / "reference" / "bgppeer.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (peer,), problems, _ = read(parse(text, yaml=True)[0], "page")
    assert (peer.name, problems) == ("peer", [])
