"""An emulator of the example site, in process and over HTTP, on clocks that stand still."""

from __future__ import annotations

import time

import pytest

from terway_edge.testing import FakeClock
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.example import example_site
from tests.testing.openapi.caller import Caller
from tests.testing.openapi.recorder import Recorder
from tests.testing.openapi.sdk import Sdk


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def site():
    return example_site()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def emulator(site, clock, recorder):
    emulator = Emulator(site, clock=clock.now, wall=time.time, observer=recorder)
    yield emulator
    assert emulator.violations() == []


@pytest.fixture
def call(emulator):
    return Caller(emulator)


@pytest.fixture
def server(emulator):
    with Server(emulator, listen()) as server:
        yield server


@pytest.fixture
def sdk(server):
    sdk = Sdk(server.endpoint)
    yield sdk
    sdk.close()
