"""200 objects that somebody got wrong: the API server refuses them, or what was good stays in force and it is told
which object is wrong. Whoever follows the cluster goes on, and takes in the next good one."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.bgppeer import STRUCTURAL, bgppeer_crd
from terway_edge.cluster.fields import Wrong
from terway_edge.cluster.nodes import read_node
from terway_edge.cluster.peers import read_peer
from terway_edge.cluster.secrets import read_secret
from terway_edge.core.eni_config import read
from terway_edge.core.eni_notes import Effect
from terway_edge.core.models import Node
from terway_edge.core.ports import Snapshot
from terway_edge.eni.following import Configuration
from terway_edge.testing.apiserver.errors import ApiError
from tests.cluster.api.bad_objects import ALL, CONFIG, GOOD, HAND, Spoilt
from tests.cluster.api.test_double import World

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
SEEN = 10.0  # seconds
NAMESPACES = {"Secret": "kube-system", "ConfigMap": "kube-system"}


class Agents:
    """What a speaker and a node on ENIs know of the cluster."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.api.objects.delete("Node", "n2")  # the double's own
        for value in GOOD.values():
            world.put(deepcopy(value))
        self.edge, self.seen = world.open("n1")
        _, self.eni_seen = world.open("cloud")
        self.calm()
        self.configuration = Configuration(lambda name: self.eni_seen.last.config_maps.get(name))
        self.own = Node("cloud", {}, (), ())
        self.configuration.start(self.own)
        self.good = self.in_force()

    def in_force(self) -> tuple[Any, ...]:
        snapshot = self.seen.last
        assert snapshot is not None
        return snapshot.nodes, snapshot.peers, dict(snapshot.secrets), self.configuration.current

    def calm(self) -> None:
        """Until all that is there is good, and known."""

        def is_good(snapshot: Snapshot) -> bool:
            return not snapshot.problems and len(snapshot.nodes) == 3 and len(snapshot.peers) == 1

        self.seen.until(lambda snapshot: is_good(snapshot) and len(snapshot.secrets) == 1)
        self.eni_seen.until(
            lambda snapshot: is_good(snapshot) and snapshot.config_maps.get("eni-config") == CONFIG["data"]
        )

    def complaints(self, spoilt: Spoilt) -> list[str]:
        """What is told of the object that was put last, which cannot be used. Waits until something is."""
        if spoilt.kind == "ConfigMap":
            data = spoilt.object()["data"]
            self.eni_seen.until(lambda snapshot: snapshot.config_maps.get("eni-config") == data)
            self.configuration.follow(self.own)
            return [each.message for each in self.configuration.conditions if each.reason == "ConfigWrong"]
        name = f"{spoilt.kind}/{GOOD[spoilt.kind]['metadata']['name']}"
        found = self.seen.until(lambda snapshot: any(name in problem.where for problem in snapshot.problems))
        return [f"{each.where}: {each.message}" for each in found.problems if name in each.where]

    def mend(self, kind: str) -> None:
        self.world.put(deepcopy(GOOD[kind]))
        self.calm()
        self.configuration.follow(self.own)


def is_usable(value: dict[str, Any]) -> bool:
    """Whether the object could be used, were it the first of its name."""
    try:
        match value["kind"]:
            case "Node":
                read_node(value)
            case "BGPPeer":
                read_peer(value)
            case "Secret":
                found = read_secret(value)
                return found is not None and not found.faults
            case "ConfigMap":
                return all(note.effect is not Effect.WRONG for note in read(value["data"] or {}).notes)
    except Wrong:
        return False
    return True


@contextmanager
def agents(directory: Path) -> Iterator[Agents]:
    world = World(directory)
    try:
        yield Agents(world)
    finally:
        world.close()


class Spoiler:
    """Puts one bad object after the other. `outcomes` counts those that were refused, and the others by kind."""

    def __init__(self, agents: Agents) -> None:
        self.agents = agents
        self.outcomes: Counter[str] = Counter()

    def spoil(self, spoilt: Spoilt) -> bool:
        """False if the object is not bad at all."""
        agents, name = self.agents, GOOD[spoilt.kind]["metadata"]["name"]
        try:
            agents.world.put(spoilt.object())
        except ApiError as error:
            self.outcomes["refused" if error.code in (400, 422) else str(error)] += 1
            return True
        stored = agents.world.api.objects.get(spoilt.kind, name, NAMESPACES.get(spoilt.kind, ""))
        is_bad = not is_usable(stored)
        if is_bad:
            began = time.monotonic()
            told = agents.complaints(spoilt)
            assert told, "it says what is wrong"
            assert time.monotonic() - began < SEEN
            assert all(len(text) < 2000 for text in told)
            assert agents.in_force() == agents.good
            self.outcomes[spoilt.kind] += 1
        agents.mend(spoilt.kind)
        assert agents.in_force() == agents.good
        assert agents.configuration.conditions == ()
        return is_bad

    def spoil_many(self, number: int, drawn: Sequence[Spoilt]) -> None:
        """So many that are bad, the hand list's among them."""
        kinds = {each.kind for each in drawn}
        assert [each for each in HAND if each.kind in kinds and not self.spoil(each)] == []
        for each in drawn:
            if sum(self.outcomes.values()) >= number and not FULL:
                return
            self.spoil(each)


def drawn(*kinds: str) -> list[Spoilt]:
    """In an order of Hypothesis's. It must not draw while agents run, whose threads use `random`."""
    found: list[Spoilt] = []
    some = [each for each in ALL if each.kind in kinds]

    def one(spoilt: Spoilt) -> None:
        found.append(spoilt)

    settings(max_examples=len(some))(given(st.sampled_from(some))(one))()
    return list({repr(each): each for each in found}.values())


def test_t60_a_bad_object_is_refused_or_told_of_while_the_last_good_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = drawn(*GOOD)
    with agents(tmp_path) as found:
        spoiler = Spoiler(found)
        spoiler.spoil_many(200, bad)
    assert sum(spoiler.outcomes.values()) >= 200
    assert spoiler.outcomes.keys() == {"refused", *GOOD}, "of a BGPPeer, a nodeSelector: no schema knows its grammar"
    assert "following the cluster failed" not in caplog.text


def test_t60_bad_bgppeers_that_an_older_server_lets_through_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Before Kubernetes 1.25 nobody evaluates rules."""
    bad = drawn("BGPPeer")
    with agents(tmp_path) as found:
        found.world.put(bgppeer_crd(STRUCTURAL))
        spoiler = Spoiler(found)
        spoiler.spoil_many(60, bad)
    assert sum(spoiler.outcomes.values()) >= 60
    assert spoiler.outcomes.keys() == {"refused", "BGPPeer"}
    assert "following the cluster failed" not in caplog.text
