"""Messages beside their bytes, written out by hand from the RFCs."""

from __future__ import annotations

from terway_edge.backends.bgp.messages import (
    Capabilities,
    Family,
    GracefulRestart,
    Keepalive,
    Message,
    Notification,
    Open,
    Path,
    RouteRefresh,
    Segment,
    Update,
)
from terway_edge.core.addresses import Address, Prefix

BOTH = (Family.IPV4, Family.IPV6)


def speakers_open(*, restarting: bool) -> Open:
    restart = GracefulRestart(600, BOTH, forwarding=BOTH, restarting=restarting, notification=True)
    return Open(64512, 90, 0x0A000001, Capabilities(BOTH, 64512, True, True, restart))


_TEXTS: dict[str, tuple[Message, str]] = {
    "OPEN": (
        speakers_open(restarting=False),
        "0041 01 04 fc00 005a 0a000001 24 02 22"
        "01 04 0001 00 01"
        "01 04 0002 00 01"
        "02 00"
        "06 00"
        "40 0a 4258 0001 01 80 0002 01 80"
        "41 04 0000fc00",
    ),
    "OPEN after a restart": (
        speakers_open(restarting=True),
        "0041 01 04 fc00 005a 0a000001 24 02 22"
        "01 04 0001 00 01"
        "01 04 0002 00 01"
        "02 00"
        "06 00"
        "40 0a c258 0001 01 80 0002 01 80"
        "41 04 0000fc00",
    ),
    "OPEN without capabilities": (Open(65001, 0, 1), "001d 01 04 fde9 0000 00000001 00"),
    "UPDATE of IPv4": (
        Update(
            announced=(Prefix.parse("10.1.0.0/24"), Prefix.parse("10.2.128.0/17")),
            withdrawn=(Prefix.parse("10.3.0.0/16"), Prefix.parse("0.0.0.0/0")),
            path=Path(
                as_path=(Segment((65010,)),),
                next_hop=Address.parse("172.16.0.11"),
                med=100,
                communities=(0xFDE80001,),
                large_communities=((65010, 1, 2),),
            ),
        ),
        "0054 02 0004 10 0a03 00 0031"
        "40 01 01 00"
        "40 02 06 02 01 0000fdf2"
        "40 03 04 ac10000b"
        "80 04 04 00000064"
        "c0 08 04 fde80001"
        "c0 20 0c 0000fdf2 00000001 00000002"
        "18 0a0100 11 0a0280",
    ),
    "UPDATE of IPv6": (
        Update(
            announced=(Prefix.parse("fd00:1::/64"), Prefix.parse("::/0")),
            withdrawn=(Prefix.parse("fd00:2::/33"),),
            path=Path(as_path=(Segment((65010,)),), mp_next_hop=Address.parse("fd00::11"), local_pref=100),
        ),
        "0059 02 0000 0042"
        "80 0f 09 0002 01 21 fd00000200"
        "80 0e 1f 0002 01 10 fd000000000000000000000000000011 00 40 fd00000100000000 00"
        "40 01 01 00"
        "40 02 06 02 01 0000fdf2"
        "40 05 04 00000064",
    ),
    "End-of-RIB of IPv4": (Update(end_of_rib=Family.IPV4), "0017 02 0000 0000"),
    "End-of-RIB of IPv6": (Update(end_of_rib=Family.IPV6), "001d 02 0000 0006 80 0f 03 0002 01"),
    "NOTIFICATION": (Notification(6, 9, b"\x06\x03"), "0017 03 06 09 0603"),
    "NOTIFICATION without data": (Notification(4), "0015 03 04 00"),
    "KEEPALIVE": (Keepalive(), "0013 04"),
    "ROUTE-REFRESH of IPv4": (RouteRefresh(Family.IPV4), "0017 05 0001 00 01"),
    "ROUTE-REFRESH of IPv6": (RouteRefresh(Family.IPV6), "0017 05 0002 00 01"),
}

GOLDEN = {name: (message, bytes.fromhex("ff" * 16 + text)) for name, (message, text) in _TEXTS.items()}
