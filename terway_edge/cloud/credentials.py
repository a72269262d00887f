"""Who calls the API: an AccessKey pair, with a token if it is temporary, from wherever it is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.secret import Secret

KEY_ID, KEY_SECRET, TOKEN = (
    *("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """`expires` in seconds of 1970, infinite if nobody said."""

    key_id: Secret
    key_secret: Secret
    token: Secret | None = None
    expires: float = math.inf

    def clear(self, text: str) -> str:
        """The text without any of them."""
        for secret in filter(None, (self.token, self.key_secret, self.key_id)):
            text = text.replace(secret.value.decode(), "***")
        return text


class CredentialsProvider(Protocol):
    """Any thread may ask. Raises CloudError: cause DENIED if there are none, another if it cannot be known now."""

    def current(self, deadline: float) -> Credentials:
        """The newest."""

    def renew(self, refused: Credentials, deadline: float) -> bool:
        """The API refused these: True if there are others now."""


class FixedCredentials:
    """Those of the environment: they stay until the process ends."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def current(self, deadline: float) -> Credentials:
        return self._credentials

    def renew(self, refused: Credentials, deadline: float) -> bool:
        return False


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """None without a key id. Raises CloudError for a key id without its secret."""
    key_id, key_secret, token = (environ.get(name, "").strip() for name in (KEY_ID, KEY_SECRET, TOKEN))
    if not key_id:
        return None
    if not key_secret:
        raise no_credentials(f"{KEY_ID} is set and {KEY_SECRET} is not; set both")
    return of_texts(key_id, key_secret, token)


def of_texts(key_id: str, key_secret: str, token: str = "", expires: float = math.inf) -> Credentials:
    return Credentials(
        Secret(key_id.encode()), Secret(key_secret.encode()), Secret(token.encode()) if token else None, expires
    )


def read_time(text: str) -> float:
    """Seconds of 1970 of a time such as 2016-02-23T12:46:24Z, UTC unless it says another zone; infinite for an empty
    one. Raises ValueError, which does not repeat the text."""
    if not text:
        return math.inf
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("the expiration is no time such as 2016-02-23T12:46:24Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def no_credentials(message: str) -> CloudError:
    return CloudError(f"no credentials: {message}", action="credentials", cause=Cause.DENIED)
