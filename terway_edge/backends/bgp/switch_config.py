"""The other side of a BGPPeer: what to type at the switch, in the words of four vendors.

Every text does the same: a neighbour per speaker, MD5 if the peer has a password, graceful restart kept as long as the
speakers ask for, nothing accepted but pod CIDRs and nothing sent, timers and TTL only where the BGPPeer sets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from terway_edge.backends.bgp.messages import Family
from terway_edge.core.addresses import Address, Prefix

Vendor = Literal["frr", "bird", "cisco", "huawei"]

LONGEST_RESTART = 3600  # seconds; what Cisco IOS XE and Huawei VRP take, RFC 4724 has room for 4095


@dataclass(frozen=True, slots=True)
class SwitchSide:
    """What a switch has to know of the BGPPeer `name`.

    `speakers` are (node name, address). Accepted are `prefixes` and their parts up to the lengths in `longest`
    (IPv4, IPv6; 0: no parts), so that a node to come needs no change at the switch. `secret` is NAME/KEY of the
    password's Secret, empty without one. Times are seconds; `restart_time` 0: no graceful restart, `hold_time` None:
    the switch's own. `ttl_security` is the number of hops (RFC 5082), `multihop` a TTL, 0: off.
    """

    name: str
    switch_asn: int
    switch_address: Address
    speaker_asn: int
    speakers: tuple[tuple[str, Address], ...]
    prefixes: tuple[Prefix, ...]
    secret: str = ""
    restart_time: int = 600
    hold_time: int | None = None
    ttl_security: int = 0
    multihop: int = 0
    families: tuple[Family, ...] = (Family.IPV4, Family.IPV6)
    longest: tuple[int, int] = (0, 0)

    @property
    def label(self) -> str:
        """The name where it names something at the switch: BIRD ends names at 64 characters, FRR loses lists at 128."""
        return self.name[:50]

    @property
    def password(self) -> str:
        """Stands for the password, which no tool of ours prints."""
        return f"<PASSWORD of Secret {self.secret}>" if self.secret else ""

    @property
    def title(self) -> str:
        speakers = ", ".join(name for name, _ in self.speakers)
        return f"BGPPeer {self.name}: AS {self.switch_asn} towards the speakers {speakers} of AS {self.speaker_asn}"

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(family.version for family in self.families)

    @property
    def timers(self) -> tuple[int, int] | None:
        """Keepalive and hold time; one is a third of the other (RFC 4271, section 4.4)."""
        return None if self.hold_time is None else (self.hold_time // 3, self.hold_time)

    def accepted(self, version: int) -> list[tuple[Prefix, int]]:
        """Prefixes of a family and the longest length of their parts."""
        longest = self.longest[version == 6]
        return [(prefix, max(prefix.length, longest)) for prefix in self.prefixes if prefix.family == version]


def render(peer: SwitchSide, vendor: Vendor) -> str:
    """The configuration, to be added to what the switch has."""
    return "\n".join(_VENDORS[vendor](peer)) + "\n"


def _frr(peer: SwitchSide) -> Iterator[str]:
    yield f"! {peer.title}"
    yield from _prefix_lists(peer)
    yield f"router bgp {peer.switch_asn}"
    yield from _restart_timers(peer, 4095)
    for name, address in peer.speakers:
        yield from _neighbour(peer, name, address)
        yield f" neighbor {address} graceful-restart-{'helper' if peer.restart_time else 'disable'}"
    yield from _families(peer, " unicast")


def _cisco(peer: SwitchSide) -> Iterator[str]:
    yield f"! {peer.title}"
    yield from _prefix_lists(peer)
    yield f"router bgp {peer.switch_asn}"
    if peer.restart_time:
        yield " bgp graceful-restart"
    yield from _restart_timers(peer, LONGEST_RESTART)
    for name, address in peer.speakers:
        yield from _neighbour(peer, name, address)
    yield from _families(peer, "")


def _restart_timers(peer: SwitchSide, longest: int) -> Iterator[str]:
    """The stale-path time runs beside the speaker's restart time, and the smaller one wins."""
    if peer.restart_time:
        yield f" bgp graceful-restart restart-time {min(peer.restart_time, longest)}"
        yield f" bgp graceful-restart stalepath-time {min(peer.restart_time, longest)}"


def _prefix_lists(peer: SwitchSide) -> Iterator[str]:
    for version in peer.versions:
        command = f"{_ip(version)} prefix-list {peer.label}"
        for number, (prefix, longest) in enumerate(peer.accepted(version), 1):
            parts = f" le {longest}" if longest > prefix.length else ""
            yield f"{command}-in seq {number * 5} permit {prefix}{parts}"
        nothing = "0.0.0.0/0 le 32" if version == 4 else "::/0 le 128"
        yield f"{command}-out seq 5 deny {nothing}"


def _neighbour(peer: SwitchSide, name: str, address: Address) -> Iterator[str]:
    line = f" neighbor {address}"
    yield f"{line} remote-as {peer.speaker_asn}"
    yield f"{line} description {name}"
    if peer.password:
        yield f"{line} password {peer.password}"
    if peer.timers:
        yield f"{line} timers {peer.timers[0]} {peer.timers[1]}"
    if peer.ttl_security:
        yield f"{line} ttl-security hops {peer.ttl_security}"
    elif peer.multihop:
        yield f"{line} ebgp-multihop {peer.multihop}"


def _families(peer: SwitchSide, unicast: str) -> Iterator[str]:
    for version in (4, 6):
        # A neighbour takes part in IPv4 unless it is told not to.
        if version == 6 and version not in peer.versions:
            continue
        yield f" address-family ipv{version}{unicast}"
        for _, address in peer.speakers:
            yield from _activation(peer, version, f"neighbor {address}")
        yield " exit-address-family"


def _activation(peer: SwitchSide, version: int, neighbour: str) -> Iterator[str]:
    if version not in peer.versions:
        yield f"  no {neighbour} activate"
        return
    yield f"  {neighbour} activate"
    yield f"  {neighbour} prefix-list {peer.label}-in in"
    yield f"  {neighbour} prefix-list {peer.label}-out out"


def _bird(peer: SwitchSide) -> Iterator[str]:
    yield f"# {peer.title}"
    for number, (name, address) in enumerate(peer.speakers, 1):
        yield f"protocol bgp '{peer.label}-{number}' {{"
        yield f'  description "{name}";'
        yield f"  local {peer.switch_address} as {peer.switch_asn};"
        yield f"  neighbor {address} as {peer.speaker_asn};"
        yield from (f"  {line};" for line in _bird_session(peer))
        for version in peer.versions:
            yield f"  ipv{version} {{ import {_bird_filter(peer, version)}; export none; }};"
        yield "}"


def _bird_session(peer: SwitchSide) -> Iterator[str]:
    hops = peer.ttl_security or peer.multihop
    yield f"multihop {hops}" if hops > 1 else "direct"
    if peer.ttl_security:
        yield "ttl security on"
    if peer.password:
        yield f'password "{peer.password}"'
    if peer.timers:
        yield f"hold time {peer.timers[1]}"
    # The default turns a speaker away for a minute and more after any error.
    yield "error wait time 1, 5"
    yield f"graceful restart {'aware' if peer.restart_time else 'off'}"


def _bird_filter(peer: SwitchSide, version: int) -> str:
    accepted = [f"{prefix}{{{prefix.length},{longest}}}" for prefix, longest in peer.accepted(version)]
    return f"where net ~ [ {', '.join(accepted)} ]" if accepted else "none"


def _huawei(peer: SwitchSide) -> Iterator[str]:
    yield f"# {peer.title}"
    yield from _ip_prefixes(peer)
    yield f"bgp {peer.switch_asn}"
    if peer.restart_time:
        yield " graceful-restart"
        yield f" graceful-restart timer restart {min(peer.restart_time, LONGEST_RESTART)}"
    for name, address in peer.speakers:
        yield from _huawei_peer(peer, name, f" peer {address}")
    for version in peer.versions:
        yield f" ipv{version}-family unicast"
        for _, address in peer.speakers:
            kind = f"{_ip(version)}-prefix"
            yield f"  peer {address} enable"
            yield f"  peer {address} {kind} {peer.label}-in import"
            yield f"  peer {address} {kind} {peer.label}-out export"


def _ip_prefixes(peer: SwitchSide) -> Iterator[str]:
    for version in peer.versions:
        command = f"ip {_ip(version)}-prefix {peer.label}"
        for number, (prefix, longest) in enumerate(peer.accepted(version), 1):
            lengths = f"greater-equal {prefix.length} less-equal {longest}"
            yield f"{command}-in index {number * 5} permit {prefix.address} {prefix.length} {lengths}"
        nothing = "0.0.0.0 0 less-equal 32" if version == 4 else ":: 0 less-equal 128"
        yield f"{command}-out index 5 deny {nothing}"


def _huawei_peer(peer: SwitchSide, name: str, line: str) -> Iterator[str]:
    yield f"{line} as-number {peer.speaker_asn}"
    yield f"{line} description {name}"
    if peer.password:
        yield f"{line} password cipher {peer.password}"
    if peer.timers:
        yield f"{line} timer keepalive {peer.timers[0]} hold {peer.timers[1]}"
    if peer.ttl_security:
        yield f"{line} valid-ttl-hops {peer.ttl_security}"
    elif peer.multihop:
        yield f"{line} ebgp-max-hop {peer.multihop}"


def _ip(version: int) -> str:
    return "ip" if version == 4 else "ipv6"


_VENDORS: dict[Vendor, Callable[[SwitchSide], Iterator[str]]] = {
    "frr": _frr,
    "bird": _bird,
    "cisco": _cisco,
    "huawei": _huawei,
}
