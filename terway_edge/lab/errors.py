"""Why a lab cannot go on."""

from __future__ import annotations


class LabError(Exception):
    """One sentence for the operator; `look_at` is the file or command that tells more."""

    def __init__(self, message: str, *, look_at: str = "") -> None:
        super().__init__(message)
        self.look_at = look_at
