"""The signature of RPC-style requests, SignatureVersion 1.0.

Parameters are sorted by name in byte order and percent-encoded with A-Z a-z 0-9 - _ . ~ left as they are; path and
headers are not signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import quote


def string_to_sign(method: str, pairs: Iterable[tuple[str, str]]) -> str:
    """:param pairs: all parameters of query and form, those with an empty value too; `Signature` is left out here."""
    signed = sorted((name, value) for name, value in pairs if name != "Signature")
    canonical = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in signed)
    return f"{method}&{_encoded('/')}&{_encoded(canonical)}"


def sign(secret: str, text: str) -> str:
    """Base64 of HMAC-SHA1, as the service defines it."""
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha1)).decode()


def is_signed(secret: str, text: str, signature: str) -> bool:
    return hmac.compare_digest(sign(secret, text).encode(), signature.encode())


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
