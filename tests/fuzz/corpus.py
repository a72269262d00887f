"""The committed inputs of each target: sound ones to begin with, and those that once broke a reader."""

from __future__ import annotations

import hashlib
from pathlib import Path

HOME = Path(__file__).with_name("corpus")


def inputs(target: str) -> list[bytes]:
    """All of a target, in a fixed order."""
    return [path.read_bytes() for path in sorted((HOME / target).iterdir())]


def keep(target: str, data: bytes) -> Path:
    """Where an input that broke the reader is from now on: the replay test is red until that is mended."""
    path = HOME / target / f"broke-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
