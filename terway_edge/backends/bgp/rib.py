"""What one peer was told and what it still has to be told: the Adj-RIB-Out of a session (RFC 4271, section 1.1).

The whole desired set goes in, packed messages come out as fast as the peer takes them. Nothing is queued but the
difference between what was told and what should be, so a slow peer costs no memory: it hears the newest set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from terway_edge.backends.bgp.attributes import encode_nlri, encode_path, mp_reach, mp_unreach
from terway_edge.backends.bgp.codec import HEADER_SIZE, MAX_SIZE, encode, frame_update
from terway_edge.backends.bgp.messages import Family, Path, Segment, Update
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.wish import Attributes, Routes
from terway_edge.core.addresses import Address, Prefix

LOCAL_PREF = 100
_OVERHEAD = HEADER_SIZE + 4 + 32  # octets: header, two lengths, and an MP attribute without its prefixes (4+3+1+16+1)


class AdjRibOut:
    """Made when a session is established. `families` are those negotiated; of others the peer is told nothing."""

    def __init__(
        self,
        spec: PeerSpec,
        families: Sequence[Family],
        *,
        four_octet: bool = True,
        end_of_rib: bool = True,
        limit: int = MAX_SIZE,
    ) -> None:
        """:param end_of_rib: whether the peer wants to know when the first full set of each family is complete.
        :param limit: octets of the longest message that the peer takes.
        """
        self._spec = spec
        self._four_octet = four_octet
        self._limit = limit
        self._routes: Routes = {}
        self._attributes = Attributes()
        # None: told, but to be told again.
        self._told: dict[Family, dict[Prefix, Address | None]] = {family: {} for family in families}
        self._owed = list(families) if end_of_rib else []
        self._messages: Iterator[bytes] = iter(())

    @property
    def size(self) -> int:
        """How many prefixes the peer knows of us."""
        return sum(map(len, self._told.values()))

    def set(self, routes: Routes, attributes: Attributes) -> None:
        """From now on the peer should know exactly these."""
        if attributes != self._attributes:
            for family in self._told:
                self._forget_next_hops(family)
        self._routes, self._attributes = routes, attributes
        self._messages = self._difference()

    def refresh(self, family: Family) -> None:
        """The peer wants to hear the whole family again (RFC 2918)."""
        if family in self._told:
            self._forget_next_hops(family)
            self._messages = self._difference()

    def next_message(self) -> bytes | None:
        """The next UPDATE, from now on counted as told; None if the peer knows everything."""
        return next(self._messages, None)

    def _forget_next_hops(self, family: Family) -> None:
        self._told[family] = dict.fromkeys(self._told[family])

    def _difference(self) -> Iterator[bytes]:
        """Withdrawals of all families, then announcements, then the ends of the first full sets."""
        for family, told in self._told.items():
            for prefixes, message in self._withdrawals(family, told.keys() - self._wanted(family).keys()):
                for prefix in prefixes:
                    del told[prefix]
                yield message
        for family, told in self._told.items():
            # Set operations on item views run in C; the first full set needs none.
            wanted = self._wanted(family)
            missing = dict(wanted.items() - told.items()) if told else wanted
            for next_hop, group in _by_next_hop(missing).items():
                for prefixes, message in self._announcements(family, next_hop, group):
                    told.update(dict.fromkeys(prefixes, next_hop))
                    yield message
        while self._owed:
            yield encode(Update(end_of_rib=self._owed.pop(0)))

    def _wanted(self, family: Family) -> Mapping[Prefix, Address]:
        return self._routes.get(family, {})

    def _withdrawals(self, family: Family, gone: Iterable[Prefix]) -> Iterator[tuple[list[Prefix], bytes]]:
        for prefixes, nlri in _chunks(sorted(gone), self._limit - _OVERHEAD):
            if family is Family.IPV4:
                yield prefixes, frame_update(nlri, b"", b"")
            else:
                yield prefixes, frame_update(b"", mp_unreach(family, nlri), b"")

    def _announcements(
        self, family: Family, next_hop: Address, group: Sequence[Prefix]
    ) -> Iterator[tuple[list[Prefix], bytes]]:
        path = self._path(next_hop if family is Family.IPV4 else None)
        for prefixes, nlri in _chunks(group, self._limit - _OVERHEAD - len(path)):
            if family is Family.IPV4:
                yield prefixes, frame_update(b"", path, nlri)
            else:
                # First, as RFC 7606 (section 5.1) asks, so that its prefixes are known whatever comes behind.
                yield prefixes, frame_update(b"", mp_reach(family, next_hop, nlri) + path, b"")

    def _path(self, next_hop: Address | None) -> bytes:
        spec, attributes = self._spec, self._attributes
        path = Path(
            as_path=() if spec.is_internal else (Segment((spec.local_asn,)),),
            next_hop=next_hop,
            med=attributes.med,
            local_pref=LOCAL_PREF if spec.is_internal else None,
            communities=attributes.communities,
            large_communities=attributes.large_communities,
        )
        return encode_path(path, four_octet=self._four_octet)


def _by_next_hop(routes: Mapping[Prefix, Address]) -> dict[Address, list[Prefix]]:
    """Prefixes of one next hop travel together: hundreds of messages instead of thousands."""
    groups: dict[Address, list[Prefix]] = {}
    for prefix, next_hop in routes.items():
        groups.setdefault(next_hop, []).append(prefix)
    return groups


def _chunks(prefixes: Sequence[Prefix], room: int) -> Iterator[tuple[list[Prefix], bytes]]:
    """The prefixes in as many parts as needed, each beside its encoding of at most `room` octets."""
    part: list[Prefix] = []
    encoded = bytearray()
    for prefix in prefixes:
        nlri = encode_nlri(prefix)
        if len(encoded) + len(nlri) > room:
            yield part, bytes(encoded)
            part, encoded = [], bytearray()
        part.append(prefix)
        encoded += nlri
    if part:
        yield part, bytes(encoded)
