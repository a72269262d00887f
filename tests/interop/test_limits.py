"""Too many prefixes, theirs and ours, and a peer that does not read."""

from __future__ import annotations

import pytest

from terway_edge.backends.bgp.wish import Wish
from terway_edge.lab.frr import Frr
from tests.interop import places
from tests.interop.damage import PATH, message
from tests.interop.rib import neighbour
from tests.interop.scripted import lives
from tests.interop.stage import Stage, many_routes, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import Extra, Kind, Setup
from tests.interop.waiting import throughout, until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]
LIMIT = 1000
FIRST = 0x2C000000  # 44.0.0.0
MIB = 1 << 20


def talkative(kind: Kind, setup: Setup, count: int) -> str:
    """A switch that announces so many prefixes of its own, against all advice."""
    prefixes = [f"10.{100 + number // 256}.{number % 256}.0/24" for number in range(count)]
    if kind == "bird":
        routes = "".join(f"  route {prefix} blackhole;\n" for prefix in prefixes)
        text = setup.text(kind).replace("export none", "export where source = RTS_STATIC")
        return f"{text}protocol static {{ ipv4;\n{routes}}}\n"
    networks = "".join(f"  network {prefix}\n" for prefix in prefixes)
    text = setup.text(kind).replace("deny 0.0.0.0/0 le 32", "permit 10.100.0.0/14 le 24")
    family = f" address-family ipv4 unicast\n{networks} exit-address-family\n"
    return f"{text}router bgp 65001\n no bgp network import-check\n{family}"


def test_t47_as_many_prefixes_as_allowed(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    stage.router(kind, talkative(kind, Setup((spec,)), LIMIT))
    speaker = stage.announce(Wish(spec, pod_routes()), most_received=LIMIT, ends_when_over=True)
    until(lambda: speaker.state(PEER).received >= LIMIT, lambda: f"received {speaker.state(PEER).received}")
    throughout(0.5, lambda: len(speaker.edges()) == 1, "the session stays")
    assert not speaker.state(PEER).is_over_limit


def test_t47_one_prefix_too_many_is_noted(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    stage.router(kind, talkative(kind, Setup((spec,)), LIMIT + 1))
    speaker = stage.announce(Wish(spec, pod_routes()), most_received=LIMIT)
    until(lambda: speaker.state(PEER).is_over_limit, "it is noted")
    assert speaker.state(PEER).received == LIMIT
    throughout(0.5, lambda: len(speaker.edges()) == 1, "the session stays")


@pytest.mark.slow
def test_t47_one_prefix_too_many_ends_the_session(stage: Stage, kind: Kind) -> None:
    spec = spec_of(connect_retry=2.0)
    switch = stage.router(kind, talkative(kind, Setup((spec,)), LIMIT + 1))
    speaker = stage.speaker(most_received=LIMIT, ends_when_over=True)
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("CeasePrefixLimit")
    assert (edge.code, edge.subcode, edge.received, edge.was_established) == (6, 1, False, True)
    throughout(1.5, lambda: len(speaker.edges()) == 2, "it is not tried again at once")
    until(lambda: len(speaker.edges()) > 2, "it is tried again")
    if isinstance(switch, Frr):
        assert neighbour(switch, SPEAKER)["messageStats"]["notificationsRecv"] >= 1


def test_t47_a_flood_of_prefixes_is_bounded(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker(most_received=LIMIT)
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.session()
    before = speaker.usage()
    path = b"".join(PATH)
    for start in range(0, 1_000_000, 750):
        nlri = b"".join(b"\x20" + number.to_bytes(4, "big") for number in range(FIRST + start, FIRST + start + 750))
        connection.send(message(2, bytes(2) + len(path).to_bytes(2, "big") + path + nlri))
    assert lives(connection, pod_routes())  # all was read
    assert speaker.state(PEER).is_over_limit
    assert speaker.state(PEER).received == LIMIT
    assert speaker.state(PEER).state == "Established"
    after = speaker.usage()
    assert after.rss < 256 * MIB
    assert after.rss - before.rss < 4 * MIB


@pytest.mark.slow
def test_s36_the_switch_takes_fewer_prefixes_than_there_are(stage: Stage, kind: Kind) -> None:
    spec = spec_of(connect_retry=2.0)
    few = Extra(
        frr=("address-family ipv4 unicast", f" neighbor {SPEAKER} maximum-prefix 1", "exit-address-family"),
        channel=("import limit 1 action restart",),
    )
    switch = stage.switch(kind, spec, extra=few)
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    edge = speaker.wait_failure("CeasePrefixLimit")
    assert (edge.code, edge.subcode, edge.received, edge.was_established) == (6, 1, True, True)
    assert f"raise the limit of neighbour {SPEAKER}" in edge.message
    throughout(2, lambda: len(speaker.edges()) <= 6, "it is tried again with pauses")
    if isinstance(switch, Frr):
        switch.configure(["router bgp 65001", "address-family ipv4 unicast", f"no neighbor {SPEAKER} maximum-prefix 1"])
        switch.vty(f"clear bgp {SPEAKER}")
    else:
        switch.configure(Setup((spec,)).text(kind).splitlines())
    speaker.wait_settled()
    wait_for_routes(switch, pod_routes())


def test_a_peer_that_does_not_read_costs_no_memory(stage: Stage) -> None:
    peer, speaker = stage.scripted(receive_buffer=4096), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.accept()
    connection.establish()
    speaker.wait_settled()
    routes = [many_routes(5000), many_routes(5000, skip=5000)]
    for number in range(4):  # what the lists themselves take
        speaker.want(Wish(spec_of(), routes[number % 2]))
    until(lambda: not speaker.state(PEER).is_settled, "there is something to say")
    before = speaker.usage()
    for number in range(10):
        speaker.want(Wish(spec_of(), routes[number % 2]))
    assert speaker.state(PEER).state == "Established"
    assert speaker.usage().rss - before.rss < 8 * MIB
