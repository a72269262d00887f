"""The file by which the shim can tell a short absence of the agent (an upgrade) from a lasting one."""

from __future__ import annotations

import os
from pathlib import Path

from terway_edge.core.failpoints import reach

PERIOD = 10.0  # seconds; the shim takes a beat younger than 30 s for life


def beat(path: Path, now: float) -> None:
    """Write CLOCK_BOOTTIME seconds, which no clock step can make look old. Replaced whole, so never half-read."""
    temporary = path.with_name(f".{path.name}.tmp")
    reach("heartbeat.write.before")
    temporary.unlink(missing_ok=True)  # a killed agent's, or a link that leads elsewhere
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{now:.3f}\n")
    reach("heartbeat.write.written")
    temporary.rename(path)
    reach("heartbeat.write.after")
