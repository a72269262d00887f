"""The lab as an administrator of the cluster: objects by the Kubernetes API, with any kubeconfig that kubectl takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from terway_edge.cluster.api.failures import CONFLICT, NOT_FOUND, ApiError, GoneError, UnreachableError
from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.core.errors import Refused
from terway_edge.lab.errors import LabError
from terway_edge.lab.sockets import enter

JSON, MERGE = "application/json", "application/merge-patch+json"
SERVERS_OWN = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
NOW = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}

Object = dict[str, Any]
Answer = TypeVar("Answer")


class ApiClient:
    """One request at a time, in a thread of its own. Raises LabError for what is not expected."""

    def __init__(self, kubeconfig: Path, netns: str = "") -> None:
        """:param netns: where the API server is reached from; empty: the host."""
        self._kubeconfig = kubeconfig
        self._thread = ThreadPoolExecutor(1)
        if netns:
            self._thread.submit(enter, netns).result()
        self._runner = self._thread.submit(asyncio.Runner).result()
        self._transport = Transport(lambda: open_client(kubeconfig, "terway-edge-lab"), Timing())

    def get(self, path: str) -> Object | None:
        """None if there is no such thing."""
        try:
            return self._read(self._transport.get(path))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise self._error(path, error) from error

    def items(self, path: str) -> list[Object]:
        listed = self.get(path)
        return list(listed["items"] or []) if listed else []

    def create(self, value: Mapping[str, Any]) -> Object | None:
        """What was made of it; None if there is one of that name already."""
        try:
            return self._send("POST", collection_of(value), without_servers_own(value), JSON)
        except ApiError as error:
            if error.status == CONFLICT:
                return None
            raise self._error(collection_of(value), error) from error

    def post(self, path: str, value: Mapping[str, Any]) -> Object:
        """Whatever is not an object."""
        try:
            return self._send("POST", path, value, JSON)
        except ApiError as error:
            raise self._error(path, error) from error

    def put(self, value: Mapping[str, Any]) -> None:
        """Create it, or change what is there already."""
        if self.create(value) is not None:
            return
        self.patch(path_of(value), without_servers_own(value))

    def patch(self, path: str, value: Mapping[str, Any]) -> None:
        """Change a part of what is there."""
        try:
            self._send("PATCH", path, value, MERGE)
        except ApiError as error:
            raise self._error(path, error) from error

    def delete(self, path: str) -> None:
        """A missing one is success."""
        try:
            self._send("DELETE", path, NOW, JSON)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise self._error(path, error) from error

    def close(self) -> None:
        self._run(self._transport.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _send(self, method: str, path: str, body: Mapping[str, Any], content_type: str) -> Object:
        return self._read(self._transport.send(method, path, body, content_type))

    def _read(self, request: Coroutine[Any, Any, bytes]) -> Object:
        try:
            answer: Object = json.loads(self._run(request))
        except (UnreachableError, GoneError, Refused, ValueError) as error:
            raise LabError(f"the API server of {self._kubeconfig}: {error}") from error
        return answer

    def _run(self, request: Coroutine[Any, Any, Answer]) -> Answer:
        return self._thread.submit(self._runner.run, request).result()

    def _error(self, path: str, error: ApiError) -> LabError:
        return LabError(f"the API server of {self._kubeconfig} answers {error} for {path}")


def collection_of(value: Mapping[str, Any]) -> str:
    """The path under which objects of that kind and namespace are."""
    version, kind = value["apiVersion"], value["kind"]
    namespace = value["metadata"].get("namespace", "")
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{where}/{kind.lower()}s"


def path_of(value: Mapping[str, Any]) -> str:
    return f"{collection_of(value)}/{value['metadata']['name']}"


def without_servers_own(value: Mapping[str, Any]) -> Object:
    """Without what nobody but the server may set."""
    metadata = {key: each for key, each in value["metadata"].items() if key not in SERVERS_OWN}
    return {**value, "metadata": metadata}
