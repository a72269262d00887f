"""What a container needs to be done on its node before the agent can start in it with as few rights as possible."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.cni.installer import install_shim
from terway_edge.core.config import Settings


def prepare_node(settings: Settings) -> Iterator[str]:
    """Make the agent's directories and install the shim; a line for each thing that was not right already.

    Raises Refused, Retry or OSError, as the agent would at its start.
    """
    for directory in (settings.run_dir, settings.state_dir):
        if _claim(directory):
            yield f"made {directory} private"
        private_directory(directory)
    if settings.cni.install:
        for path in install_shim(settings.cni.bin_dir).written:
            yield f"installed {path}"


def _claim(path: Path) -> bool:
    """Take an empty directory of root's for the agent alone: a kubelet makes those of its pods with mode 0755.

    What holds anything may be another's, and stays as it is.
    """
    if not path.is_dir() or any(path.iterdir()):
        return False
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or not stat.S_IMODE(status.st_mode) & 0o077:
        return False
    path.chmod(0o700)
    return True
