"""What our OPEN says, and what two OPENs agree on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import ProtocolError
from terway_edge.backends.bgp.messages import AS_TRANS, Capabilities, Family, GracefulRestart, Open
from terway_edge.backends.bgp.negotiation import Offer, negotiate, our_open
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from tests.bgp.sessions import BOTH, FIRST_LIFE, SPEAKER, THEIRS, switch_of

FOREIGN_FAMILY = (1, b"\x00\x01\x00\x80")
"""A multiprotocol capability of VPN routes."""
OURS = our_open(SPEAKER, FIRST_LIFE, Offer.ALL)

specs = st.builds(
    replace,
    st.just(SPEAKER),
    local_asn=st.sampled_from([1, 65000, 65535, 65536, 4200000001]),
    hold_time=st.sampled_from([0, 3, 90, 65535]),
    restart_time=st.sampled_from([0, 1, 600, 4095]),
    notification=st.booleans(),
    families=st.sampled_from([BOTH, (Family.IPV4,), (Family.IPV6,)]),
)
rebirths = st.builds(Rebirth, st.booleans(), st.booleans(), st.booleans())


def saying(**capabilities: object) -> Open:
    return replace(THEIRS, capabilities=replace(THEIRS.capabilities, **capabilities))


@given(specs, rebirths, st.sampled_from(Offer))
def test_whatever_we_are_set_to_say_can_be_said(spec: PeerSpec, rebirth: Rebirth, offer: Offer) -> None:
    message = our_open(spec, rebirth, offer)
    assert codec.decode(codec.encode(message)) == message


@given(specs, specs, rebirths, st.sampled_from(Offer), st.sampled_from(Offer))
def test_two_sides_that_agree_agree_on_the_same(
    left: PeerSpec, right: PeerSpec, rebirth: Rebirth, left_offer: Offer, right_offer: Offer
) -> None:
    left = replace(left, peer_asn=right.local_asn)
    right = replace(right, peer_asn=left.local_asn, router_id=0xC0000201)
    opens = our_open(left, rebirth, left_offer), our_open(right, rebirth, right_offer)
    try:
        here = negotiate(left, *opens)
    except ProtocolError as error:
        if error.subcode == 7:
            with pytest.raises(ProtocolError):
                negotiate(right, opens[1], opens[0])
        return
    try:
        there = negotiate(right, opens[1], opens[0])
    except ProtocolError:
        return
    assert set(here.families) == set(there.families)
    for fact in ("hold_time", "keepalive", "four_octet", "extended", "notification", "route_refresh"):
        assert getattr(here, fact) == getattr(there, fact), fact
    assert (here.graceful_restart is None) == (there.graceful_restart is None)


@pytest.mark.parametrize(
    ("spec", "rebirth", "offer"),
    [
        (replace(SPEAKER, restart_time=0), FIRST_LIFE, Offer.ALL),
        (SPEAKER, Rebirth(is_farewell=True), Offer.ALL),
        (SPEAKER, FIRST_LIFE, Offer.NEEDED),
    ],
)
def test_graceful_restart_is_not_always_offered(spec: PeerSpec, rebirth: Rebirth, offer: Offer) -> None:
    ours = our_open(spec, rebirth, offer)
    assert ours.capabilities.graceful_restart is None
    assert ours.capabilities.families == BOTH
    restart = GracefulRestart(120, BOTH, notification=True)
    agreed = negotiate(spec, ours, saying(graceful_restart=restart))
    assert (agreed.graceful_restart, agreed.notification) == (None, False)


@pytest.mark.parametrize(
    ("rebirth", "expected"),
    [
        (FIRST_LIFE, GracefulRestart(600, BOTH, forwarding=BOTH, notification=True)),
        (Rebirth(restarting=True), GracefulRestart(600, BOTH, forwarding=BOTH, restarting=True, notification=True)),
        (Rebirth(True, forwarding=False), GracefulRestart(600, BOTH, restarting=True, notification=True)),
    ],
)
def test_our_open_tells_of_our_earlier_life(rebirth: Rebirth, expected: GracefulRestart) -> None:
    assert our_open(SPEAKER, rebirth, Offer.ALL).capabilities.graceful_restart == expected


def test_fewer_capabilities_are_the_needed_ones_then_none_then_all_again() -> None:
    assert our_open(SPEAKER, FIRST_LIFE, Offer.NEEDED).capabilities == Capabilities(BOTH, 65100)
    assert our_open(SPEAKER, FIRST_LIFE, Offer.NONE).capabilities == Capabilities()
    assert (Offer.ALL.fewer, Offer.NEEDED.fewer, Offer.NONE.fewer) == (Offer.NEEDED, Offer.NONE, Offer.ALL)


@pytest.mark.parametrize(("ours", "field"), [(65535, 65535), (65536, AS_TRANS), (4294967294, AS_TRANS)])
def test_as_trans_stands_for_what_does_not_fit(ours: int, field: int) -> None:
    message = our_open(replace(SPEAKER, local_asn=ours), FIRST_LIFE, Offer.ALL)
    assert (message.asn, message.capabilities.four_octet_asn) == (field, ours)


@pytest.mark.parametrize(
    ("families", "others", "expected"),
    [
        (BOTH, (), BOTH),
        ((Family.IPV6,), (), (Family.IPV6,)),
        ((Family.IPV4,), (FOREIGN_FAMILY,), (Family.IPV4,)),
        ((), (), (Family.IPV4,)),
        ((), ((71, b""),), (Family.IPV4,)),
    ],
)
def test_families_are_those_of_both(
    families: tuple[Family, ...], others: tuple[tuple[int, bytes], ...], expected: tuple[Family, ...]
) -> None:
    assert negotiate(SPEAKER, OURS, saying(families=families, others=others)).families == expected


@pytest.mark.parametrize("families", [BOTH, (Family.IPV4,)])
def test_a_peer_without_capabilities_still_speaks_ipv4(families: tuple[Family, ...]) -> None:
    agreed = negotiate(replace(SPEAKER, families=families), OURS, replace(THEIRS, capabilities=Capabilities()))
    assert agreed.families == (Family.IPV4,)
    assert [agreed.four_octet, agreed.extended, agreed.route_refresh, agreed.notification] == [False] * 4
    assert agreed.limit == 4096


def test_no_family_in_common_is_refused_with_those_we_want() -> None:
    spec = replace(SPEAKER, families=(Family.IPV6,))
    for theirs in (saying(families=(Family.IPV4,)), saying(families=(), others=(FOREIGN_FAMILY,)), saying(families=())):
        with pytest.raises(ProtocolError, match="does not speak IPV6 unicast") as caught:
            negotiate(spec, our_open(spec, FIRST_LIFE, Offer.ALL), theirs)
        assert (caught.value.code, caught.value.subcode) == (2, 7)
        assert caught.value.data == bytes.fromhex("01 04 0002 00 01")


@pytest.mark.parametrize(
    ("expected", "field", "wide", "ok"),
    [
        (65001, 65001, 65001, True),
        (65001, 65001, None, True),
        (65001, AS_TRANS, 65001, True),
        (4200000001, AS_TRANS, 4200000001, True),
        (65001, 65002, None, False),
        (65001, 65001, 65002, False),
        (65001, 65002, 65001, False),
        (4200000001, AS_TRANS, None, False),
        (4200000001, 65001, 4200000001, False),
    ],
)
def test_the_peers_as_must_be_the_one_expected(expected: int, field: int, wide: int | None, ok: bool) -> None:
    spec = replace(SPEAKER, peer_asn=expected)
    theirs = replace(THEIRS, asn=field, capabilities=replace(THEIRS.capabilities, four_octet_asn=wide))
    if ok:
        assert negotiate(spec, OURS, theirs).four_octet == (wide is not None)
    else:
        with pytest.raises(ProtocolError) as caught:
            negotiate(spec, OURS, theirs)
        assert (caught.value.code, caught.value.subcode) == (2, 2)


def test_a_wrong_as_is_told_with_both_numbers() -> None:
    with pytest.raises(
        ProtocolError, match="in AS 64999, not in peerAsNumber 65001; correct the BGPPeer or the switch"
    ):
        negotiate(SPEAKER, OURS, replace(THEIRS, asn=64999, capabilities=Capabilities(BOTH, 64999)))


def test_a_router_id_is_unique_within_an_as() -> None:
    """RFC 6286, section 2.2: only there."""
    twin = replace(THEIRS, router_id=SPEAKER.router_id)
    assert negotiate(SPEAKER, OURS, twin).peer is twin
    internal = replace(SPEAKER, peer_asn=SPEAKER.local_asn)
    ours = our_open(internal, FIRST_LIFE, Offer.ALL)
    with pytest.raises(ProtocolError, match=r"router id 192\.0\.2\.10") as caught:
        negotiate(internal, ours, ours)
    assert (caught.value.code, caught.value.subcode) == (2, 3)
    negotiate(internal, ours, replace(ours, router_id=1))


@pytest.mark.parametrize(("ours", "theirs", "agreed"), [(True, True, True), (True, False, False), (False, True, False)])
def test_notifications_keep_routes_if_both_say_n(ours: bool, theirs: bool, agreed: bool) -> None:
    spec = replace(SPEAKER, notification=ours)
    other = our_open(replace(switch_of(spec), notification=theirs), FIRST_LIFE, Offer.ALL)
    assert negotiate(spec, our_open(spec, FIRST_LIFE, Offer.ALL), other).notification is agreed


@pytest.mark.parametrize(("extended", "limit"), [(True, 65535), (False, 4096)])
def test_long_messages_want_both(extended: bool, limit: int) -> None:
    agreed = negotiate(SPEAKER, OURS, saying(extended_message=extended))
    assert (agreed.extended, agreed.limit) == (extended, limit)
