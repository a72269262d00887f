"""Whom a call comes from, and whether it is what they sent, now, and for the first time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from terway_edge.testing.openapi.errors import ApiError, invalid, missing
from terway_edge.testing.openapi.signature import is_signed, string_to_sign
from terway_edge.testing.openapi.vault import Credentials, Identity, Vault

WINDOW = 900.0
"""A timestamp may be so many seconds off; a nonce is remembered for twice as long."""
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
ENVELOPE = frozenset(
    (
        *("Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Signature", "SignatureMethod"),
        *("SignatureVersion", "SignatureNonce", "SignatureType", "Timestamp"),
    )
)
"""Parameters of every request, whatever the action."""


class Request(NamedTuple):
    """An HTTP request to the API: its method, and the pairs of query and form, decoded once."""

    method: str
    pairs: tuple[tuple[str, str], ...]
    host: str = ""

    @property
    def envelope(self) -> Mapping[str, str]:
        return {name: value for name, value in self.pairs if name in ENVELOPE}

    @property
    def parameters(self) -> list[tuple[str, str]]:
        return [pair for pair in self.pairs if pair[0] not in ENVELOPE]


class Gate:
    """Remembers nonces; `wall` is the time of day in seconds of 1970."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._nonces: dict[str, float] = {}
        self._order: deque[tuple[float, str]] = deque()

    def admit(self, request: Request, wall: float) -> Identity:
        """Raises ApiError."""
        envelope = request.envelope
        if len(envelope) < sum(name in ENVELOPE for name, _ in request.pairs):
            raise ApiError("IncompleteSignature", "a parameter of the signature is given twice")
        for name in ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp"):
            if not envelope.get(name):
                raise missing(name)
        for name, value in (("Format", "JSON"), ("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")):
            if envelope.get(name) != value:
                raise invalid(name, f"only {value} is understood")
        _check_time(envelope["Timestamp"], wall)
        credentials = self._credentials(envelope, wall)
        text = string_to_sign(request.method, request.pairs)
        if not is_signed(credentials.secret, text, envelope["Signature"]):
            # A client of the vendor's reads what follows the first colon.
            raise ApiError("SignatureDoesNotMatch", f"the signature is not that of the server, which signs:{text}")
        self._use(envelope["SignatureNonce"], wall)
        return credentials.identity

    def _credentials(self, envelope: Mapping[str, str], wall: float) -> Credentials:
        credentials = self._vault.find(envelope["AccessKeyId"])
        if credentials is None:
            raise ApiError("InvalidAccessKeyId.NotFound", "the specified AccessKeyId does not exist", 404)
        if envelope.get("SecurityToken", "") != credentials.token:
            raise ApiError("InvalidSecurityToken.Malformed", "the SecurityToken is not that of the AccessKeyId")
        if wall >= credentials.expires:
            raise ApiError("InvalidSecurityToken.Expired", "the SecurityToken has expired")
        return credentials

    def _use(self, nonce: str, wall: float) -> None:
        while self._order and self._order[0][0] < wall - 2 * WINDOW:
            del self._nonces[self._order.popleft()[1]]
        if nonce in self._nonces:
            raise ApiError("SignatureNonceUsed", "the SignatureNonce was used before")
        self._nonces[nonce] = wall
        self._order.append((wall, nonce))


def _check_time(text: str, wall: float) -> None:
    try:
        sent = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ApiError("IllegalTimestamp", f"{text!r} is no time in UTC such as 2016-02-23T12:46:24Z") from None
    if abs(sent - wall) > WINDOW:
        raise ApiError("InvalidTimeStamp.Expired", f"{text} is more than {WINDOW / 60:.0f} minutes from now")


def utc(wall: float, form: str = TIME_FORMAT) -> str:
    """A time of day as the service writes it."""
    return datetime.fromtimestamp(wall, UTC).strftime(form)
