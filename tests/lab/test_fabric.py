"""Switches and core without a speaker: the LANs reach each other, by the plan in IPv4 and by BGP in IPv6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from terway_edge.lab import border, pings
from terway_edge.lab.fabric import Fabric, Kind, fill_in
from terway_edge.lab.lans import LabNode, lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.learned import compare, expected
from terway_edge.lab.processes import Processes, marked_processes, recorded_token
from terway_edge.lab.topology import build, join
from terway_edge.lab.way import planned

KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.fixture
def nodes(layout: Layout, processes: Processes) -> list[LabNode]:
    """One node per LAN, with cables; the switches expect the speakers that the whole lab has."""
    nodes = [lab_node(layout, index) for index in (1, 4)]
    build(nodes, processes)
    join(layout, lab_lans(layout), processes)
    border.build(layout, processes)
    border.apply(planned(layout, lab_lans(layout)), processes)
    return nodes


@pytest.fixture(params=KINDS)
def fabric(
    request: pytest.FixtureRequest, nodes: list[LabNode], layout: Layout, processes: Processes
) -> Iterator[Fabric]:
    speakers = [lab_node(layout, index) for index in (1, 2, 4, 5)]
    fabric = Fabric(layout, request.param, speakers, processes, "s3cret")
    fabric.start()
    yield fabric
    fabric.stop()


@pytest.mark.root
@pytest.mark.slow
def test_lans_reach_each_other_through_the_core(
    fabric: Fabric, nodes: list[LabNode], layout: Layout, processes: Processes
) -> None:
    ends = [pings.End(node.name, node.netns, node.addresses) for node in nodes]
    pairs = [(ends[0], ends[1]), (ends[1], ends[0])]
    answers = pings.run([pings.Ping(*pair, family) for pair in pairs for family in (4, 6)], processes)
    assert [(answer.lost, answer.why) for answer in answers] == [(0, "")] * 4
    for switch in fabric.switches:
        others = [lan for lan in lab_lans(layout) if lan != switch.lan]
        paths = [path for version in (4, 6) for path in switch.router.paths(version)]
        learned = compare(switch.lan.switch, expected(switch.lan, others, []), paths)
        assert [(route.prefix, route.state) for route in learned] == [(others[0].prefixes[1], "ok")]
        waiting = {node for node, state in switch.router.sessions().items() if state != "Established"}
        assert waiting == {str(address) for _, address in switch.side.speakers}


@pytest.mark.root
@pytest.mark.slow
def test_a_password_is_changed_in_the_running_router(fabric: Fabric, layout: Layout) -> None:
    switch = fabric.switches[0]
    core = switch.lan.link_to_core(1)[0]
    switch.set_password(lab_node(layout, 1), "another")
    assert switch.router.sessions()[core] == "Established"
    if (layout.router_dir("switch-a") / "bird.conf").exists():
        config = (layout.router_dir("switch-a") / "bird.conf").read_text()
    else:
        config = switch.router.vty("show running-config")
    passwords = [line.split()[-1].strip('";') for line in config.splitlines() if "password " in line]
    assert passwords == ["another", "s3cret"]


@pytest.mark.root
@pytest.mark.slow
def test_a_stopped_fabric_leaves_no_process(fabric: Fabric, layout: Layout) -> None:
    fabric.stop()
    assert marked_processes(recorded_token(layout)) == []


def test_passwords_fill_their_places_in_order() -> None:
    assert fill_in("a <X> b <X> c", "<X>", ["1", "2"]) == "a 1 b 2 c"
    assert fill_in("a b", "", []) == "a b"
