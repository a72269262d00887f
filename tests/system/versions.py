"""Other versions of the agent, made up: the sources with some lines changed, in a directory to start it from."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.machine import REPOSITORY

RECORDS = "terway_edge/agent/records.py"
NO_UPGRADES = "= MappingProxyType({})"
UPGRADE = """= MappingProxyType({1: lambda old: {"lease": _renamed(old["lease"])} if "lease" in old else old})


def _renamed(lease: dict[str, Any]) -> dict[str, Any]:
    lease["ips"] = lease.pop("addresses")
    return lease

"""

MINOR = {RECORDS: (('"pools": lease.pools,', '"pools": lease.pools, "zone": "z",'),)}
"""Writes a key more, which others can do without."""
MAJOR = {
    RECORDS: (
        ("\nFORMAT = 1\n", "\nFORMAT = 2\n"),
        (NO_UPGRADES, UPGRADE),
        ('        "addresses": [str', '        "ips": [str'),
        ('document["addresses"]', 'document["ips"]'),
    )
}
"""Writes leases as no version before can read them, and reads those of the version before."""


def version(directory: Path, changes: dict[str, tuple[tuple[str, str], ...]]) -> Path:
    """Make it there; returns the directory."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "terway_edge", directory / "terway_edge", ignore=ignored)
    for name, pairs in changes.items():
        text = (directory / name).read_text()
        for before, after in pairs:
            assert text.count(before) == 1, f"{name} has {before!r} {text.count(before)} times"
            text = text.replace(before, after)
        (directory / name).write_text(text)
    return directory
