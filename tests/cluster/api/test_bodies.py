"""What is sent: shapes that a real API server takes and kubectl shows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.api import bodies
from terway_edge.cluster.api.event_queue import Telling
from terway_edge.core.object_names import is_object_name
from terway_edge.core.ports import Annotation, Event, Severity, StatusEntry

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
UIDS = {("BGPPeer", "p"): "uid-of-p", ("Node", "n1"): "uid-of-n1"}


def uid(kind: str, name: str) -> str | None:
    return UIDS.get((kind, name))


def event(subject: str, message: str = "m") -> bodies.Body:
    telling = Telling(Event("Established", subject, message, Severity.WARNING), 3, NOW, NOW + 5)
    return bodies.event(telling, bodies.event_name(telling, "n1"), "n1", uid)


def test_an_event_about_a_bgppeer_is_where_describe_looks() -> None:
    """Namespace default, no namespace in the reference, the object's uid: else it is refused or not shown."""
    assert event("BGPPeer/p") == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"p.{int(NOW * 1e9):x}", "namespace": "default"},
        "involvedObject": {
            "apiVersion": "network.openyurt.io/v1alpha1",
            "kind": "BGPPeer",
            "name": "p",
            "uid": "uid-of-p",
        },
        "reason": "Established",
        "message": "m",
        "type": "Warning",
        "source": {"component": "terway-edge", "host": "n1"},
        "firstTimestamp": "2026-09-21T14:13:20Z",
        "lastTimestamp": "2026-09-21T14:13:25Z",
        "count": 3,
        "reportingComponent": "openyurt.io/terway-edge",
        "reportingInstance": "terway-edge-n1",
    }


@pytest.mark.parametrize(
    ("subject", "about", "message"),
    [
        ("n1", ("Node", "n1", "uid-of-n1"), "m"),
        ("Node/n1", ("Node", "n1", "uid-of-n1"), "m"),
        ("Node/unknown", ("Node", "unknown", "unknown"), "m"),
        ("Node/n2: spec.podCIDR", ("Node", "n2", "n2"), "spec.podCIDR: m"),
        ("BGPPeer/p: spec.peerIP", ("BGPPeer", "p", "uid-of-p"), "spec.peerIP: m"),
        ("BGPPeer/gone", ("BGPPeer", "gone", None), "m"),
        ("10.1.0.0/24", ("Node", "n1", "uid-of-n1"), "10.1.0.0/24: m"),
        ("kube-system: Secret/s: password", ("Node", "n1", "uid-of-n1"), "kube-system: Secret/s: password: m"),
        ("Kubernetes API", ("Node", "n1", "uid-of-n1"), "Kubernetes API: m"),
    ],
)
def test_an_event_is_about_an_object_or_this_node(subject: str, about, message: str) -> None:
    found = event(subject)
    reference = found["involvedObject"]
    assert (reference["kind"], reference["name"], reference.get("uid")) == about
    assert "namespace" not in reference
    assert found["message"] == message


@given(st.text(max_size=300), st.floats(0, 4e9))
def test_an_events_name_is_one_whatever_it_is_about(subject: str, at: float) -> None:
    name = bodies.event_name(Telling(Event("R", subject, "m"), 1, at, at), "n" * 253)
    assert is_object_name(name)


def test_long_messages_are_cut() -> None:
    assert len(event("n1", "x" * 5000)["message"]) == 1024


def test_a_speaker_applies_its_own_entry_and_without_nulls() -> None:
    value = {"state": "Established", "negotiated": None, "more": {"a": None, "b": 0}, "flaps": 0}
    assert bodies.speaker_status(StatusEntry("BGPPeer", "p", "n1", value)) == {
        "apiVersion": "network.openyurt.io/v1alpha1",
        "kind": "BGPPeer",
        "metadata": {"name": "p"},
        "status": {"speakers": [{"node": "n1", "state": "Established", "more": {"b": 0}, "flaps": 0}]},
    }


def test_a_speaker_removes_its_own_entry_by_applying_nothing() -> None:
    assert bodies.speaker_status(StatusEntry("BGPPeer", "p", "n1", None)) == {
        "apiVersion": "network.openyurt.io/v1alpha1",
        "kind": "BGPPeer",
        "metadata": {"name": "p"},
    }


def test_field_managers_are_one_per_node_and_short_enough() -> None:
    assert bodies.field_manager("n1") == "terway-edge-n1"
    long = [bodies.field_manager("n" * 200 + str(number)) for number in range(2)]
    assert long[0] != long[1]
    assert all(len(name) <= 128 for name in long)


WANTED = StatusEntry(
    "Node", "n1", "SufficientIP", {"type": "SufficientIP", "status": "True", "reason": "R", "message": "m"}
)
OTHER = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def patched(current: list[dict[str, str]], wanted: StatusEntry = WANTED) -> dict[str, str] | None:
    body = bodies.condition(wanted, current, NOW)
    if body is None:
        return None
    (found,) = body["status"]["conditions"]
    return found


def test_a_new_condition_begins_now() -> None:
    assert patched([OTHER]) == {
        "type": "SufficientIP",
        "status": "True",
        "reason": "R",
        "message": "m",
        "lastHeartbeatTime": "2026-09-21T14:13:20Z",
        "lastTransitionTime": "2026-09-21T14:13:20Z",
    }


def test_a_condition_that_is_so_already_is_not_patched() -> None:
    assert patched([OTHER, {**WANTED.value, "lastTransitionTime": "2026-01-01T00:00:00Z"}]) is None


def test_the_transition_time_stays_unless_the_status_changes() -> None:
    before = {**WANTED.value, "message": "other", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    found = patched([before])
    assert found is not None
    assert (found["message"], found["lastTransitionTime"]) == ("m", "2026-01-01T00:00:00Z")
    found = patched([{**before, "status": "False"}])
    assert found is not None
    assert found["lastTransitionTime"] == "2026-09-21T14:13:20Z"


def test_a_condition_is_taken_away_only_if_it_is_there() -> None:
    gone = WANTED._replace(value=None)
    assert patched([OTHER], gone) is None
    assert patched([OTHER, dict(WANTED.value)], gone) == {"$patch": "delete", "type": "SufficientIP"}


def test_an_annotation_names_the_object_meant() -> None:
    write = Annotation("Pod", "web", "default", "k", "v", "u1")
    assert bodies.annotation(write) == {"metadata": {"annotations": {"k": "v"}, "uid": "u1"}}
    assert bodies.annotation(write._replace(value=None, uid="")) == {"metadata": {"annotations": {"k": None}}}


@given(st.floats(0, 4e9))
def test_times_are_as_kubernetes_writes_them(seconds: float) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bodies.timestamp(seconds))
