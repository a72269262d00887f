"""Frames as a pod with NET_RAW would send them, byte by byte."""

import ipaddress
from struct import pack

IP, ARP, VLAN, QINQ, IP6 = 0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD
UDP, ROUTING, ICMP6 = 17, 43, 58
ALL_NODES = "ff02::1"


def frame(source, target, kind, payload, *tags):
    """Ethernet; each tag is (EtherType, VLAN id)."""
    words = b"".join(pack("!HH", kind_of_tag, vlan) for kind_of_tag, vlan in tags)
    return target + source + words + pack("!H", kind) + payload


def ipv4(source, target, payload, *, options=b"", fragment=0, protocol=UDP):
    assert len(options) % 4 == 0
    size = 20 + len(options)
    ends = _packed(source) + _packed(target)
    head = pack("!BBHHHBB", 0x40 + size // 4, 0, size + len(payload), 7, fragment, 64, protocol)
    return head + pack("!H", _checksum(head + b"\0\0" + ends + options)) + ends + options + payload


def ipv6(source, target, following, payload, *, hops=64):
    return pack("!IHBB", 6 << 28, len(payload), following, hops) + _packed(source) + _packed(target) + payload


def udp(source, target, data, *, sport=9999, dport=9):
    """With a checksum, which IPv6 demands."""
    head = pack("!HHH", sport, dport, 8 + len(data))
    return head + pack("!H", _sum_of(UDP, source, target, head + b"\0\0" + data) or 0xFFFF) + data


def icmpv6(source, target, kind, body):
    checksum = _sum_of(ICMP6, source, target, pack("!BBH", kind, 0, 0) + body)
    return pack("!BBH", kind, 0, checksum) + body


def datagram(source, target, data, **ports):
    """(EtherType, packet): UDP in IP."""
    if ":" in target:
        return IP6, ipv6(source, target, UDP, udp(source, target, data, **ports))
    return IP, ipv4(source, target, udp(source, target, data, **ports))


def neighbour(source, target, kind, body):
    """ICMPv6 that stays on the link: RFC 4861 wants a hop limit of 255."""
    return IP6, ipv6(source, target, ICMP6, icmpv6(source, target, kind, body), hops=255)


def router_advertisement(mac, data):
    return pack("!BBHII", 64, 0, 1800, 0, 0) + pack("!BB", 1, 1) + mac + _padded(data)


def redirect(to, about, data):
    return bytes(4) + _packed(to) + _packed(about) + _padded(data)


def solicitation(about, mac):
    return bytes(4) + _packed(about) + pack("!BB", 1, 1) + mac


def advertisement(about, mac):
    """Solicited or not, it overrides what was known."""
    return pack("!I", 0x20000000) + _packed(about) + pack("!BB", 2, 1) + mac


def arp(operation, mac, source, target):
    return pack("!HHBBH", 1, IP, 6, 4, operation) + mac + _packed(source) + bytes(6) + _packed(target)


def _padded(data):
    """As an option that nobody knows (RFC 4861, section 4.6: to be ignored)."""
    size = (len(data) + 2 + 7) // 8
    return pack("!BB", 253, size) + data.ljust(size * 8 - 2, b"\0")


def _packed(address):
    return ipaddress.ip_address(address).packed


def _sum_of(protocol, source, target, data):
    return _checksum(_packed(source) + _packed(target) + pack("!II", len(data), protocol) + data)


def _checksum(data):
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
