"""A server in process, and plain HTTP to it."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver import ApiServer, Server, Settings, listen
from tests.testing.apiserver import manifests
from tests.testing.apiserver.wire import Wire


@pytest.fixture
def settings():
    return Settings(bookmarks=0.2)


@pytest.fixture
def api(settings):
    api = ApiServer(settings)
    api.objects.put(manifests.crd())
    return api


@pytest.fixture
def server(api):
    with Server(api, listen()) as server:
        yield server


@pytest.fixture
def wire(server):
    return Wire(server.url)
