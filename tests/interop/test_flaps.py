"""Sessions that come and go cost little, and leave nothing behind."""

from __future__ import annotations

import os
import time

import pytest

from terway_edge.backends.bgp.wish import Wish
from tests.interop import places
from tests.interop.speakers import Usage
from tests.interop.stage import Stage, many_routes, merged, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import clear
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]
FLAPS = 100
MIB = 1 << 20
SECONDS = 600 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 6
NODES = 250
CPU_SHARE = 0.05


def settled_usage(speaker) -> Usage:
    speaker.wait_settled()
    return speaker.usage()


def test_s39_a_hundred_flaps_leave_nothing_behind(stage: Stage) -> None:
    spec, routes = spec_of(), merged(pod_routes(), many_routes(NODES))
    peer, speaker = stage.scripted(), stage.speaker(longest_pause=0.01, listen_port=179)
    speaker.want(Wish(spec, routes))
    usages = []
    for number in range(FLAPS + 20):
        connection = peer.session()
        if number in (20, FLAPS + 19):  # at first, memory grows by what sessions need
            usages.append(settled_usage(speaker))
        connection.close()
    first, last = usages
    assert (last.descriptors, last.threads) == (first.descriptors, first.threads)
    assert last.rss - first.rss < MIB
    until(lambda: speaker.state(PEER).flaps == FLAPS + 20, "every flap was counted")


def test_s39_flaps_by_the_switch_lose_no_route(stage: Stage) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch("frr", spec)
    speaker = stage.announce(Wish(spec, routes), longest_pause=0.05)
    before = speaker.usage()
    for number in range(1, 11):
        clear(switch, SPEAKER)
        until(lambda: speaker.state(PEER).flaps == number, "the session ends")  # noqa: B023
        speaker.wait_settled()
    wait_for_routes(switch, routes)
    after = speaker.usage()
    assert (after.descriptors, after.threads) == (before.descriptors, before.threads)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_t49_a_flap_a_second_costs_little(stage: Stage) -> None:
    """Ten minutes in the full run."""
    spec, routes = spec_of(), merged(pod_routes(), many_routes(NODES))
    peer, speaker = stage.scripted(), stage.speaker(longest_pause=0.2)
    speaker.want(Wish(spec, routes))
    peer.session()
    table = stage.site.processes.must(["ip", "route", "show", "table", "all"], netns=stage.site.nodes[1])
    before, start = settled_usage(speaker), time.monotonic()
    for number in range(1, SECONDS + 1):
        peer.connections[-1].close()
        peer.session()
        until(lambda: time.monotonic() >= start + number, "the next second")  # noqa: B023
    share = (speaker.usage().cpu - before.cpu) / (time.monotonic() - start)
    print(f"{SECONDS} flaps of a session with {2 * NODES} routes: {share:.2%} of a core")
    assert speaker.state(PEER).flaps == SECONDS
    assert share < CPU_SHARE
    assert len(speaker.log.read_text().splitlines()) == 0
    assert stage.site.processes.must(["ip", "route", "show", "table", "all"], netns=stage.site.nodes[1]) == table
