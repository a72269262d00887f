"""Readers of what the cloud says; see targets.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from terway_edge.cloud import requests
from terway_edge.cloud.answers import Answer
from terway_edge.cloud.credentials import of_texts
from terway_edge.cloud.ecs_reading import EcsReader
from terway_edge.cloud.ecs_shapes import assigned4, assigned6
from terway_edge.cloud.ens_reading import EnsReader
from terway_edge.cloud.ens_shapes import assigned
from terway_edge.cloud.limits import read_annotation
from terway_edge.cloud.metadata import EcsMetadata
from terway_edge.cloud.role import RoleCredentials
from terway_edge.cloud.transport import fields_of
from terway_edge.core.cloud import CloudError
from terway_edge.testing import FakeClock

CREDENTIALS = of_texts("id", "secret", "token")


class Parrot:
    """A client whose every call is answered alike."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def call(self, action: requests.Action, *_: object, **__: object) -> Answer:
        return Answer(action, fields_of(action, self._body, CREDENTIALS))


class Pages:
    """Metadata, whose files are answered one after the other, over and over."""

    def __init__(self, texts: list[str]) -> None:
        self._texts, self._at = texts, -1

    def text(self, path: str, deadline: float) -> str:
        self._at += 1
        return self._texts[self._at % len(self._texts)]


def tried(call: Callable[[], object]) -> None:
    """CloudError is what callers expect; what comes back must have a text."""
    try:
        str(call())
    except CloudError as error:
        str(error)


def ecs_answer(data: bytes) -> None:
    reader = EcsReader(Parrot(data))
    tried(lambda: reader.instance("i-1", 1.0))
    tried(lambda: reader.limits("ecs.g7.large", 1.0))
    tried(lambda: reader.vswitches(["vsw-1"], 1.0))
    tried(lambda: reader.enis({}, 1.0))
    tried(lambda: (assigned4(Parrot(data).call(requests.ECS_ENIS)), assigned6(Parrot(data).call(requests.ECS_ENIS))))


def ens_answer(data: bytes) -> None:
    reader = EnsReader(Parrot(data))
    tried(lambda: reader.instance("i-1", 1.0))
    tried(lambda: reader.vswitches(["vsw-1"], 1.0))
    tried(lambda: reader.enis({}, 1.0))
    tried(lambda: assigned(Parrot(data).call(requests.ENS_ENIS)))


def metadata(data: bytes) -> None:
    """Files of the metadata service, with NUL between."""
    texts = data.decode(errors="replace").split("\0")
    clock = FakeClock()
    tried(lambda: EcsMetadata(Pages(texts), clock, clock.advance).enis(1.0))
    tried(lambda: EcsMetadata(Pages(texts), clock, clock.advance).instance(1.0))
    tried(lambda: RoleCredentials(Pages(texts), clock, time.time).current(60.0))


def instance_type(data: bytes) -> None:
    """The annotation of a Node; ValueError says that it is of no use."""
    try:
        read_annotation(data.decode(errors="surrogateescape"))
    except ValueError as error:
        str(error)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "ecs_answer": ecs_answer,
    "ens_answer": ens_answer,
    "metadata": metadata,
    "instance_type": instance_type,
}
