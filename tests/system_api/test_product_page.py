"""The product's page, step by step: what it has the user type, and what the user then sees."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from terway_edge.lab.layout import Layout
from terway_edge.lab.teardown import tear_down
from tests.interop.waiting import until
from tests.system_api.site import PASSWORD, Site

pytestmark = [pytest.mark.root, pytest.mark.slow]

AGENT = "system:serviceaccount:kube-system:terway-edge"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    layout = Layout(f"twt-api-{os.getpid()}", tmp_path_factory.mktemp("site"))
    with ExitStack() as closing:
        closing.callback(tear_down, layout)
        yield Site(layout, closing)


def told(site: Site, reason: str, node: str) -> list[tuple[str, str]]:
    """(type, message) of the events of a reason about a node's session, as `kubectl describe` shows them."""
    rows = site.described()
    return [(row[0], row[-1]) for row in rows if row[1] == reason and f"session of {node} (" in row[-1]]


def test_apply_get_and_describe_are_as_the_page_has_them(site: Site) -> None:
    """Of node-2 the switch has another password first, which is what the page has the user look for."""
    installed, applied = site.install()
    assert "customresourcedefinition.apiextensions.k8s.io/bgppeers.network.openyurt.io created" in installed
    assert applied.splitlines() == ["bgppeer.network.openyurt.io/peer created", "secret/bgp-secret created"]
    head, row = site.kubectl("get", "bgppeer", "peer").splitlines()
    assert head.split() == ["NAME", "LOCALSPEAKERS", "LOCALASNUMBER", "PEERIP", "PEERASNUMBER", "AGE"]
    assert row.split()[:-1] == ["peer", '["node-1","node-2"]', "65010", "172.16.0.1", "65001"]

    site.start(2)
    until(lambda: told(site, "Established", "node-1"), lambda: f"node-1 is told: {site.described()}")
    until(lambda: told(site, "FailedEstablish", "node-2"), lambda: f"node-2 is told: {site.described()}")
    [(kind, message)] = told(site, "Established", "node-1")
    assert kind == "Normal"
    assert "and 172.16.0.1 (AS 65001) is established" in message
    kind, message = told(site, "FailedEstablish", "node-2")[-1]
    assert (kind, "AuthSuspected" in message, "spec.authPassword" in message) == ("Warning", True, True)
    assert told(site, "FailedEstablish", "node-1") == told(site, "Established", "node-2") == []
    assert PASSWORD not in site.kubectl("describe", "bgppeers", "peer")

    site.switch.set_password(site.nodes[2], PASSWORD)
    until(lambda: told(site, "Established", "node-2"), lambda: f"node-2 is told: {site.described()}")
    assert_status(site)
    assert_rights_sufficed(site)
    # As the page has it: on the device, routes to both nodes' pods.
    assert {"10.64.1.0/24", "10.64.2.0/24"} <= site.switch.router.kernel_routes(4)


def assert_status(site: Site) -> None:
    def states() -> dict[str, tuple[str, int]]:
        peer: dict[str, Any] = json.loads(site.kubectl("get", "bgppeer", "peer", "-o", "json"))
        entries = peer.get("status", {}).get("speakers", ())
        return {entry["node"]: (entry["state"], entry["prefixesAnnounced"]) for entry in entries}

    wanted = dict.fromkeys(("node-1", "node-2"), ("Established", 4))
    until(lambda: states() == wanted, lambda: f"status: {states()}")


def assert_rights_sufficed(site: Site) -> None:
    calls = [
        call for call in site.server.api.log.calls() if call.user == "system:serviceaccount:kube-system:terway-edge"
    ]
    assert {"list nodes", "watch bgppeers", "get secrets", "create events", "patch bgppeers/status"} <= {
        call.name for call in calls
    }
    assert [(call.name, call.status) for call in calls if call.status >= 400] == []
    assert [call.name for call in calls if call.unknown] == []
