"""One rule of `x-kubernetes-validations`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from terway_edge.testing.apiserver.cel.parser import Parser
from terway_edge.testing.apiserver.cel.values import CelError

VARIABLES = frozenset({"self", "oldSelf"})


class Rule:
    """Raises CelError for an expression that cannot be parsed or uses what is not there."""

    def __init__(self, expression: str) -> None:
        parser = Parser(expression, VARIABLES)
        self._value = parser.parse()
        self.is_transition = "oldSelf" in parser.names

    @staticmethod
    @lru_cache
    def of(expression: str) -> Rule:
        return Rule(expression)

    def holds(self, value: Any, old: Any) -> bool:
        """Raises CelError where the expression has no value."""
        found = self._value({"self": value, "oldSelf": old})
        if not isinstance(found, bool):
            raise CelError("the rule must evaluate to a bool")
        return found
