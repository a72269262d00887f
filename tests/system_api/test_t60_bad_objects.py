"""Bad objects by the dozen while agents serve: each is refused or told of within 10 s, and nothing else happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from terway_edge.lab.guests import come_and_go
from terway_edge.lab.layout import Layout
from terway_edge.lab.sessions import ESTABLISHED
from terway_edge.lab.teardown import tear_down
from terway_edge.testing.apiserver.errors import ApiError
from tests.cluster.api.bad_objects import ALL, HAND
from tests.cluster.api.test_t60_bad_objects import is_usable
from tests.interop.waiting import throughout, until
from tests.system_api.site import Site

pytestmark = [pytest.mark.root, pytest.mark.slow]

EVERY = 1 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 7
SEEN = 10.0  # seconds


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    layout = Layout(f"twt-t60-{os.getpid()}", tmp_path_factory.mktemp("site"))
    with ExitStack() as closing:
        closing.callback(tear_down, layout)
        found = Site(layout, closing)
        found.install()
        found.start()
        until(lambda: len(established(found)) == 2, lambda: f"sessions: {established(found)}")
        yield found


def established(site: Site) -> list[float]:
    """For how many seconds each session is up."""
    sessions = [session for agent in site.agents.values() for session in agent.sessions()]
    return [session.since for session in sessions if session.state == ESTABLISHED]


def put(site: Site, value: dict[str, Any]) -> bool:
    """False if it is refused."""
    try:
        site.server.api.objects.put(value)
    except ApiError:
        return False
    return True


def bad_ones() -> Iterator[dict[str, Any]]:
    """With names of their own. Those that could be used would be nodes and peers of the site."""
    some = [each for each in (*HAND, *ALL[::EVERY]) if each.kind in ("Node", "BGPPeer")]
    for number, spoilt in enumerate(some):
        value = spoilt.object()
        value["metadata"]["name"] = f"bad-{number}"
        if not is_usable(value):
            yield value


def complaints(site: Site) -> list[str]:
    """Subjects of what agents find wrong with objects; of those that all of them know."""
    told = [
        {line.split(": ")[0].rpartition(" ")[2] for line in agent.complaints() if "InvalidObject of " in line}
        for agent in site.agents.values()
    ]
    assert len(told) == 2
    return sorted(told[0] & told[1])


def assert_serving(site: Site, since: float) -> None:
    """Nobody was restarted, by which sessions would be younger; pods come and go."""
    assert [age > time.monotonic() - since for age in established(site)] == [True, True]
    for agent in site.agents.values():
        come_and_go(agent, 1, site.layout, site.processes)
    assert {"10.64.1.0/24", "10.64.2.0/24"} <= site.switch.router.kernel_routes(4)


def test_t60_agents_go_on_serving_whatever_objects_come(site: Site) -> None:
    began = time.monotonic()
    values = list(bad_ones())
    taken = [value for value in values if put(site, value)]
    wanted = sorted(f"{value['kind']}/{value['metadata']['name']}" for value in taken)
    assert 10 < len(taken) < len(values)
    until(lambda: complaints(site) == wanted, lambda: f"told: {complaints(site)}, wanted: {wanted}", SEEN)
    assert_serving(site, began)
    for value in taken:
        site.server.api.objects.delete(value["kind"], value["metadata"]["name"])
    until(lambda: complaints(site) == [], lambda: f"told: {complaints(site)}", SEEN)


@pytest.mark.parametrize(
    ("kind", "name", "part", "teller"),
    [
        ("Node", "node-2", {"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}, "node-2"),
        ("Node", "node-1", {"status": {"addresses": [{"type": "InternalIP", "address": "node.example"}]}}, "node-1"),
        ("BGPPeer", "peer", {"spec": {"nodeSelector": "zone in (a"}}, "node-1"),
    ],
)
def test_t60_the_last_good_one_stays_in_force_and_one_agent_makes_events_of_it(
    site: Site, kind: str, name: str, part: dict[str, Any], teller: str
) -> None:
    """An agent's own Node too, and the peer that both speak to."""
    began = time.monotonic()
    good = site.server.api.objects.get(kind, name)
    (section, fields), *_ = part.items()
    assert put(site, {**good, section: {**good[section], **fields}})
    wanted = [f"{kind}/{name}"]
    until(lambda: complaints(site) == wanted, lambda: f"told: {complaints(site)}", SEEN)
    assert_serving(site, began)
    assert put(site, good)
    until(lambda: complaints(site) == [], lambda: f"told: {complaints(site)}", SEEN)
    assert_serving(site, began)
    told = [("InvalidObject", teller), ("InvalidObjectResolved", teller)]
    until(lambda: events(site, kind, name) == told, lambda: f"events: {events(site, kind, name)}", SEEN)
    throughout(0.5, lambda: events(site, kind, name) == told, "the other one is silent")


def events(site: Site, kind: str, name: str) -> list[tuple[str, str]]:
    """(reason, node that tells) of those about an invalid object."""
    found = [
        each
        for each in site.server.api.objects.list("Event")
        if (each["involvedObject"]["kind"], each["involvedObject"]["name"]) == (kind, name)
    ]
    invalid = [each for each in found if each["reason"].startswith("InvalidObject")]
    return sorted((each["reason"], each["source"]["host"]) for each in invalid)
