"""Anti-spoofing on the real kernel: what a pod with NET_RAW sends in others' names leaves it, and arrives nowhere."""

import os
import re
import socket
from contextlib import suppress
from struct import pack

import pytest

from terway_edge.core.models import PortMapping
from terway_edge.core.names import link_macs, link_name
from terway_edge.kernel.netns import inside
from tests.kernel import frames
from tests.kernel.frames import ALL_NODES, IP, IP6, QINQ, ROUTING, VLAN, datagram, frame, ipv4, ipv6, neighbour, udp
from tests.kernel.port_world import NODE, OUTSIDE, PATIENCE, PortWorld

pytestmark = pytest.mark.root

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
COUNT = 10_000 if FULL else 200
BLOCK = 200  # frames between looks at what arrived
OWN, OTHER = ("10.0.0.5", "fd00::5"), ("10.0.0.6", "fd00::6")
NOBODY = b"\x06\x00\x00\x00\x00\x99"
BUFFER = 8 << 20
TAGGED = ("VLAN 5", "QinQ", "VLAN 0 twice")
"""What has no receiver on the link, so that no rule ever meets it."""
CLIENTS = {"10.0.0.5": 68, "fd00::5": 546}
RECORD_ROUTE = bytes((7, 7, 4, 0, 0, 0, 0, 0))
SERVICE = """
table ip svc {
  chain in { type nat hook prerouting priority dstnat; ip daddr 198.19.0.1 dnat to 10.0.0.5; }
}
"""
SOURCE_ROUTE = bytes((131, 7, 8)) + bytes((192, 0, 2, 9)) + b"\0"


class Wire:
    """A packet socket: everything that comes by a link of a namespace, or by any."""

    def __init__(self, netns, link=""):
        self._socket = inside(netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
        if link:
            self._socket.bind((link, 0))
        self.send, self.close = self._socket.send, self._socket.close

    def arrived(self):
        """The frames that came since the last call; what the namespace itself sent is not among them."""
        found = []
        with suppress(BlockingIOError):
            while True:
                data, origin = self._socket.recvfrom(2048, socket.MSG_DONTWAIT)
                if origin[2] != socket.PACKET_OUTGOING:
                    found.append(data)
        return found


class SpoofWorld(PortWorld):
    """A pod that lies, a victim beside it, the node, and a host outside; a frame of interest carries `mark`."""

    def __init__(self, real_world, *, guarded=True):
        super().__init__(real_world, guarded=guarded)
        self.lease, self.liar = self.pod(5)
        self.other, self.victim = self.pod(6)
        self.host_mac, self.mac = link_macs(self.lease.key)
        self.wires = [Wire(self.outside, "wire0"), Wire(self.victim, "eth0")]
        self.pod_end = Wire(self.liar, "eth0")
        self.listeners = [self._listener(family) for family in (4, 6)]
        self.targets = {4: (OUTSIDE[0], OTHER[0], NODE[0]), 6: (OUTSIDE[1], OTHER[1], NODE[1])}
        self._warm_up()
        self.fixed = self.tables()

    def close(self):
        for wire in (*self.wires, self.pod_end):
            wire.close()
        super().close()

    def _listener(self, family):
        listener = self.listen(self.node, 9, "udp", family)
        listener.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
        return listener

    def _warm_up(self):
        """Until every target is resolved and answers to the truth."""
        for family in (4, 6):
            kind_and_packet = [datagram(OWN[family == 6], target, b"warm") for target in self.targets[family]]
            for number, made in enumerate(kind_and_packet):
                for _ in range(int(PATIENCE / 0.01)):
                    self.pod_end.send(self.frame(*made))
                    if self.seen_in(b"warm", wait=0.01):
                        break
                else:
                    pytest.fail(f"nothing comes to target {number} of family {family}")

    def frame(self, kind, packet, *tags, mac=None):
        return frame(mac or self.mac, self.host_mac, kind, packet, *tags)

    def tables(self):
        """What the node knows of its neighbours behind the liar's link, and of ways that lead there or anywhere."""
        words = [(family, kind, "show") for family in ("-4", "-6") for kind in ("neigh", "route")]
        lines = [line for each in words for line in self._real.run("ip", *each).splitlines()]
        return [line for line in lines if link_name(self.lease.key) in line or line.startswith("default")]

    def dropped(self):
        """How many packets the rules have counted."""
        tables = (self.nft("list", "table", family, "terway_edge") for family in ("inet", "arp"))
        return sum(map(int, re.findall(r"counter packets (\d+)", "".join(tables))))

    def seen_in(self, mark, wait=0.0):
        """How many frames with the mark arrived anywhere, at least one if there is one within `wait` seconds."""
        found = sum(mark in data for wire in self.wires for data in wire.arrived())
        for listener in self.listeners:
            listener.settimeout(wait)
            with suppress(BlockingIOError, TimeoutError):
                while True:
                    found += mark in listener.recv(2048)
                    listener.settimeout(0)
        return found

    def escaped(self, made, mark, count=COUNT):
        """Of `count` times this frame, how many arrived anywhere before what was sent after them did."""
        end = b"the end of " + mark
        found = 0
        for start in range(0, count, BLOCK):
            for _ in range(min(BLOCK, count - start)):
                with suppress(OSError):  # ENOBUFS
                    self.pod_end.send(made)
            found += self.seen_in(mark)
        for _ in range(int(PATIENCE / 0.05)):
            self.pod_end.send(self.frame(*datagram(OWN[0], NODE[0], end)))
            self.listeners[0].settimeout(0.05)
            with suppress(TimeoutError):
                while end != (data := self.listeners[0].recv(2048)):
                    found += mark in data
                return found + self.seen_in(mark)
        pytest.fail("what the pod sends in its own name does not arrive")


def lies(world):
    """(what it is, frame) of all that must not get through; each carries its name."""
    other_mac = link_macs(world.other.key)[1]
    for at, family in enumerate((4, 6)):
        for target in world.targets[family]:
            for source in (OTHER[at], NODE[at], OUTSIDE[at], ("203.0.113.7", "2001:db8:77::7")[at]):
                if source != target:
                    name = f"source {source} to {target}"
                    yield name, world.frame(*datagram(source, target, name.encode()))
            for mac in (NOBODY, other_mac, world.host_mac):
                name = f"MAC {mac.hex()} to {target}"
                yield name, world.frame(*datagram(OWN[at], target, name.encode()), mac=mac)
            for name, source, tags in (
                (f"VLAN 5 to {target}", OWN[at], [(VLAN, 5)]),
                (f"VLAN 0 to {target}", OTHER[at], [(VLAN, 0)]),
                (f"QinQ to {target}", OWN[at], [(QINQ, 5), (VLAN, 0)]),
                (f"VLAN 0 twice to {target}", OTHER[at], [(VLAN, 0), (VLAN, 0)]),
            ):
                if source != target:
                    yield name, world.frame(*datagram(source, target, name.encode()), *tags)
            name = f"DHCP to {target}"
            server, client = ((67, 68), (547, 546))[at]
            yield name, world.frame(*datagram(OWN[at], target, name.encode(), sport=server, dport=client))
    for target in world.targets[6]:
        name = f"link-local source to {target}"
        yield name, world.frame(*datagram("fe80::5", target, name.encode()))
        name = f"type 0 routing to {target}"
        inner = udp(OWN[1], target, name.encode())
        yield name, world.frame(IP6, ipv6(OWN[1], target, ROUTING, pack("!BBBBI", 17, 0, 0, 0, 0) + inner))
    for target in world.targets[4]:
        for option in (RECORD_ROUTE, SOURCE_ROUTE, b"\x94\x04\0\0"):
            name = f"option {option[0]} to {target}"
            yield name, world.frame(IP, ipv4(OWN[0], target, udp(OWN[0], target, name.encode()), options=option))
        name, source = f"fragment to {target}", OTHER[0] if target != OTHER[0] else OUTSIDE[0]
        yield name, world.frame(IP, ipv4(source, target, name.encode(), fragment=9))
    yield from neighbour_lies(world)


def neighbour_lies(world):
    host_link_local = "fe80::5"
    for target in (ALL_NODES, OTHER[1], NODE[1]):
        for source in (OWN[1], host_link_local):
            name = f"RA of {source} to {target}"
            body = frames.router_advertisement(world.mac, name.encode())
            yield name, world.frame(*neighbour(source, target, 134, body))
            name = f"redirect of {source} to {target}"
            body = frames.redirect(OWN[1], OUTSIDE[1], name.encode())
            yield name, world.frame(*neighbour(source, target, 137, body))
    for about in (OTHER[1], NODE[1], "fe80::1", "2001:db8::77"):
        for target in (NODE[1], OTHER[1], ALL_NODES):
            name = f"NA of {about} to {target}"
            yield name, world.frame(*neighbour(OWN[1], target, 136, frames.advertisement(about, world.mac)))
        name = f"NS by {about}"
        yield name, world.frame(*neighbour(about, NODE[1], 135, frames.solicitation(NODE[1], world.mac)))
    for source, mac, outer in (
        (OTHER[0], world.mac, world.mac),
        (NODE[0], world.mac, world.mac),
        ("10.0.0.77", world.mac, world.mac),
        ("0.0.0.0", world.mac, world.mac),
        (OWN[0], NOBODY, world.mac),
        (OWN[0], world.mac, NOBODY),
    ):
        for operation in (1, 2):
            name = f"ARP {operation} of {source} at {mac.hex()} from {outer.hex()}"
            yield name, world.frame(frames.ARP, frames.arp(operation, mac, source, NODE[0]), mac=outer)


@pytest.fixture
def world(real_world):
    made = SpoofWorld(real_world)
    yield made
    made.close()


def test_t43_nothing_that_a_pod_sends_in_others_names_arrives(world):
    world.pod_end.arrived()
    for name, made in lies(world):
        before = world.dropped()
        assert world.escaped(made, name.encode()) == 0, name
        if not name.startswith(TAGGED):
            assert world.dropped() == before + COUNT, name
    assert [data for data in world.pod_end.arrived() if data[12:14] == b"\x08\x06"] == [], "nobody's ARP is answered"
    assert world.tables() == world.fixed


def test_t43_what_it_sends_in_its_own_name_arrives_every_time(world):
    for at, family in enumerate((4, 6)):
        for target in world.targets[family]:
            mark = f"truth to {target}".encode()
            assert world.escaped(world.frame(*datagram(OWN[at], target, mark)), mark) == COUNT
    mark = b"in two parts"
    whole = udp(OWN[0], OUTSIDE[0], mark)
    parts = [ipv4(OWN[0], OUTSIDE[0], whole[:8], fragment=0x2000), ipv4(OWN[0], OUTSIDE[0], whole[8:], fragment=1)]
    world.pod_end.send(world.frame(IP, parts[0]))
    assert world.escaped(world.frame(IP, parts[1]), mark, count=1) == 1
    world.pod_end.arrived()
    world.pod_end.send(world.frame(frames.ARP, frames.arp(1, world.mac, OWN[0], NODE[0])))
    dropped = world.dropped()
    world.pod_end.send(world.frame(*neighbour(OWN[1], NODE[1], 135, frames.solicitation(NODE[1], world.mac))))
    world.pod_end.send(world.frame(*neighbour(OWN[1], NODE[1], 136, frames.advertisement(OWN[1], world.mac))))
    assert world.escaped(world.frame(*datagram(OWN[0], NODE[0], b"!")), b"!", count=1) == 1
    assert world.dropped() == dropped
    assert {data[12:14] for data in world.pod_end.arrived()} >= {b"\x08\x06"}, "the node answers the pod's own ARP"
    assert world.tables() == world.fixed


def test_t43_without_it_lies_arrive_and_routers_are_still_not_believed(real_world):
    """What the first test sees nothing of is there to be seen; RAs change nothing even so."""
    world = SpoofWorld(real_world, guarded=False)
    try:
        through = {name.split()[0] for name, made in lies(world) if world.escaped(made, name.encode(), count=2)}
        assert through >= {"source", "MAC", "DHCP", "type", "option", "fragment"}
        assert not any(line.startswith("default") for line in world.tables())
    finally:
        world.close()


def test_t43_ports_of_the_node_and_services_work_with_it(real_world):
    world = PortWorld(real_world, guarded=True)
    try:
        _, pod = world.pod(5, PortMapping(8080, 80), PortMapping(8080, 80, "udp"))
        other, other_pod = world.pod(6)
        for at, family in enumerate((4, 6)):
            for protocol in ("tcp", "udp"):
                listener = world.listen(pod, 80, protocol, family)
                assert world.seen(world.outside, NODE[at], 8080, listener) == OUTSIDE[at]
                assert world.seen(other_pod, NODE[at], 8080, listener) == str(other.addresses[at])
                assert world.seen(pod, NODE[at], 8080, listener) is not None, "its own packet comes back"
                listener.close()
        world.nft("-f", "-", text=SERVICE)
        assert world.seen(other_pod, "198.19.0.1", 80, world.listen(pod, 80)) == str(other.addresses[0])
    finally:
        world.close()
