"""Connections across the reuse of an address: those of the dead pod go, those of others stay and work."""

import os
import socket
import time
from contextlib import ExitStack, closing
from struct import pack

import pytest

from tests.kernel.port_world import OUTSIDE, PortWorld

pytestmark = pytest.mark.root

FLOWS = 1000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 100
TRACKING = "table inet tracking { chain before { type filter hook prerouting priority 0; ct state new accept; }; }"
ONE, TWO = "10.0.0.5", "10.0.0.6"


@pytest.fixture
def world(real_world):
    with closing(PortWorld(real_world, guarded=True)) as made:
        made.nft("-f", "-", text=TRACKING)
        yield made


def datagrams(world, stack, to, ports):
    """One-way flows from outside, each by a socket of its own."""
    for port in ports:
        sender = stack.enter_context(closing(world.socket(world.outside, "udp")))
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind((OUTSIDE[0], port))
        sender.sendto(b"?", (to, 9))


def connection(world, listener, to, port):
    client = world.socket(world.outside)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((OUTSIDE[0], port))
    client.connect((to, 80))
    return client, listener.accept()[0]


def between(client, server):
    client.send(b"?")
    return server.recv(9)


def test_t40_a_dead_pods_connections_go_within_a_second_and_others_stay(world, real_world):
    (one, pod_one), (_, pod_two) = world.pod(5), world.pod(6)
    listener = world.listen(pod_two, 80)
    with ExitStack() as stack:
        dead = connection(world, world.listen(pod_one, 80), ONE, 5000)
        live = connection(world, listener, TWO, 5001)
        for end in (*dead, *live):
            stack.enter_context(closing(end))
        for to in (ONE, TWO):
            datagrams(world, stack, to, range(20_000, 20_000 + FLOWS))
        others = {ends for ends in real_world.tracked() if ONE not in ends}
        assert len(entries(real_world, ONE)) == len(entries(real_world, TWO)) == FLOWS + 1
        world.ports.close(one)
        world.guard.dismiss(one)
        world._plumbing.detach(one)
        began = time.monotonic()
        while entries(real_world, ONE):
            assert time.monotonic() - began < 1.0
        _, again = world.pod(5, container="another")
        assert {ends for ends in real_world.tracked() if ONE not in ends} == others
        assert len(entries(real_world, TWO)) == FLOWS + 1
        assert between(*live) == b"?"
        dead[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))  # no FIN
        dead[0].close()
        new = connection(world, world.listen(again, 80), ONE, 5000)
        for end in new:
            stack.enter_context(closing(end))
        assert between(*new) == b"?", "the same ports are a connection of the new pod's"


def entries(real_world, address):
    return [line for line in real_world.run("conntrack", "-L", "-d", address).splitlines() if line]
