"""Packets with an address that their ENI does not own, as a broken or malicious node would send them."""

from __future__ import annotations

import ipaddress
import socket
from struct import pack

from terway_edge.lab.errors import LabError
from terway_edge.lab.pings import End
from terway_edge.lab.processes import Processes
from terway_edge.lab.sockets import socket_in
from terway_edge.lab.vpc import spoofed

COUNT = 3
DISCARD = 9
PATIENCE = 2.0  # seconds; a packet takes microseconds


def send(netns: str, source: str, target: str, count: int = COUNT) -> None:
    """Datagrams with any source, by the way the namespace has to the target. Raises OSError."""
    with socket_in(netns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            raw.sendto(datagram(source, target), (target, 0))


def datagram(source: str, target: str) -> bytes:
    """IPv4 and UDP without data and checksums; the kernel fills in that of IPv4 (raw(7))."""
    length, ttl, no_checksum = 28, 64, 0
    ends = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    header = pack("!BBHHHBBH", 0x45, 0, length, 0, 0, ttl, socket.IPPROTO_UDP, no_checksum)
    return header + ends + pack("!HHHH", DISCARD, DISCARD, 8, no_checksum)


def dropped(network: str, sender: End, source: str, target: End, processes: Processes) -> int:
    """How many of COUNT packets with a foreign source a cloud network counts as thrown away and does not deliver.

    Raises LabError.
    """
    before = spoofed(network, processes)
    try:
        arrived = _arrived(sender, source, target)
    except OSError as error:
        raise LabError(f"{sender.name} cannot send to {target.name} with any source: {error}") from error
    return min(spoofed(network, processes) - before, COUNT - arrived)


def _arrived(sender: End, source: str, target: End) -> int:
    """How many of COUNT datagrams come through."""
    with socket_in(target.netns, socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((target.addresses[0], DISCARD))
        listener.settimeout(PATIENCE)
        send(sender.netns, source, target.addresses[0])
        send(sender.netns, sender.addresses[0], target.addresses[0], 1)  # comes after them, if they come
        return _count_until(listener, sender.addresses[0])


def _count_until(listener: socket.socket, last: str) -> int:
    """Datagrams before the one from `last`. Raises TimeoutError if that does not come."""
    count = 0
    while listener.recvfrom(1)[1][0] != last:
        count += 1
    return count
