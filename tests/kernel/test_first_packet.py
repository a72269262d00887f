"""A pod is reached, and reaches its node, from the moment at which it is plugged in: the very first packet arrives.

A kernel that opens a link's queue later does so within microseconds or milliseconds, so one round proves little: of
those without the wait for it, one in five to twenty loses its packet.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from dataclasses import replace
from socket import AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM, socket
from time import monotonic

import pytest

from terway_edge.core.addresses import Address
from terway_edge.kernel.late import BOUND, await_link
from terway_edge.kernel.netlink import NetlinkSocket
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.uapi import IF_OPER_UP, IFLA_OPERSTATE, NLM_F_REQUEST, RTM_SETLINK
from terway_edge.kernel.wire import IFINFO, attribute, message
from tests.kernel.conftest import HOST_ADDRESSES
from tests.kernel.contract import NOBODY
from tests.kernel.pods import pod

pytestmark = pytest.mark.root
FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS, ROUNDS, PORT = 10, 200 if FULL else 10, 4000
DORMANT = 5  # IF_OPER_DORMANT of linux/if.h
FAMILIES = {4: AF_INET, 6: AF_INET6}


class Udp:
    """A socket of each family in a namespace."""

    def __init__(self, netns: str, stack: ExitStack) -> None:
        descriptor = open_netns(netns)
        try:
            self._sockets = {family: inside(descriptor, lambda family=family: self._open(family)) for family in (4, 6)}
        finally:
            os.close(descriptor)
        for each in self._sockets.values():
            stack.enter_context(each)

    def reaches(self, other: Udp, to: Address) -> bool:
        """Whether one packet, sent now, arrives."""
        self._sockets[to.family].sendto(b"first", (str(to), PORT))
        try:
            return other._sockets[to.family].recv(100) == b"first"
        except TimeoutError:
            return False

    def _open(self, family: int) -> socket:
        made = socket(FAMILIES[family], SOCK_DGRAM)
        if family == 6:
            made.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
        made.bind(("::" if family == 6 else "0.0.0.0", PORT))
        made.settimeout(1)
        return made


@pytest.mark.slow
@pytest.mark.parametrize("to_pod", [True, False], ids=["to the pod", "from the pod"])
@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv4 and IPv6"])
def test_the_first_packet_arrives(real_world, ipv6, to_pod):
    kernel = real_world.kernel
    netns = [real_world.create_netns() for _ in range(PODS)]
    lost = []
    with ExitStack() as stack:
        host = Udp(f"/run/netns/{real_world._host}", stack)
        pods = [Udp(each, stack) for each in netns]
        for number in range(ROUNDS * PODS):
            lease, plan = pod(number, netns[number % PODS], ipv6=ipv6)
            kernel.apply(plan)
            for address, own in zip(lease.addresses, HOST_ADDRESSES, strict=False):
                there = pods[number % PODS]
                arrived = host.reaches(there, address) if to_pod else there.reaches(host, own.address)
                lost += [] if arrived else [(number, address)]
            kernel.unplug([lease.key])
            if number % PODS == PODS - 1:
                kernel.settle()
    assert lost == []


@pytest.fixture
def endpoints(real_world):
    """Two sockets of the host, one for another thread."""
    descriptor = open_netns(f"/run/netns/{real_world._host}")
    with inside(descriptor, NetlinkSocket) as one, inside(descriptor, NetlinkSocket) as other:
        os.close(descriptor)
        yield one, other


def set_state(endpoint: NetlinkSocket, link: int, state: int) -> None:
    body = IFINFO.pack(AF_UNSPEC, 0, link, 0, 0) + attribute(IFLA_OPERSTATE, bytes((state,)))
    assert endpoint.change(message(RTM_SETLINK, NLM_F_REQUEST, endpoint.reserve(1), body)) == []


def late_link(world, endpoint: NetlinkSocket) -> int:
    """The host end of a pod's link, in a state that does not follow its carrier."""
    _, plan = pod(1, world.create_netns())
    world.kernel.apply(plan)
    link = plan.steps[0].changes[0].item.link
    set_state(endpoint, link, DORMANT)
    return link


def test_a_link_that_is_late_is_waited_for(real_world, endpoints):
    endpoint, others = endpoints
    link = late_link(real_world, endpoint)
    later = threading.Timer(BOUND / 4, set_state, [others, link, IF_OPER_UP])
    began = monotonic()
    later.start()
    assert await_link(endpoint, link)
    assert monotonic() - began >= BOUND / 4
    later.join()


def test_the_wait_has_an_end(real_world, endpoints):
    link = late_link(real_world, endpoints[0])
    began = monotonic()
    assert not await_link(endpoints[0], link)
    assert monotonic() - began >= BOUND


def test_nobody_waits_for_a_link_that_is_down_or_gone(real_world, endpoints):
    _, plan = pod(1, real_world.create_netns())
    real_world.kernel.apply(replace(plan, steps=plan.steps[:1]))  # the pod's end stays down
    assert await_link(endpoints[0], plan.steps[0].changes[0].item.link)
    assert await_link(endpoints[0], NOBODY)
