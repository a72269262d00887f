"""Credentials of the instance's RAM role. They end after some hours; new ones appear half an hour before."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

from terway_edge.cloud.credentials import Credentials, no_credentials, of_texts, read_time
from terway_edge.cloud.metadata_http import ACTION, MetadataHttp
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock

_LOG = logging.getLogger(__name__)

EARLY = 1500.0  # seconds before their end from which on new ones are asked for
PATIENCE = 60.0  # seconds between two askings, as long as the old ones last
READ_SECONDS = 10.0  # longest wait for metadata
PATH = "meta-data/ram/security-credentials/"


class RoleCredentials:
    """Any thread may ask; one at a time asks metadata, and the others go on with what there is as long as it lasts.

    :param role: empty: the one that metadata names
    :param wall: seconds of 1970
    """

    def __init__(self, metadata: MetadataHttp, clock: Clock, wall: Callable[[], float], role: str = "") -> None:
        self._metadata, self._clock, self._wall, self._role = metadata, clock, wall, role
        self._asking = threading.Lock()
        self._credentials: Credentials | None = None
        self._asked = float("-inf")

    def current(self, deadline: float) -> Credentials:
        found = self._credentials
        if found is not None and (self._lasts(found, EARLY) or self._is_patient(found)):
            return found
        # Who has some that last need not wait for whoever is asking.
        seconds = 0.0 if found is not None and self._lasts(found) else max(0.0, deadline - self._clock.now())
        if not self._asking.acquire(timeout=seconds):
            if found is not None and self._lasts(found):
                return found
            raise CloudError(
                "the credentials of the RAM role did not come in time", action=ACTION, cause=Cause.UNAVAILABLE
            )
        try:
            return self._renewed(deadline)
        finally:
            self._asking.release()

    def renew(self, refused: Credentials, deadline: float) -> bool:
        if self._credentials == refused:
            self._credentials = None
        return self.current(deadline) != refused

    def _renewed(self, deadline: float) -> Credentials:
        """Another thread may have been here while this one waited."""
        found = self._credentials
        if found is not None and (self._lasts(found, EARLY) or self._is_patient(found)):
            return found
        self._asked = self._clock.now()
        try:
            renewed = self._read(min(deadline, self._asked + READ_SECONDS))
        except CloudError as error:
            if found is None or not self._lasts(found):
                raise
            _LOG.warning("%s; the credentials of before are used until they end", error)
            return found
        self._credentials = renewed
        return renewed

    def _lasts(self, credentials: Credentials, seconds: float = 0.0) -> bool:
        return self._wall() + seconds < credentials.expires

    def _is_patient(self, credentials: Credentials) -> bool:
        return self._lasts(credentials) and self._clock.now() < self._asked + PATIENCE

    def _read(self, deadline: float) -> Credentials:
        try:
            role = self._role or self._metadata.text(PATH, deadline).split("\n")[0].strip()
            document = self._metadata.text(PATH + role, deadline)
        except CloudError as error:
            if error.cause is Cause.MISSING:
                raise no_credentials(
                    "the instance has no RAM role, or not this one; attach it to the instance"
                ) from None
            raise
        return _parsed(document)


def _parsed(text: str) -> Credentials:
    try:
        document = json.loads(text)
        if document["Code"] != "Success":
            raise ValueError
        names = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
        key_id, key_secret, token, end = [str(document[name]) for name in names]
        return of_texts(key_id, key_secret, token, read_time(end))
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not repeated, and without what caused it: the text holds the secret.
        failure = no_credentials("metadata shows the role's credentials in a form that is not understood")
    raise failure
