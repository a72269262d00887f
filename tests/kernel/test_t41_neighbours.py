"""Neighbours when an address goes to another pod: who sends to it without a pause reaches the new pod at once."""

import os
import socket
import time
from contextlib import closing, suppress
from struct import pack

import pytest

from terway_edge.core.names import link_macs
from tests.kernel.port_world import PATIENCE, PortWorld
from tests.kernel.test_t43_spoofing import Wire

pytestmark = pytest.mark.root

TIMES = 200 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 10
LATEST = 0.1  # seconds
ADDRESSES = {4: "10.0.0.5", 6: "fd00::5"}


@pytest.fixture
def world(real_world):
    with closing(PortWorld(real_world, guarded=True)) as made:
        yield made


@pytest.mark.parametrize("where", ["node", "outside"])
@pytest.mark.parametrize("family", [4, 6])
def test_t41_one_way_traffic_reaches_the_next_pod_of_an_address(world, where, family):
    """`outside` is another node: its way leads to this one, and to no neighbour of the pod's own."""
    if (where, family) == ("outside", 6):
        world._batch(world._real._names[1], "route add fd00::/64 via 2001:db8::1")
    sender = world.socket(getattr(world, where), "udp", family)
    lease, _ = world.pod(5, container="first")
    took = []
    for number in range(TIMES):
        sender.sendto(b"to the last one", (ADDRESSES[family], 9))
        world.end(lease)
        send(sender, family)
        lease, pod = world.pod(5, container=f"next-{number}")
        began = time.monotonic()
        with closing(world.listen(pod, 9, "udp", family)) as listener:
            took.append(first(listener, lambda: send(sender, family)) - began)
    assert sorted(took)[int(TIMES * 0.99) - 1] <= LATEST


def send(sender, family):
    with suppress(OSError):  # what the node says while nobody has the address
        sender.sendto(b"!", (ADDRESSES[family], 9))


def first(listener, send_again):
    """When something came."""
    listener.settimeout(0.002)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        send_again()
        try:
            listener.recv(9)
        except TimeoutError:
            continue
        return time.monotonic()
    pytest.fail("the next pod of the address hears nothing")


def test_t41_each_of_three_pods_says_whose_the_address_is_now_and_the_node_knew_before(world, real_world):
    with closing(Wire(world.node)) as everything:
        for number in range(3):
            lease, _ = world.pod(5, container=f"pod-{number}")
            _, mac = link_macs(lease.key)
            known = real_world.run("ip", "-4", "neigh") + real_world.run("ip", "-6", "neigh")
            assert known.count(f"lladdr {mac.hex(':')} PERMANENT") == 2
            four, six = (socket.inet_pton(f, a) for f, a in zip((2, 10), ADDRESSES.values(), strict=True))
            told = announcements(everything, mac, 2)
            assert pack("!6s4s", mac, four) in told[0]
            assert (told[0][28:32], told[0][38:42]) == (four, four), "gratuitous ARP"
            assert (told[1][54], told[1][62:78], told[1][22:38]) == (136, six, six), "unsolicited NA"
            world.end(lease)


def announcements(wire, mac, count):
    """The first ARP packet and the first neighbour advertisement from a MAC."""
    found = {}
    end = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < end:
        for data in wire.arrived():
            if data[6:12] == mac and (data[12:14] == b"\x08\x06" or data[54:55] == b"\x88"):
                found.setdefault(data[12:14], data)
    assert len(found) == count, "not announced"
    return [found[b"\x08\x06"], found[b"\x86\xdd"]]
