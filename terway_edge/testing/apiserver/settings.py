"""How the server behaves, as far as one may choose."""

from __future__ import annotations

from dataclasses import dataclass

from terway_edge.testing.apiserver.store import HISTORY


@dataclass(frozen=True)
class Settings:
    """Times in seconds.

    `rbac`: roles are enforced, for which tokens must be given out. `bookmarks`: time between two bookmarks of a watch.
    `longest_watch`: of a watch without timeoutSeconds. `settling`: how long a new CRD's resource answers 429 first.
    """

    rbac: bool = False
    bookmarks: float = 60.0
    longest_watch: float = 1800.0
    settling: float = 0.0
    history: int = HISTORY
