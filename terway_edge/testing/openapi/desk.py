"""Where calls are served: admitted, bent as the faults say, answered and logged."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import NamedTuple

from terway_edge.testing.openapi import catalog
from terway_edge.testing.openapi.action import Action, Body, Call
from terway_edge.testing.openapi.catalog import Api
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.fault_plan import METADATA, FaultPlan, Fired
from terway_edge.testing.openapi.gate import Gate, Request
from terway_edge.testing.openapi.log import CallLog, CallRecord
from terway_edge.testing.openapi.metadata import Metadata, MetadataRequest
from terway_edge.testing.openapi.outside import OutsideChanges
from terway_edge.testing.openapi.reply import DROPPED, Reply, failure, prevented, success
from terway_edge.testing.openapi.tokens import Tokens
from terway_edge.testing.openapi.vault import Identity, Vault

Pairs = Iterable[tuple[str, str]]
METADATA_HOST = "100.100.100.200"


class Asked(NamedTuple):
    """What a call is about, as the log has it."""

    product: str
    action: str
    parameters: list[tuple[str, str]]
    identity: str
    host: str = ""


class Desk:
    """Serves one call at a time; time passes and observers are told elsewhere."""

    def __init__(self, cloud: Cloud, plan: FaultPlan) -> None:
        self.log, self.metadata_log = CallLog(), CallLog()
        self.plan = plan
        self._cloud = cloud
        self._vault = Vault(cloud.site)
        self._gate, self._tokens, self._metadata = Gate(self._vault), Tokens(), Metadata(self._vault)

    def handle(self, request: Request) -> Reply:
        """A signed request."""
        version, name = request.envelope.get("Version", ""), request.envelope.get("Action", "")
        product = next((api.product for api in catalog.APIS if api.version == version), "")
        try:
            api, action = catalog.find(version, name)
            identity = self._gate.admit(request, self._cloud.wall)
        except ApiError as error:
            asked = Asked(product, name, request.parameters, "", request.host)
            return self._finish(self.log, asked, failure(error, product, request.host, new_request_id()), Fired(()))
        return self.serve(api, action, request.parameters, identity, request.host)

    def serve(self, api: Api, action: Action, parameters: Pairs, identity: Identity, host: str) -> Reply:
        """A call of somebody who may."""
        asked = Asked(api.product, action.name, list(parameters), identity.arn, host)
        fired = self.plan.fire(api.product, action.name, self._cloud.now)

        def effect() -> Reply:
            return success(self._run(asked, action, identity, fired), new_request_id())

        return self._finish(self.log, asked, self._bent(fired, asked, effect), fired)

    def read_metadata(self, request: MetadataRequest) -> Reply:
        asked = Asked(METADATA, request.method, [("path", request.path)], request.source, METADATA_HOST)
        fired = self.plan.fire(METADATA, request.method, self._cloud.now)

        def effect() -> Reply:
            shown = self._shown(fired.age + self._cloud.site.pace.metadata_lag)
            return self._metadata.answer(request, shown, self._cloud.wall)

        return self._finish(self.metadata_log, asked, self._bent(fired, asked, effect), fired)

    def _bent(self, fired: Fired, asked: Asked, effect: Callable[[], Reply]) -> Reply:
        """The reply, after what others change and unless a fault prevents it."""
        outside = OutsideChanges(self._cloud)
        for change in fired.outside("before"):
            outside.apply(change)
        try:
            if fired.preventing:
                reply = prevented(fired.preventing, asked.product, asked.host, new_request_id())
            else:
                reply = DROPPED if fired.drops("before") else effect()
        except ApiError as error:
            reply = failure(error, asked.product, asked.host, new_request_id())
        for change in fired.outside("after"):
            outside.apply(change)
        return reply._replace(delay=fired.delay, is_dropped=reply.is_dropped or fired.drops("after"))

    def _run(self, asked: Asked, action: Action, identity: Identity, fired: Fired) -> Body:
        arguments = action.read(asked.parameters)
        name, token = f"{asked.product}:{action.name}", arguments.text("ClientToken")
        known = self._tokens.recall(name, token, asked.parameters) if token else None
        if known is not None:
            return known
        shown = self._shown(fired.age)
        body = action.run(Call(self._cloud, shown, self._vault, identity, arguments, fired.bent))
        if token:
            self._tokens.remember(name, token, asked.parameters, body)
        return body

    def _shown(self, age: float) -> Cloud:
        return self._cloud.seen(self._cloud.now - age) if age else self._cloud

    def _finish(self, log: CallLog, asked: Asked, reply: Reply, fired: Fired) -> Reply:
        log.add(
            CallRecord(
                self._cloud.now,
                asked.product,
                asked.action,
                dict(asked.parameters),
                asked.identity,
                reply.status,
                reply.code,
                reply.request_id,
                fired.kinds,
                reply.is_dropped,
            )
        )
        return reply


def new_request_id() -> str:
    return str(uuid.uuid4()).upper()
