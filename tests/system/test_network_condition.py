"""The agent says that its node's pods get a network, and takes that back when it is removed."""

import json

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_network_unavailable_is_false_while_it_serves_and_gone_when_it_is_removed(machine):
    path = next(machine.manifests.glob("status/Node-*.NetworkUnavailable.json"))
    said = json.loads(path.read_text())
    assert (said["type"], said["status"], said["reason"]) == ("NetworkUnavailable", "False", "TerwayEdgeServes")
    assert machine.terminate() == 0
    assert path.exists(), "an upgrade leaves it"
    machine.cli("uninstall")
    assert not path.exists()


def test_an_agent_that_cannot_serve_says_nothing(stopped):
    for path in stopped.manifests.glob("*.json"):
        path.unlink()
    stopped.start()
    assert "no new pods yet" in stopped.tail()
    assert not list(stopped.manifests.glob("status/*"))
