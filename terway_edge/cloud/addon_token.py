"""The token that ACK mounts for components: a JSON object whose values are AES-CBC ciphertexts in Base64, each after
its initialisation vector, padded as PKCS #7 has it; the key is the value of `keyring` as it is.

The layout is not documented by the vendor; it is the one that public components read.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

_ENCRYPTED = {
    "access.key.id": "AccessKeyId",
    "access.key.secret": "AccessKeySecret",
    "security.token": "SecurityToken",
}
_BLOCK = 16  # bytes


def is_addon_token(document: Mapping[str, object]) -> bool:
    return "keyring" in document


def decrypt_token(document: Mapping[str, object]) -> dict[str, object]:
    """The same under the names that RAM roles use. Raises ValueError with a text that repeats no value."""
    key = _text(document, "keyring").encode()
    plain: dict[str, object] = {
        name: _decrypted(key, _text(document, old)) for old, name in _ENCRYPTED.items() if document.get(old)
    }
    return {**plain, "Expiration": document.get("expiration")}


def _decrypted(key: bytes, text: str) -> str:
    # Imported late: no other source of credentials needs it.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    try:
        content = b64decode(text, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(content[:_BLOCK])).decryptor()
        padded = decryptor.update(content[_BLOCK:]) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK * 8).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        raise ValueError("its values do not decrypt with its keyring") from None


def _text(document: Mapping[str, object], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str):
        raise ValueError(f"expected a text as {name}")
    return found
