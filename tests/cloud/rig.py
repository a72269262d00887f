"""Clients on an emulator over real HTTP, on a clock that moves when somebody sleeps."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from terway_edge.cloud.client import Client
from terway_edge.cloud.credentials import FixedCredentials, of_texts
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs, open_ens
from terway_edge.cloud.requests import Action, Request
from terway_edge.cloud.settings import CloudSettings
from terway_edge.cloud.transport import SdkTransport
from terway_edge.testing import FakeClock
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.example import REGION
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.gate import Request as HttpRequest
from terway_edge.testing.openapi.reply import Reply

KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}


class Time:
    """Sleeping takes no time of ours: it moves the clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)


def surroundings(time_: Time, environ: Mapping[str, str] = KEY) -> Surroundings:
    return Surroundings(time_.clock, time_.sleep, time.time, random.Random(7).random, environ)


class World:
    """An emulator, a server before it, and the two clouds as clients of it."""

    def __init__(self, site: Any, **settings: Any) -> None:
        self.time = Time()
        self.emulator = Emulator(site, clock=self.time.clock.now, wall=time.time)
        self.server = Server(self.emulator, listen())
        self.server.start()
        self.settings = CloudSettings(**{**local(self.server.endpoint), **settings})
        around = surroundings(self.time)
        self.ecs = open_ecs(self.settings, around, InstanceTypes(), self.deadline)
        self.ens = open_ens(self.settings, around)

    @property
    def deadline(self) -> float:
        return self.time.clock.now() + 60

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Instead of those before; the log begins anew."""
        self.emulator.load_faults(Script.model_validate({"faults": faults}))
        self.emulator.log.clear()

    def count(self, action: str) -> int:
        return len(self.emulator.log.calls(action))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.ecs.close()
        self.ens.close()
        self.server.close()
        if error is None:
            assert self.emulator.violations() == []


def local(endpoint: str) -> dict[str, Any]:
    """Settings for a server on this host."""
    return {
        "region": REGION,
        "protocol": "http",
        "ecs_endpoint": endpoint,
        "vpc_endpoint": endpoint,
        "ens_endpoint": endpoint,
        "metadata_url": f"http://{endpoint}",
        "proxy": "",
    }


class Canned:
    """`client.Transport` that gives what it is told, one after the other, and remembers what it was asked."""

    def __init__(self, *answers: Mapping[str, object] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[Request] = []

    def send(self, request: Request, deadline: float) -> Mapping[str, object]:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is open."""


class OddApi:
    """Stands where the emulator stands behind a `Server`, and answers every call alike."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._reply = Reply(status, body)
        self.seen: list[HttpRequest] = []

    def handle(self, request: HttpRequest) -> Reply:
        self.seen.append(request)
        return self._reply

    def settle(self) -> None:
        """Nothing ever changes."""


class CountingSocket(socket.socket):
    """A listening socket that counts the connections it accepted."""

    accepted = 0

    def accept(self):
        found = super().accept()
        self.accepted += 1
        return found


def counting_socket() -> CountingSocket:
    return CountingSocket(fileno=listen().detach())


def transport(
    time_: Time,
    endpoint: str,
    key: tuple[str, ...] = ("testid", "testsecret"),
    environ: Mapping[str, str] = {},
    **settings: Any,
) -> SdkTransport:
    chosen = CloudSettings(**{**local(endpoint), **settings})
    endpoints = {"ecs": chosen.ecs_endpoint, "vpc": chosen.vpc_endpoint, "ens": chosen.ens_endpoint}
    return SdkTransport(chosen, REGION, endpoints, FixedCredentials(of_texts(*key)), time_.clock, environ)


def client_of(canned: Canned, time_: Time) -> Client:
    from terway_edge.cloud.budget import Budget
    from terway_edge.cloud.retrying import Retrying

    budget = Budget(time_.clock, time_.sleep, {})
    return Client(canned, budget, Retrying(time_.clock, time_.sleep, lambda: 0.5))


def call(sender: SdkTransport, time_: Time, action: Action, **values: Any) -> Mapping[str, object]:
    return sender.send(action.request(values), time_.clock.now() + 30)
