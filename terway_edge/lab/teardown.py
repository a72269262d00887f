"""Removes what a lab made and nothing else: marked processes, namespaces with its prefix, mounts and files below its
root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import kill_marked, recorded_token


class Removed(NamedTuple):
    """What there was to remove."""

    processes: int
    namespaces: int

    def __str__(self) -> str:
        return f"{self.processes} processes, {self.namespaces} namespaces"


def tear_down(layout: Layout) -> Removed:
    """Remove everything but the lock (the caller holds it). Twice is harmless.

    :raises LabError: a process does not end, or a namespace cannot be removed (the rest is).
    :raises OSError: a file cannot be removed; the message names it.
    """
    token = recorded_token(layout)
    processes = kill_marked(token)
    namespaces = layout.namespaces()
    refusals = [refusal for name in namespaces if (refusal := _delete_netns(name))]
    # A child that was between fork and exec during the first search carries the mark by now.
    processes += kill_marked(token)
    refusals += _remove_objects(layout)
    refusals += [refusal for path in _mounts(layout) if (refusal := _unmount(path))]
    for path in layout.root.iterdir():
        if path == layout.lock:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if refusals:
        raise LabError("; ".join(refusals))
    return Removed(processes, len(namespaces))


def remove_root(layout: Layout) -> None:
    """Remove the lock and the empty root; the lock stays held until its descriptor is closed."""
    layout.lock.unlink(missing_ok=True)
    os.rmdir(layout.root)


def _remove_objects(layout: Layout) -> list[str]:
    """What a lab made at an API server that stays; returns why it could not be done, or nothing."""
    if not layout.made.exists():
        return []
    from terway_edge.lab.api_cluster import remove_made  # brings the client library

    try:
        remove_made(layout)
    except LabError as error:
        return [f"objects of the lab stay in the cluster: {error}"]
    return []


def _mounts(layout: Layout) -> list[str]:
    """Where file systems are mounted below the root, the innermost first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [place for line in reversed(lines) if (place := line.split()[1]).startswith(f"{layout.root}/")]


def _unmount(path: str) -> str:
    """Returns why it could not be done, or nothing. Killed processes have files open there for a moment."""
    done = subprocess.run(["umount", "--lazy", path], capture_output=True, text=True, check=False)
    return f"{path} cannot be unmounted: {done.stderr.strip()}" if done.returncode else ""


def _delete_netns(name: str) -> str:
    """Remove one namespace; returns why it could not be done, or nothing."""
    done = subprocess.run(["ip", "netns", "delete", name], capture_output=True, text=True, check=False)
    return f"namespace {name} cannot be removed: {done.stderr.strip()}" if done.returncode else ""
