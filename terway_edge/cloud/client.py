"""One call of the API: its turn in the budget, the transport, and repetition until the deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from terway_edge.cloud.answers import Answer
from terway_edge.cloud.budget import Budget
from terway_edge.cloud.parameters import Value
from terway_edge.cloud.requests import Action, Request
from terway_edge.cloud.retrying import Attempts, Retrying
from terway_edge.core.cloud import Cause, CloudError


class Transport(Protocol):
    def send(self, request: Request, deadline: float) -> Mapping[str, object]:
        """Sign, send once, and read a JSON object of success. Raises CloudError."""

    def close(self) -> None: ...


class Client:
    """Any thread may call."""

    def __init__(self, transport: Transport, budget: Budget, retrying: Retrying) -> None:
        self._transport, self._budget, self._retrying = transport, budget, retrying

    def call(
        self, action: Action, values: Mapping[str, Value | None], deadline: float, *, repeatable: bool = True
    ) -> Answer:
        """Raises CloudError.

        :param repeatable: False: only what surely had no effect is repeated; after cause UNAVAILABLE look before you
            call again
        """
        attempts = self.attempts(deadline)
        while True:
            self._budget.take(action, deadline)
            try:
                return Answer(action, self._transport.send(action.request(values), deadline))
            except CloudError as error:
                if error.cause is Cause.UNAVAILABLE and not repeatable:
                    raise
                attempts.pause_after(error)

    def attempts(self, deadline: float) -> Attempts:
        return self._retrying.begin(deadline)

    def close(self) -> None:
        self._transport.close()
