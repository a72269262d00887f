"""From a request on the socket to a reply: CNI verbs go to the service, queries of the command line are answered."""

from __future__ import annotations

import json
import logging

from terway_edge.agent import netconf
from terway_edge.agent.netconf import shown
from terway_edge.agent.queries import Queries
from terway_edge.agent.requests import CniRequest, Command, parse_request
from terway_edge.agent.results import ERROR_VERSION, check_prev_result, render_error, render_result
from terway_edge.agent.server import Connection
from terway_edge.agent.service import Service
from terway_edge.agent.telemetry import Telemetry
from terway_edge.cni.wire import Reply, Request
from terway_edge.core.datapath import attachment
from terway_edge.core.errors import INTERNAL, INVALID_CONFIG, NOT_AVAILABLE, EdgeError, KernelError, Refused, Retry
from terway_edge.core.models import Attachment
from terway_edge.core.ports import Clock

log = logging.getLogger(__name__)

SUCCESS = Reply(0, b"")
KNOWN = {*Command, "query"}


class CniHandler:
    """Answers every request exactly once, whatever happens, and counts it."""

    def __init__(self, service: Service, queries: Queries, telemetry: Telemetry, clock: Clock, network: str) -> None:
        self._service = service
        self._queries = queries
        self._telemetry = telemetry
        self._clock = clock
        self._network = network

    def __call__(self, request: Request, connection: Connection) -> None:
        began = self._clock.now()
        environ = request.environ
        command = environ.get("CNI_COMMAND", "") if "TERWAY_EDGE_QUERY" not in environ else "query"
        code = 0
        try:
            if command == "query":
                answer = self._queries.answer(environ["TERWAY_EDGE_QUERY"])
                connection.send(Reply(0, json.dumps(answer).encode()))
            elif (reply := self._serve(request, connection, began + request.budget_ms / 1000)) is not None:
                connection.send(reply)
        except EdgeError as error:
            code = error.code
            log.warning("%s of %s: %s", shown(command), shown(environ.get("CNI_CONTAINERID", "")), error)
            connection.send(Reply(1, render_error(error, _version(request.stdin))))
        except Exception as error:
            code = INTERNAL
            log.exception("%s of %s failed", shown(command), shown(environ.get("CNI_CONTAINERID", "")))
            connection.send(Reply(1, render_error(error, _version(request.stdin))))
        # What is no command of ours must not become a label of the metrics: there is no end of such texts.
        self._telemetry.called(command if command in KNOWN else "unknown", code, self._clock.now() - began)

    def delete_spooled(self, request: Request) -> None:
        """Carry out a DEL that nobody waits for. Raises EdgeError; one that makes no sense is dropped."""
        try:
            cni = parse_request(request.environ, request.stdin)
        except Refused as error:
            log.error("dropped a spooled call: %s", error)
            return
        if cni.command is Command.DEL and cni.sandbox is not None:
            self._service.delete(cni.sandbox, self._clock.now() + 25)

    def _serve(self, request: Request, connection: Connection, deadline: float) -> Reply | None:
        """The reply, or None if it was delivered already."""
        cni = parse_request(request.environ, request.stdin, request.netns_fd)
        if cni.sandbox is None:
            return self._status() if cni.command is Command.STATUS else self._collect(cni, deadline)
        if cni.command is Command.ADD:
            self._service.add(cni.sandbox, connection, deadline, lambda plugged: _deliver(cni, connection, plugged))
            return None
        if cni.command is Command.DEL:
            self._service.delete(cni.sandbox, deadline)
            return SUCCESS
        return self._check(cni, deadline)

    def _check(self, cni: CniRequest, deadline: float) -> Reply:
        assert cni.sandbox is not None
        lease, found = self._service.check(cni.sandbox, deadline)
        if cni.prev_result is not None:
            found += check_prev_result(cni.prev_result, lease, attachment(lease, 0))
        if found:
            what = "; ".join(discrepancy.what for discrepancy in found)
            raise KernelError(f"container {cni.sandbox.container_id}: {what}", errno=0)
        return SUCCESS

    def _collect(self, cni: CniRequest, deadline: float) -> Reply:
        if cni.valid_attachments is None:
            raise Refused(
                "GC without cni.dev/valid-attachments: refused, for it would free every pod", code=INVALID_CONFIG
            )
        if cni.network != self._network:
            return SUCCESS  # not ours: leases of this agent belong to one network
        failures = self._service.collect(set(cni.valid_attachments), deadline)
        if failures:
            raise KernelError(f"{len(failures)} attachments could not be collected: {failures[0]}", errno=0)
        return SUCCESS

    def _status(self) -> Reply:
        why_not = self._service.why_not()
        if why_not:
            raise Retry(why_not, code=NOT_AVAILABLE)
        return SUCCESS


def _version(stdin: bytes) -> str:
    """What an error says as its cniVersion: the caller's, where that can be read and is one of ours."""
    try:
        return netconf.version(netconf.load(stdin))
    except Refused:
        return ERROR_VERSION


def _deliver(cni: CniRequest, connection: Connection, plugged: Attachment) -> bool:
    assert cni.sandbox is not None
    return connection.send(Reply(0, render_result(cni.sandbox, plugged, cni.cni_version, cni.prev_result)))
