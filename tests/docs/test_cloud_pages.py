"""The pages on cloud and ENS nodes name what the client really calls, and conditions that there really are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from terway_edge.cloud.requests import ACTIONS, ENS
from terway_edge.core.eni_config import explain
from terway_edge.core.eni_notes import Effect

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
SOURCES = Path(__file__).parents[2] / "terway_edge"
BOUND_BY_HAND = {
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "DetachNetworkInterface",
    "DeleteNetworkInterfaces",
}
"""What only a person does on ENS."""


def policy(page: str) -> list[str]:
    text = (HOW_TO / page).read_text()
    (block,) = [block for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "Statement" in block]
    (statement,) = json.loads(block)["Statement"]
    assert statement["Resource"] == "*"
    found: list[str] = statement["Action"]
    return found


def test_the_policy_of_cloud_nodes_is_what_is_called_there() -> None:
    found = policy("cloud-nodes.md")
    assert len(found) == len(set(found))
    assert set(found) == {str(action) for action in ACTIONS if action.product is not ENS}


def test_the_policy_of_ens_nodes_is_what_is_called_there() -> None:
    found = policy("ens-nodes.md")
    assert set(found) == {
        str(action) for action in ACTIONS if action.product is ENS and action.name not in BOUND_BY_HAND
    }


@pytest.mark.parametrize("page", ["cloud-nodes.md", "ens-nodes.md"])
def test_the_samples_of_eni_config_are_honoured(page: str) -> None:
    text = (HOW_TO / page).read_text()
    (block,) = re.findall(r"eni_conf: \|\n((?:    .*\n)+)", text)
    notes = explain({"eni_conf": block})
    assert notes
    assert not [note for note in notes if note.effect not in (Effect.HONOURED, Effect.WITHOUT_EFFECT)]


def test_conditions_in_the_table_are_those_of_the_code() -> None:
    text = (HOW_TO / "cloud-nodes.md").read_text()
    named = set(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE))
    reasons = {reason.strip("`") for names in named for reason in names.split(", ")}
    made = {
        reason
        for file in (*SOURCES.glob("eni/*.py"), SOURCES / "agent" / "repair.py")
        for reason in re.findall(r'Condition\(\s*"(\w+)"', file.read_text())
    }
    assert reasons == made - {"BindMoreEnis"}
