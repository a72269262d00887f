"""Whatever happens to a session, the peer's table becomes the last Set: an Adj-RIB-Out against a peer that decodes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.codec import MAX_EXTENDED, MAX_SIZE
from terway_edge.backends.bgp.messages import Family, Path, Segment, Update
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.rib import AdjRibOut
from terway_edge.backends.bgp.wish import Attributes, Routes
from terway_edge.core.addresses import Address, Prefix
from tests.bgp.sessions import BOTH, SPEAKER
from tests.bgp.strategies import hosts4, hosts6, prefixes

HOPS = {
    Family.IPV4: [Address.parse(f"192.0.2.{host}") for host in (11, 12, 13)],
    Family.IPV6: [Address.parse(f"2001:db8::{host}") for host in (11, 12, 13)],
}
POD_CIDRS = {
    Family.IPV4: [Prefix.parse(f"10.1.{third}.0/24") for third in range(30)] + [Prefix.parse("10.2.0.128/25")],
    Family.IPV6: [Prefix.parse(f"fd00:1:0:{third:x}::/64") for third in range(20)] + [Prefix.parse("fd00:2::/33")],
}
PLAIN = Attributes()
INTERNAL = PeerSpec(
    name="ibgp", address=SPEAKER.address, local_address=SPEAKER.local_address, local_asn=7, peer_asn=7, router_id=1
)
WIDE = PeerSpec(
    name="wide",
    address=SPEAKER.address,
    local_address=SPEAKER.local_address,
    local_asn=4200000001,
    peer_asn=65001,
    router_id=1,
)


def drain(rib: AdjRibOut) -> list[bytes]:
    messages = []
    while (message := rib.next_message()) is not None:
        messages.append(message)
    return messages


def decoded(messages: Iterable[bytes], *, four_octet: bool = True) -> list[Update]:
    updates = []
    for message in messages:
        update = codec.decode(message, four_octet=four_octet)
        assert isinstance(update, Update)
        updates.append(update)
    return updates


def expected_path(spec: PeerSpec, family: Family, next_hop: Address, attributes: Attributes) -> Path:
    """What a route of ours looks like to the peer."""
    return Path(
        as_path=() if spec.is_internal else (Segment((spec.local_asn,)),),
        next_hop=next_hop if family is Family.IPV4 else None,
        mp_next_hop=next_hop if family is Family.IPV6 else None,
        med=attributes.med,
        local_pref=100 if spec.is_internal else None,
        communities=attributes.communities,
        large_communities=attributes.large_communities,
    )


def kind(update: Update) -> int:
    """Withdrawals 0, announcements 1, End-of-RIB 2: the order in which they must come."""
    return 2 if update.end_of_rib else 1 if update.announced else 0


class Peer:
    """The far end of one session: what it knows, and the order in which it heard."""

    def __init__(self, *, four_octet: bool, limit: int) -> None:
        self.four_octet = four_octet
        self.limit = limit
        self.table: dict[Prefix, Path] = {}
        self.ended: list[Family] = []

    def hear(self, message: bytes) -> Update:
        assert len(message) <= self.limit
        (update,) = decoded([message], four_octet=self.four_octet)
        assert not update.faults
        assert codec.encode(update, four_octet=self.four_octet, limit=self.limit) == message
        assert not (update.announced and update.withdrawn)
        for prefix in update.withdrawn:
            del self.table[prefix]  # only what it knows is taken back
        for prefix in update.announced:
            assert update.path is not None
            self.table[prefix] = update.path
        if update.end_of_rib:
            self.ended.append(update.end_of_rib)
        return update


@st.composite
def route_sets(draw: st.DrawFn) -> dict[Family, dict[Prefix, Address]]:
    chosen = draw(st.lists(st.sampled_from(Family), unique=True))
    return {
        family: draw(st.dictionaries(st.sampled_from(POD_CIDRS[family]), st.sampled_from(HOPS[family])))
        for family in chosen
    }


ATTRIBUTES = st.builds(
    Attributes,
    med=st.sampled_from([0, 100]),
    communities=st.sampled_from([(), (65010 << 16 | 1,)]),
    large_communities=st.sampled_from([(), ((65010, 1, 2),)]),
)


class AdjRibOutModel(RuleBasedStateMachine):
    """Sets, partial sending, refreshes and lost sessions in any order."""

    @initialize()
    def begin(self) -> None:
        self.routes: Routes = {}
        self.attributes = PLAIN
        self.open(SPEAKER, list(BOTH), four_octet=True, end_of_rib=True, limit=MAX_SIZE)

    def open(self, spec: PeerSpec, families: list[Family], *, four_octet: bool, end_of_rib: bool, limit: int) -> None:
        self.spec, self.families, self.wants_end = spec, families, end_of_rib
        self.rib = AdjRibOut(spec, families, four_octet=four_octet, end_of_rib=end_of_rib, limit=limit)
        self.peer = Peer(four_octet=four_octet, limit=limit)
        self.again: set[Prefix] = set()
        """Prefixes that the peer knows and may yet be told again."""
        self.last_kind = 0
        self.rib.set(self.routes, self.attributes)

    @rule(
        spec=st.sampled_from([SPEAKER, INTERNAL, WIDE]),
        families=st.lists(st.sampled_from(Family), unique=True, min_size=1),
        four_octet=st.booleans(),
        end_of_rib=st.booleans(),
        limit=st.sampled_from([150, 200, MAX_SIZE, MAX_EXTENDED]),
    )
    def reconnect(self, spec: PeerSpec, families: list[Family], four_octet: bool, end_of_rib: bool, limit: int) -> None:
        self.open(spec, families, four_octet=four_octet, end_of_rib=end_of_rib, limit=limit)

    @rule(routes=route_sets(), attributes=ATTRIBUTES)
    def set(self, routes: dict[Family, dict[Prefix, Address]], attributes: Attributes) -> None:
        if attributes != self.attributes:
            self.again |= self.peer.table.keys()
        self.routes, self.attributes = routes, attributes
        self.rib.set(routes, attributes)
        self.last_kind = 0

    @rule()
    def set_the_same_again(self) -> None:
        self.rib.set({family: dict(routes) for family, routes in self.routes.items()}, self.attributes)
        self.last_kind = 0

    @rule(family=st.sampled_from(Family))
    def refresh(self, family: Family) -> None:
        self.rib.refresh(family)
        self.again |= {prefix for prefix in self.peer.table if prefix.family == family.version}
        self.last_kind = 0

    @rule(most=st.integers(1, 3))
    def send_some(self, most: int) -> None:
        for _ in range(most):
            if not self.send():
                return

    @rule()
    def send_all(self) -> None:
        while self.send():
            pass
        assert self.peer.table == self.wanted()
        assert self.peer.ended == (self.families if self.wants_end else [])

    def send(self) -> bool:
        message = self.rib.next_message()
        if message is None:
            return False
        before = dict(self.peer.table)
        update = self.peer.hear(message)
        assert kind(update) >= self.last_kind
        self.last_kind = kind(update)
        wanted = self.wanted()
        for prefix in update.announced:
            assert update.path == wanted[prefix]
            assert before.get(prefix) != update.path or prefix in self.again
            self.again.discard(prefix)
        assert not wanted.keys() & set(update.withdrawn)
        if update.end_of_rib:
            assert self.peer.table == wanted
            assert self.peer.ended.count(update.end_of_rib) == 1
        return True

    def wanted(self) -> dict[Prefix, Path]:
        return {
            prefix: expected_path(self.spec, family, hop, self.attributes)
            for family in self.families
            for prefix, hop in self.routes.get(family, {}).items()
        }

    @invariant()
    def the_size_is_what_the_peer_knows(self) -> None:
        assert self.rib.size == len(self.peer.table)


AdjRibOutModel.TestCase.settings = settings(max_examples=120, stateful_step_count=25)
test_the_peers_table_becomes_the_last_set = AdjRibOutModel.TestCase


def rib_of(routes: Routes, *, families: tuple[Family, ...] = BOTH, limit: int = MAX_SIZE) -> AdjRibOut:
    made = AdjRibOut(SPEAKER, families, limit=limit)
    made.set(routes, PLAIN)
    return made


def slash24s(count: int, hops: int) -> dict[Prefix, Address]:
    """As many /24s, their next hops in turn."""
    return {
        Prefix(4, (10 << 24) + (number << 8), 24): Address(4, (100 << 24) + number % hops + 1)
        for number in range(count)
    }


@pytest.mark.parametrize(("count", "hops"), [(1, 1), (1000, 1), (1004, 1), (5000, 3), (10000, 240), (300, 300)])
def test_prefixes_of_one_next_hop_travel_together(count: int, hops: int) -> None:
    messages = drain(rib_of({Family.IPV4: slash24s(count, hops)}, families=(Family.IPV4,)))[:-1]
    assert len(messages) <= hops + count / 1000
    assert sum(len(update.announced) for update in decoded(messages)) == count


def test_extended_messages_hold_more() -> None:
    routes = {Family.IPV4: slash24s(10000, 1)}
    assert len(drain(rib_of(routes, limit=MAX_EXTENDED))) == 1 + 2  # and both ends
    assert len(drain(rib_of(routes))) == 10 + 2


def test_the_ends_come_last_and_empty_families_have_one_too() -> None:
    updates = decoded(drain(rib_of({Family.IPV4: slash24s(3, 1)})))
    assert [update.end_of_rib for update in updates] == [None, Family.IPV4, Family.IPV6]


def test_a_peer_that_does_not_wait_for_the_end_is_not_told_of_it() -> None:
    rib = AdjRibOut(SPEAKER, BOTH, end_of_rib=False)
    rib.set({}, PLAIN)
    assert rib.next_message() is None


def test_a_changed_next_hop_is_one_update_without_a_withdrawal() -> None:
    """R15: what is announced anew replaces what was before."""
    prefix = POD_CIDRS[Family.IPV4][0]
    rib = rib_of({Family.IPV4: {prefix: HOPS[Family.IPV4][0]}})
    drain(rib)
    rib.set({Family.IPV4: {prefix: HOPS[Family.IPV4][1]}}, PLAIN)
    (update,) = decoded(drain(rib))
    assert (update.announced, update.withdrawn) == ((prefix,), ())


def test_withdrawals_of_both_families_come_before_announcements_of_any() -> None:
    def routes(first: int) -> Routes:
        return {family: {POD_CIDRS[family][first]: HOPS[family][0]} for family in Family}

    rib = rib_of(routes(0))
    drain(rib)
    rib.set(routes(1), PLAIN)
    assert [kind(update) for update in decoded(drain(rib))] == [0, 0, 1, 1]


def test_a_peer_that_reads_nothing_costs_no_memory_and_then_hears_the_newest_set_only() -> None:
    routes = slash24s(2000, 1)
    rib = rib_of({Family.IPV4: routes})
    first = rib.next_message()
    for hop in range(2, 500):
        rib.set({Family.IPV4: dict.fromkeys(routes, Address(4, (100 << 24) + hop))}, PLAIN)
    assert len(drain(rib)) == 2 + 2  # the 2,000 prefixes once more, and both ends
    assert first is not None


def test_a_refresh_tells_one_family_again_and_ends_nothing_twice() -> None:
    rib = rib_of({family: dict.fromkeys(POD_CIDRS[family], HOPS[family][0]) for family in Family})
    drain(rib)
    rib.refresh(Family.IPV6)
    (update,) = decoded(drain(rib))
    assert set(update.announced) == set(POD_CIDRS[Family.IPV6])


def test_families_that_were_not_agreed_on_are_passed_over() -> None:
    rib = rib_of({family: {POD_CIDRS[family][0]: HOPS[family][0]} for family in Family}, families=(Family.IPV6,))
    updates = decoded(drain(rib))
    assert [prefix.family for update in updates for prefix in update.announced] == [6]
    assert updates[-1].end_of_rib is Family.IPV6
    rib.refresh(Family.IPV4)
    assert rib.next_message() is None


@pytest.mark.parametrize("spec", [SPEAKER, INTERNAL])
def test_no_message_is_longer_than_the_peer_takes_whatever_its_attributes(spec: PeerSpec) -> None:
    routes = {family: dict.fromkeys(POD_CIDRS[family], HOPS[family][0]) for family in Family}
    attributes = Attributes(100, (1, 2, 3), ((1, 2, 3), (4, 5, 6)))
    for limit in range(160, 260):
        rib, peer = AdjRibOut(spec, BOTH, limit=limit), Peer(four_octet=True, limit=limit)
        for wanted in (routes, {}):
            rib.set(wanted, attributes)
            for message in drain(rib):
                peer.hear(message)
            assert len(peer.table) == sum(map(len, wanted.values()))


@st.composite
def any_routes(draw: st.DrawFn) -> dict[Family, dict[Prefix, Address]]:
    return {
        Family.IPV4: draw(st.dictionaries(prefixes(4), hosts4, max_size=40)),
        Family.IPV6: draw(st.dictionaries(prefixes(6), hosts6, max_size=40)),
    }


@given(any_routes(), any_routes(), st.sampled_from([150, MAX_SIZE]))
def test_any_prefixes_and_next_hops_arrive(
    before: dict[Family, dict[Prefix, Address]], after: dict[Family, dict[Prefix, Address]], limit: int
) -> None:
    rib, peer = rib_of(before, limit=limit), Peer(four_octet=True, limit=limit)
    for routes in (before, after):
        rib.set(routes, PLAIN)
        for message in drain(rib):
            peer.hear(message)
        assert peer.table == {
            prefix: expected_path(SPEAKER, family, hop, PLAIN)
            for family in Family
            for prefix, hop in routes[family].items()
        }
