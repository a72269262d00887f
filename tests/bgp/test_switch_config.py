"""The switch's side of a BGPPeer says what it has to, and real daemons take it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.switch_config import SwitchSide, Vendor, render
from terway_edge.core.addresses import Address, Prefix
from terway_edge.lab.bird import Bird
from terway_edge.lab.frr import Frr
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import make_namespaces

VENDORS: tuple[Vendor, ...] = get_args(Vendor)
SPEAKERS = (("node-1", Address.parse("198.18.0.11")), ("node-2", Address.parse("198.18.0.12")))
PLAIN = SwitchSide(
    name="peer-a",
    switch_asn=65001,
    switch_address=Address.parse("198.18.0.1"),
    speaker_asn=65010,
    speakers=SPEAKERS,
    prefixes=(Prefix.parse("10.64.0.0/16"), Prefix.parse("fd00:64::/48"), Prefix.parse("10.65.1.0/25")),
    longest=(24, 64),
)
WITH_EVERYTHING = replace(PLAIN, secret="bgp-secret/password", hold_time=30, ttl_security=2, restart_time=4095)
OVER_IPV6 = replace(
    PLAIN,
    switch_address=Address.parse("fd00:18::1"),
    speakers=(("node-1", Address.parse("fd00:18::11")),),
    families=(Family.IPV6,),
    multihop=3,
    restart_time=0,
)
INTERNAL = replace(PLAIN, switch_asn=65010, name="peer.with-a-very-long-name." + "x" * 200, hold_time=0)
NO_PREFIXES = replace(PLAIN, prefixes=())
SIDES = [PLAIN, WITH_EVERYTHING, OVER_IPV6, INTERNAL, NO_PREFIXES]


def lines(peer: SwitchSide, vendor: Vendor) -> list[str]:
    return [line.strip() for line in render(peer, vendor).splitlines()]


def test_frr_whole() -> None:
    peer = replace(WITH_EVERYTHING, speakers=SPEAKERS[:1])
    assert (
        render(peer, "frr")
        == """\
! BGPPeer peer-a: AS 65001 towards the speakers node-1 of AS 65010
ip prefix-list peer-a-in seq 5 permit 10.64.0.0/16 le 24
ip prefix-list peer-a-in seq 10 permit 10.65.1.0/25
ip prefix-list peer-a-out seq 5 deny 0.0.0.0/0 le 32
ipv6 prefix-list peer-a-in seq 5 permit fd00:64::/48 le 64
ipv6 prefix-list peer-a-out seq 5 deny ::/0 le 128
router bgp 65001
 bgp graceful-restart restart-time 4095
 bgp graceful-restart stalepath-time 4095
 neighbor 198.18.0.11 remote-as 65010
 neighbor 198.18.0.11 description node-1
 neighbor 198.18.0.11 password <PASSWORD of Secret bgp-secret/password>
 neighbor 198.18.0.11 timers 10 30
 neighbor 198.18.0.11 ttl-security hops 2
 neighbor 198.18.0.11 graceful-restart-helper
 address-family ipv4 unicast
  neighbor 198.18.0.11 activate
  neighbor 198.18.0.11 prefix-list peer-a-in in
  neighbor 198.18.0.11 prefix-list peer-a-out out
 exit-address-family
 address-family ipv6 unicast
  neighbor 198.18.0.11 activate
  neighbor 198.18.0.11 prefix-list peer-a-in in
  neighbor 198.18.0.11 prefix-list peer-a-out out
 exit-address-family
"""
    )


def test_bird_whole() -> None:
    peer = replace(WITH_EVERYTHING, speakers=SPEAKERS[:1])
    assert (
        render(peer, "bird")
        == """\
# BGPPeer peer-a: AS 65001 towards the speakers node-1 of AS 65010
protocol bgp 'peer-a-1' {
  description "node-1";
  local 198.18.0.1 as 65001;
  neighbor 198.18.0.11 as 65010;
  multihop 2;
  ttl security on;
  password "<PASSWORD of Secret bgp-secret/password>";
  hold time 30;
  error wait time 1, 5;
  graceful restart aware;
  ipv4 { import where net ~ [ 10.64.0.0/16{16,24}, 10.65.1.0/25{25,25} ]; export none; };
  ipv6 { import where net ~ [ fd00:64::/48{48,64} ]; export none; };
}
"""
    )


def test_cisco_and_huawei_stay_in_their_ranges() -> None:
    cisco, huawei = lines(WITH_EVERYTHING, "cisco"), lines(WITH_EVERYTHING, "huawei")
    assert "bgp graceful-restart stalepath-time 3600" in cisco
    assert "neighbor 198.18.0.12 ttl-security hops 2" in cisco
    assert "graceful-restart timer restart 3600" in huawei
    assert "peer 198.18.0.12 valid-ttl-hops 2" in huawei
    assert "peer 198.18.0.12 timer keepalive 10 hold 30" in huawei
    assert "ip ipv6-prefix peer-a-in index 5 permit fd00:64:: 48 greater-equal 48 less-equal 64" in huawei
    assert "ip ip-prefix peer-a-in index 10 permit 10.65.1.0 25 greater-equal 25 less-equal 25" in huawei


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_switchs_own_timers_ttl_and_authentication_are_left_alone(vendor: Vendor) -> None:
    text = render(PLAIN, vendor)
    for word in ("password", "timer keepalive", " timers ", "hold", "ttl", "multihop", "max-hop"):
        assert word not in text


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_speaker_is_a_neighbour(vendor: Vendor) -> None:
    text = render(PLAIN, vendor)
    for name, address in SPEAKERS:
        assert f"{address} " in text
        assert name in text


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_family_that_the_peer_does_not_speak_is_left_out(vendor: Vendor) -> None:
    text = render(OVER_IPV6, vendor)
    assert "10.64.0.0" not in text
    assert "fd00:64::" in text
    assert "ipv4" not in text or "no neighbor fd00:18::11 activate" in text


@pytest.mark.parametrize("vendor", VENDORS)
def test_graceful_restart_can_be_off(vendor: Vendor) -> None:
    about = [line for line in lines(OVER_IPV6, vendor) if "graceful" in line]
    assert about in ([], ["neighbor fd00:18::11 graceful-restart-disable"], ["graceful restart off;"])


@pytest.fixture
def netns() -> Iterator[str]:
    name = f"twt-switch-{os.getpid()}"
    make_namespaces([name], Processes("none"))
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def with_password(text: str) -> str:
    return text.replace("<PASSWORD of Secret bgp-secret/password>", "s3cret")


def addresses(peer: SwitchSide) -> set[str]:
    return {str(address) for _, address in peer.speakers}


@pytest.mark.root
@pytest.mark.parametrize("peer", SIDES, ids=["plain", "everything", "ipv6", "internal", "no-prefixes"])
def test_frr_takes_it(peer: SwitchSide, netns: str, tmp_path: Path) -> None:
    frr = Frr("switch", netns, tmp_path / "frr", Processes("none"), with_password(render(peer, "frr")), kernel=False)
    frr.start()
    try:
        frr.wait_ready()
        assert set(frr.sessions()) == addresses(peer)
        running = [line.strip() for line in frr.vty("show running-config").splitlines()]
    finally:
        frr.stop()
    said = [line.strip() for line in with_password(render(peer, "frr")).splitlines()]
    assert [line for line in said if line not in running and not line.startswith("!")] == []


@pytest.mark.root
@pytest.mark.parametrize("peer", SIDES, ids=["plain", "everything", "ipv6", "internal", "no-prefixes"])
def test_bird_takes_it(peer: SwitchSide, netns: str, tmp_path: Path) -> None:
    config = f"router id 198.18.0.1;\nprotocol device {{}}\n{with_password(render(peer, 'bird'))}"
    bird = Bird("switch", netns, tmp_path / "bird", Processes("none"), config)
    bird.start()
    try:
        bird.wait_ready()
        assert set(bird.sessions()) == addresses(peer)
    finally:
        bird.stop()
