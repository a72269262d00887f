"""The page on planning a cluster: its commands print what it shows, its table has every key."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from terway_edge.cli.plan import add_arguments, run
from terway_edge.core.planner.network import ClusterNetwork

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "plan-a-cluster.md"
FILE = re.compile(r"^```yaml file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```sh\nterway-edge plan ([^\n]+)\n```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    return COMMAND.findall(PAGE.read_text())


def answer(words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words.split()))


@pytest.mark.parametrize(("words", "printed"), commands(), ids=[words for words, _ in commands()])
def test_a_command_prints_what_the_page_shows(
    words: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILE.findall(PAGE.read_text()):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert answer(words) == ("violation" in printed)
    assert capsys.readouterr().out == printed


def test_every_block_is_a_file_or_a_command_with_what_it_prints() -> None:
    assert len(commands()) == 3
    assert PAGE.read_text().count("\n```") // 2 == len(FILE.findall(PAGE.read_text())) + 2 * len(commands())


def keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, bool]]:
    """(path, whether it is needed) in the model's order; a part that was there before is told once."""
    seen: set[object] = set()
    for name, field in model.model_fields.items():
        yield f"{above}{name}", field.is_required()
        for part in (part for one in (field.annotation, *get_args(field.annotation)) for part in (one, *get_args(one))):
            if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
                seen.add(part)
                yield from keys(part, f"{name}.")


def test_the_table_has_every_key() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (yes|no) \|", PAGE.read_text(), re.MULTILINE)
    assert [(key, needed == "yes") for key, needed in rows] == list(keys(ClusterNetwork))
