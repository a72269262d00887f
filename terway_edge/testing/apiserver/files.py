"""Fault scripts from YAML or JSON files."""

from __future__ import annotations

from pathlib import Path

from terway_edge.testing.apiserver.faults.script import Script
from terway_edge.testing.document_files import read_document


def read_faults(path: Path) -> Script:
    """Raises ConfigError, one line per mistake."""
    return read_document(path, Script)
