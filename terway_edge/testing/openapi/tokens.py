"""ClientToken: the same token with the same parameters is the same call, with the same answer and one resource."""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.testing.openapi.action import Body
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.fields import Text

CLIENT_TOKEN = Text("ClientToken", shortest=1, longest=64, pattern=r"[\x21-\x7e]+")
"""Only actions that have this field remember; a token given to another is an unknown parameter."""


class Tokens:
    """Answers of calls that succeeded; a failed call leaves its token unused."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], tuple[list[tuple[str, str]], Body]] = {}

    def recall(self, action: str, token: str, parameters: Iterable[tuple[str, str]]) -> Body | None:
        """The answer given before. Raises ApiError if the token was used with other parameters."""
        known = self._answers.get((action, token))
        if known is None:
            return None
        if known[0] != sorted(parameters):
            raise ApiError(
                "IdempotentParameterMismatch",
                "the ClientToken was used before with other parameters",
                parameter="ClientToken",
            )
        return known[1]

    def remember(self, action: str, token: str, parameters: Iterable[tuple[str, str]], answer: Body) -> None:
        self._answers[action, token] = (sorted(parameters), answer)
