"""Routes as lines for routers."""

from __future__ import annotations

from terway_edge.core.planner.commands import commands, device_commands
from tests.core.planned import SEVERAL_LANS, plan

LINKS = [
    {"switch-a": "172.16.255.2", "gateway": "172.16.255.1"},
    {"switch-b": "172.16.255.6", "gateway": "172.16.255.5"},
    {"gateway": "172.16.255.9", "vbr": "172.16.255.10"},
    {"vbr": "172.16.255.13", "vpc": "172.16.255.14"},
]


def test_frr() -> None:
    assert (
        commands(plan(lans=SEVERAL_LANS, transit=["vbr"], links=LINKS), "frr")
        == """\
! LAN switch switch-a
! inbound
ip route 192.168.0.0/16 172.16.255.1
ip route 172.16.0.0/16 172.16.255.1
! outbound
! parts of 10.0.0.0/8: by BGP from speakers, gateway
! LAN switch switch-b
! inbound
ip route 192.168.0.0/16 172.16.255.5
ip route 172.16.0.0/16 172.16.255.5
! outbound
! parts of 10.0.0.0/8: by BGP from speakers, gateway
! gateway
! inbound
ip route 192.168.0.0/16 172.16.255.10
! outbound
ip route 172.16.1.0/24 172.16.255.2
ip route 172.16.2.0/24 172.16.255.6
ip route 172.16.3.0/24 172.16.255.6
! parts of 10.0.0.0/8: by BGP from switches
ip route 10.0.0.0/8 reject 254
! VBR
! inbound
ip route 192.168.0.0/16 172.16.255.14
! outbound
ip route 172.16.0.0/16 172.16.255.9
ip route 10.0.0.0/8 172.16.255.9
! VPC route table
! outbound
ip route 172.16.0.0/16 172.16.255.13
ip route 10.0.0.0/8 172.16.255.13"""
    )


def test_generic() -> None:
    assert (
        commands(plan(transit=[]), "generic")
        == """\
# LAN switch
# inbound
ip route replace 192.168.0.0/16 via <address of gateway>
# outbound
# parts of 10.0.0.0/8: by BGP from speakers
ip route replace unreachable 10.0.0.0/8 metric 4294967295
# gateway
# inbound
ip route replace 192.168.0.0/16 via <address of vpc>
# outbound
ip route replace 172.16.0.0/16 via <address of switch>
ip route replace 10.0.0.0/8 via <address of switch>
# VPC route table
# outbound
ip route replace 172.16.0.0/16 via <address of gateway>
ip route replace 10.0.0.0/8 via <address of gateway>"""
    )


def test_ipv6() -> None:
    found = plan(edge_container_cidrs=["fd00:64::/48"], links=[{"gateway": "fd00:255::1", "switch": "fd00:255::2"}])
    assert device_commands(found, "gateway", "frr")[-1] == "ipv6 route fd00:64::/48 fd00:255::2"
    assert device_commands(found, "gateway", "generic")[-1] == "ip -6 route replace fd00:64::/48 via fd00:255::2"
    assert device_commands(found, "switch", "frr")[-1] == "ipv6 route fd00:64::/48 reject 254"
    assert device_commands(found, "switch", "generic")[-1] == (
        "ip -6 route replace unreachable fd00:64::/48 metric 4294967295"
    )


def test_the_lines_of_one_device_are_those_of_its_section() -> None:
    found = plan(lans=SEVERAL_LANS, links=LINKS[:3])
    whole = commands(found, "frr").split("! gateway\n")[1].split("! VBR")[0]
    assert device_commands(found, "gateway", "frr") == [line for line in whole.splitlines() if line[0] != "!"]
