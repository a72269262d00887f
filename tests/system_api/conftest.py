"""A node with a real agent behind the API for each test that asks for one; see api_node.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system_api.api_node import ApiNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ApiNode]:
    """Its agent was not started yet."""
    made = ApiNode(tmp_path)
    yield made
    made.close()
