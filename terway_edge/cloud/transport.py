"""Calls through the vendor's SDK, which nothing else imports, and which decides nothing: no retry, no endpoint, no
proxy, no credentials, no log of its own."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http import protocol_type

from terway_edge.cloud import failures
from terway_edge.cloud.credentials import Credentials, CredentialsProvider
from terway_edge.cloud.proxies import proxies_of
from terway_edge.cloud.requests import Action, Product, Request
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock

USER_AGENT = f"terway-edge/{version('terway-edge')}"
HTTP_OK = 200
_DONE = (None, "", 0, "0")
"""Values of `Code` in an answer that is no refusal; ENS has an integer there."""

# Errors of the SDK while it reads an answer of a kind that it does not expect.
_STUMBLES = (ValueError, TypeError, AttributeError, KeyError, OSError)


class SdkTransport:
    """`client.Transport`. Any thread may send; with more threads than `settings.threads` connections are opened anew.

    :param region: RegionId of every call
    :param endpoints: host or host:port by product name
    """

    def __init__(
        self,
        settings: CloudSettings,
        region: str,
        endpoints: Mapping[str, str],
        credentials: CredentialsProvider,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        silence()
        self._endpoints, self._credentials, self._clock = endpoints, credentials, clock
        self._connect, self._read = settings.connect_timeout, settings.read_timeout
        # The SDK compares by identity: any other text that says https would travel unencrypted.
        self._protocol = protocol_type.HTTPS if settings.protocol == "https" else protocol_type.HTTP
        self._client = AcsClient(
            # A key in the environment would win over any other way to give one, and the signer is replaced at once.
            ak="unused",
            secret="unused",  # noqa: S106 - signs nothing
            region_id=region,
            auto_retry=False,
            user_agent=USER_AGENT,
            connect_timeout=self._connect,
            timeout=self._read,
            verify=str(settings.ca_bundle) if settings.ca_bundle else None,
            pool_size=settings.threads,
            proxy=proxies_of(endpoints.values(), settings.protocol, settings.proxy, environ),
        )
        self._client._signer = _Signer()
        self._client.session.trust_env = False  # else ~/.netrc adds a password of somebody else

    def send(self, request: Request, deadline: float) -> Mapping[str, object]:
        """A key that ended or was replaced meanwhile is taken anew, once."""
        credentials = self._credentials.current(deadline)
        try:
            return self._send(request, credentials, deadline)
        except CloudError as error:
            if not failures.is_about_key(error.error_code) or not self._credentials.renew(credentials, deadline):
                raise
        return self._send(request, self._credentials.current(deadline), deadline)

    def close(self) -> None:
        self._client.session.close()

    def _send(self, request: Request, credentials: Credentials, deadline: float) -> Mapping[str, object]:
        """No exception of the SDK is the cause or context of what is raised: their texts hold signed URLs."""
        action = request.action
        body, problem = self._answer(self._prepared(request, credentials, deadline), credentials)
        if problem is not None:
            raise self._failure(action, problem)
        return fields_of(action, body, credentials)

    def _answer(self, request: Any, credentials: Credentials) -> tuple[bytes, _Problem | None]:
        try:
            return self._client.do_action_with_exception(request), None
        except ServerException as error:
            message = credentials.clear(str(error.message))
            return b"", _Problem(str(error.error_code), message, error.http_status, str(error.request_id or ""))
        except ClientException as error:
            return b"", _Problem("", credentials.clear(f"{error.error_code}: {error.message}"))
        except IndexError:  # the SDK expects a colon in the message of a signature that is refused
            return b"", _Problem("SignatureDoesNotMatch", "", 400)
        except _STUMBLES as error:
            return b"", _Problem("", type(error).__name__)

    def _failure(self, action: Action, problem: _Problem) -> CloudError:
        if not problem.code:
            return failures.unreachable(action, self._endpoints[action.product.name], problem.message)
        code = "SignatureDoesNotMatch" if problem.code == "InvalidAccessKeySecret" else problem.code
        if code == _UNKNOWN_ANSWER:
            return failures.refused(action, code, "", problem.status, problem.request_id)
        return failures.refused(action, code, problem.message, problem.status, problem.request_id)

    def _prepared(self, request: Request, credentials: Credentials, deadline: float) -> Any:
        seconds = deadline - self._clock.now()
        if seconds <= 0:
            raise CloudError(
                f"{request.action} was not called: its deadline is over",
                action=request.action.name,
                cause=Cause.UNAVAILABLE,
            )
        prepared = _request_class(request.action.product.package, request.action.name)()
        prepared.set_endpoint(self._endpoints[request.action.product.name])
        prepared.set_protocol_type(self._protocol)
        prepared.set_connect_timeout(min(self._connect, seconds))
        prepared.set_read_timeout(min(self._read, seconds))
        for name, value in request.query.items():
            prepared.add_query_param(name, value)
        prepared.credentials = credentials  # for the signer
        return prepared


class _Problem(NamedTuple):
    """`code` is the API's, empty if it did not answer."""

    code: str
    message: str
    status: int = 0
    request_id: str = ""


_UNKNOWN_ANSWER = "SDK.UnknownServerError"


class _Signer:
    """Signs each request with the credentials it came with."""

    def sign(self, region: str, request: Any) -> tuple[Mapping[str, str], str]:
        credentials: Credentials = request.credentials
        if credentials.token is not None:
            request.add_query_param("SecurityToken", credentials.token.value.decode())
        key = (credentials.key_id.value.decode(), credentials.key_secret.value.decode())
        return request.get_signed_header(region, *key), request.get_url(region, *key)


def known_endpoint(product: Product, region: str) -> str:
    """The vendor's host of a regional service: one of those that the SDK lists, else by their scheme."""
    package = product.package.partition(".")[0]
    listed = importlib.import_module(f"{package}.endpoint").endpoint_data.getEndpointMap()
    return str(listed.get(region) or f"{product.name}.{region}.aliyuncs.com")


def silence() -> None:
    """The SDK writes signed URLs to its loggers, and with DEBUG=sdk in the environment to standard error."""
    for name in ("aliyunsdkcore", "aliyunsdkcore.http.http_response"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


@cache
def _request_class(package: str, name: str) -> Any:
    """Imported when the action is first called: each is a module of its own."""
    return getattr(importlib.import_module(f"{package}.{name}Request"), f"{name}Request")


def fields_of(action: Action, body: bytes, credentials: Credentials) -> Mapping[str, object]:
    """The JSON object of an answer that came with status 200. Raises CloudError."""
    if not body:
        raise failures.not_understood(action, "the answer is empty")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise failures.not_understood(action, "the answer is no JSON object")
    code = fields.get("Code")
    if code in _DONE:
        return fields
    message = credentials.clear(str(fields.get("Message") or ""))
    raise failures.refused(action, str(code), message, HTTP_OK, str(fields.get("RequestId") or ""))
