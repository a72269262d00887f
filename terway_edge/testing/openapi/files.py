"""Sites and fault scripts from YAML or JSON files."""

from __future__ import annotations

from pathlib import Path

from terway_edge.testing.document_files import read_document
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.site import Site


def read_site(path: Path) -> Site:
    """Raises ConfigError, one line per mistake."""
    return read_document(path, Site)


def read_faults(path: Path) -> Script:
    """Raises ConfigError, one line per mistake."""
    return read_document(path, Script)
