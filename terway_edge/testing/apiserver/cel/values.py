"""What expressions make: a value in a scope, or an error that `&&` and `||` may swallow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Expression = Callable[[Scope], Any]


class CelError(Exception):
    """An expression that has no value, or that cannot be parsed."""
