"""The election at the API, and what the leader may write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from terway_edge.cluster.api.failures import ApiError, UnreachableError
from terway_edge.controlplane.api import HurriedApi, LeadersApi, NotLeadingError
from terway_edge.controlplane.election import Election, Terms
from terway_edge.controlplane.leadership import Leadership
from terway_edge.controlplane.lease import NAME
from terway_edge.testing.apiserver import ApiServer
from terway_edge.testing.clock import FakeClock
from tests.controlplane.world import DirectApi

WALL = 1_700_000_000.25


class Unreliable(DirectApi):
    """Loses answers, or refuses."""

    def __init__(self, server: ApiServer) -> None:
        super().__init__(server)
        self.loses_answers = False
        self.error: Exception | None = None

    def _call(self, call: Any) -> bytes:
        if self.error is not None:
            raise self.error
        body = super()._call(call)
        if self.loses_answers and call.method != "GET":
            raise UnreachableError("lost")
        return body


class Rig:
    def __init__(self) -> None:
        self.server, self.clock = ApiServer(), FakeClock()
        self.api = Unreliable(self.server)
        self.a, self.b = self.candidate("a"), self.candidate("b")

    def candidate(self, name: str) -> Leadership:
        return Leadership(self.api, Election(name, Terms()), self.clock.now, lambda: WALL)

    def turn(self, *candidates: Leadership, seconds: float = 0.0) -> None:
        for candidate in candidates:
            asyncio.run(candidate.turn())
        self.clock.advance(seconds)

    @property
    def lease(self) -> dict[str, Any]:
        return self.server.objects.get("Lease", NAME, "kube-system")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_the_lease_says_who_leads_and_since_when(rig):
    rig.turn(rig.a, rig.b)
    assert (rig.a.leads, rig.b.leads) == (True, False)
    assert rig.lease["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "2023-11-14T22:13:20.250000Z",
        "renewTime": "2023-11-14T22:13:20.250000Z",
    }


def test_a_renewal_is_one_request(rig):
    rig.turn(rig.a, seconds=2.0)
    rig.server.log.clear()
    rig.turn(rig.a)
    assert [record.name for record in rig.server.log.calls()] == ["update leases"]


def test_the_other_takes_over_when_the_lease_has_run_out(rig):
    rig.turn(rig.a, rig.b, seconds=14.9)
    rig.turn(rig.b)
    assert (rig.a.leads, rig.b.leads) == (False, False)
    rig.clock.advance(0.1)
    rig.turn(rig.b)
    assert rig.b.leads
    assert rig.lease["spec"]["leaseTransitions"] == 1
    rig.turn(rig.a)
    assert not rig.a.leads


def test_a_leader_that_resigns_makes_room_at_once(rig):
    rig.turn(rig.a, rig.b)
    asyncio.run(rig.a.resign())
    assert not rig.a.leads
    rig.turn(rig.b)
    assert rig.b.leads
    assert rig.lease["spec"]["holderIdentity"] == "b"


def test_a_leader_that_cannot_renew_stops_in_time(rig, caplog):
    rig.turn(rig.a)
    rig.api.error = UnreachableError("nobody there")
    for _ in range(5):
        assert rig.a.leads
        rig.turn(rig.a, seconds=2.0)
    assert not rig.a.leads
    rig.api.error = None
    rig.turn(rig.a)
    assert rig.a.leads, "nobody else took it"


def test_an_answer_that_was_lost_is_found_out(rig):
    rig.api.loses_answers = True
    rig.turn(rig.a)
    assert not rig.a.leads
    rig.api.loses_answers = False
    rig.turn(rig.a, rig.b)
    assert (rig.a.leads, rig.b.leads) == (True, False)


def test_without_the_right_it_says_so_once(rig, caplog):
    rig.api.error = ApiError(403, "Forbidden", "leases is forbidden")
    rig.turn(rig.a, rig.a)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "leases is forbidden" in caplog.text


def test_notes_stay_when_others_take_over_and_only_the_leader_leaves_some(rig):
    rig.turn(rig.a, rig.b)
    asyncio.run(rig.a.note("one", "1"))
    asyncio.run(rig.a.note("two", "2"))
    with pytest.raises(NotLeadingError):
        asyncio.run(rig.b.note("one", "b"))
    rig.turn(rig.b, seconds=15.0)
    rig.turn(rig.b)
    assert rig.b.notes == rig.lease["metadata"]["annotations"] == {"one": "1", "two": "2"}
    with pytest.raises((NotLeadingError, ApiError)):
        asyncio.run(rig.a.note("one", "late"))
    assert rig.lease["metadata"]["annotations"]["one"] == "1"


def test_a_note_renews_the_lease(rig):
    rig.turn(rig.a, seconds=8.0)
    asyncio.run(rig.a.note("one", "1"))
    assert rig.a.left == 10.0


def test_a_leaders_writes_end_with_its_time(rig):
    left = 1.0
    api = LeadersApi(rig.api, lambda: left)
    body: Mapping[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    asyncio.run(api.send("POST", "/api/v1/nodes", body, "application/json"))
    left = 0.0
    with pytest.raises(NotLeadingError):
        asyncio.run(api.send("PATCH", "/api/v1/nodes/n", {}, "application/merge-patch+json"))
    assert b'"n"' in asyncio.run(api.get("/api/v1/nodes"))


def test_who_hurries_waits_no_longer_than_allowed():
    class Slow(DirectApi):
        async def get(self, path: str, query: object = ()) -> bytes:
            await asyncio.Event().wait()
            return b""

    with pytest.raises(UnreachableError):
        asyncio.run(HurriedApi(Slow(ApiServer()), lambda: 0.01).get("/"))
