"""Credentials in a file or in a directory as a Secret is mounted, read again when they change.

A directory has the files access-key-id and access-key-secret, and security-token and expiration if they are temporary.
A file is a JSON object with AccessKeyId, AccessKeySecret, SecurityToken and Expiration, as RAM roles have them, or the
token that ACK mounts for its components, of which the values are encrypted with a key beside them.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from pathlib import Path

from terway_edge.cloud.addon_token import decrypt_token, is_addon_token
from terway_edge.cloud.credentials import Credentials, no_credentials, of_texts, read_time

_LOG = logging.getLogger(__name__)

NAMES = ("access-key-id", "access-key-secret", "security-token", "expiration")
FIELDS = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
_LARGEST = 1 << 16  # bytes; a token is a kilobyte
_READS = 3  # while somebody writes

_Stamp = tuple[tuple[int, int, int], ...]


class PathCredentials:
    """Looks at the files' times at every call. What cannot be read leaves the last good ones in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: _Stamp | None = None
        self._credentials: Credentials | None = None

    def current(self, deadline: float) -> Credentials:
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._read(stamp)
            if self._credentials is None:
                raise no_credentials(f"{self._path} has none that can be used; see the log, and mount the Secret there")
            return self._credentials

    def renew(self, refused: Credentials, deadline: float) -> bool:
        with self._lock:
            self._seen = None
        return self.current(deadline) != refused

    def _read(self, stamp: _Stamp) -> None:
        """A pair is of one time: read again if the files changed meanwhile."""
        for _ in range(_READS):
            try:
                found: Credentials | ValueError | OSError = self._parsed()
            except (ValueError, OSError) as error:
                found = error
            again = self._stamp()
            if again == stamp:
                break
            stamp = again
        else:
            return  # the next call looks again
        self._seen = stamp
        if isinstance(found, Credentials):
            self._credentials = found
        else:
            kept = "those of before stay in use" if self._credentials else "mend it"
            _LOG.warning("credentials in %s cannot be read: %s; %s", self._path, _reason(found), kept)

    def _stamp(self) -> _Stamp:
        """Changes with the content, also when a mounted Secret is swapped by a symbolic link."""
        paths = (self._path, *(self._path / name for name in NAMES))
        return tuple(each for path in paths for each in _stamp_of(path))

    def _parsed(self) -> Credentials:
        """Raises OSError, or ValueError with a text that repeats no value."""
        if self._path.is_dir():
            key_id, key_secret, token, end = [_text(self._path / name) for name in NAMES]
        else:
            key_id, key_secret, token, end = _fields(_json(self._path))
        if not key_id or not key_secret:
            raise ValueError("the key id or its secret is missing")
        return of_texts(key_id, key_secret, token, read_time(end))


def _fields(document: object) -> list[str]:
    """Values of FIELDS, empty for those that are absent."""
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object")
    if is_addon_token(document):
        document = decrypt_token(document)
    found = [document.get(name) or "" for name in FIELDS]
    texts = [each for each in found if isinstance(each, str)]
    if len(texts) < len(found):
        raise ValueError(f"expected texts as {', '.join(FIELDS)}")
    return texts


def _text(path: Path) -> str:
    """Without the line end that editors and `echo` leave behind; empty without the file."""
    try:
        return _bytes(path).decode().strip()
    except FileNotFoundError:
        return ""


def _json(path: Path) -> object:
    try:
        return json.loads(_bytes(path))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _bytes(path: Path) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("expected a regular file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"has more than {_LARGEST} bytes")
    return content


def _stamp_of(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return ((0, 0, 0),)
    return ((found.st_mtime_ns, found.st_ino, found.st_size),)


def _reason(error: ValueError | OSError) -> str:
    """Errors of decoders repeat what they read."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no JSON in UTF-8" if isinstance(error, json.JSONDecodeError | UnicodeError) else str(error)
