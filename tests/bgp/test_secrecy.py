"""The password is in the kernel, in the Secret and in `bgp.json`, and in nothing that anybody can read elsewhere."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from terway_edge.backends.bgp.announcements import Announced
from terway_edge.backends.bgp.errors import LocalError
from terway_edge.backends.bgp.failures import Failure, connect_timeout, internal, of_os_error
from terway_edge.backends.bgp.memory import Remembered, Remembrance
from terway_edge.backends.bgp.peering import Edge, Peering, Surroundings
from terway_edge.backends.bgp.planner import Target, farewell
from terway_edge.backends.bgp.session import Session
from terway_edge.backends.bgp.suspicion import suspected
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.secret import Secret
from terway_edge.testing.bgp_network import MemoryNetwork
from tests.bgp.clusters import AUTH, REF, SWITCH, node, peer, view
from tests.bgp.nodes import OURS, BgpNode
from tests.bgp.scenes import Scene
from tests.bgp.sessions import SPEAKER

CANARY = b"c4naryPassw0rd"
PASSWORD, OTHER = Secret(CANARY), Secret(CANARY + b"2")
SPEC = replace(SPEAKER, password=PASSWORD)
FORMS = [CANARY.decode(), CANARY.hex(), base64.b64encode(CANARY).decode()[:-2], str(list(CANARY))[1:-1]]


def assert_silent(text: str) -> None:
    for form in FORMS:
        assert form not in text


def test_the_canary_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        assert_silent(repr({"password": CANARY}))


REMEMBERED = Remembered(SPEC, ())
VALUES: list[object] = [
    PASSWORD,
    SPEC,
    Wish(SPEC),
    farewell(REMEMBERED),
    REMEMBERED,
    Remembrance("boot", {SPEC.address: REMEMBERED}),
    Target(SPEC, Announced(())),
    Edge(SPEC, Failure("ConnectTimeout", "x")),
    connect_timeout(SPEC),
    of_os_error(OSError(22, "Invalid argument"), SPEC),
    internal(TypeError(f"cannot use {PASSWORD}"), SPEC),
    suspected(connect_timeout(SPEC), SPEC, is_on_link=True, new_unsigned=1),
    Session(SPEC, Wish(SPEC).rebirth, jitter=lambda pause: pause),
    view([node(1)], peer(authPassword=AUTH), secrets={REF: PASSWORD}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_value_shows_it(value: object) -> None:
    for text in (repr(value), str(value), f"{value}", f"{[value]}", f"{value!a}"):
        assert_silent(text)


def test_an_error_that_names_a_value_does_not_show_it() -> None:
    try:
        raise LocalError(f"cannot use {SPEC}")
    except LocalError as error:
        assert_silent("".join(traceback.format_exception(error)))


def test_a_peering_and_its_state_do_not_show_it() -> None:
    network = MemoryNetwork()
    made = Peering(Wish(SPEC), Surroundings(network, print, lambda pause: pause), 0.0)
    assert_silent(repr(made) + repr(made.state) + repr(made.links) + repr(vars(made)))
    network.close()


def everything_seen(made: BgpNode) -> Iterator[str]:
    """All that an operator can be shown of a node."""
    yield repr(made.events.seen)
    yield repr(made.statuses.writes)
    yield repr(made.report)
    for words in (["peers"], ["routes"], ["explain", "10.1.1.0/24"], ["switch-config", "lan-a", "frr"]):
        yield repr(made.query(*words))
    registry = CollectorRegistry()
    made.plugin.terway_edge_metrics(registry)
    yield generate_latest(registry).decode()
    yield repr([vars(driven.speaker) for driven in made.speakers])
    yield repr(vars(made.plugin))


def test_no_life_of_a_node_shows_it(world: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Up, lost, wrong password, rotated, Secret gone, a mistake of our own, a restart, a damaged file."""
    caplog.set_level(logging.DEBUG)
    nodes = [node(1), node(2)]
    with_secret = view(nodes, peer(authPassword=AUTH), secrets={REF: PASSWORD})
    switch = world.switch(OURS, password=PASSWORD)
    made = BgpNode(world, tmp_path)
    shown: list[str] = []

    def look() -> None:
        shown.extend(everything_seen(made))

    made.advertise(with_secret)
    assert switch.is_established
    look()
    made.advertise(replace(with_secret, secrets={REF: OTHER}))
    world.advance(10)
    look()
    made.advertise(replace(with_secret, secrets={}))
    look()
    made.die()
    made.advertise(with_secret)
    look()
    world.network.silent.add(SWITCH)
    switch.stop(None)
    world.advance(20)
    look()
    made.die()
    (tmp_path / "bgp.json").write_bytes((tmp_path / "bgp.json").read_bytes().replace(b"lan-a", b"lan-b"))
    made.advertise(with_secret)
    look()
    for text in (*shown, caplog.text):
        assert_silent(text)
    assert len(caplog.records) > 0
    assert CANARY in (tmp_path / "bgp.json").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["bgp.json"]


def test_fields_of_a_specification_are_compared_but_not_shown() -> None:
    assert PASSWORD != OTHER
    assert replace(SPEC, password=OTHER) != SPEC
    assert repr(replace(SPEC, password=OTHER)) == repr(SPEC)
