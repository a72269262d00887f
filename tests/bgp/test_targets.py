"""From BGPPeers to sessions: every field arrives, and what is missing is told and takes nothing away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.targets import router_id, targets
from terway_edge.backends.bgp.wish import Attributes
from terway_edge.core.addresses import Address
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import NodeView, Uplink
from terway_edge.core.secret import Secret
from tests.bgp.clusters import AUTH, REF, SWITCH, bare, node, peer, view, without_uplink

PASSWORD = Secret(b"s3cret")


def sees(*peers: BgpPeer, secrets: dict[object, Secret] | None = None, at: int = 0) -> NodeView:
    return view([node(1), node(2)], *peers, secrets=secrets, at=at)  # type: ignore[arg-type]


def test_every_field_of_the_session_arrives() -> None:
    wanted = peer(
        peerIP="192.0.2.1",
        authPassword=AUTH,
        holdTimeSeconds=30,
        keepaliveSeconds=5,
        connectRetrySeconds=7,
        gracefulRestart={"restartTimeSeconds": 120, "notification": False},
        ttlSecurity=2,
        communities=["65010:100", "no-export", "65010:1:2", "1:1"],
    )
    (target,) = targets(sees(wanted, secrets={REF: PASSWORD}), {}).targets
    spec = target.spec
    assert (spec.name, spec.address, spec.local_address) == ("lan-a", SWITCH, Address.parse("192.0.2.11"))
    assert (spec.local_asn, spec.peer_asn, spec.router_id) == (65100, 65001, Address.parse("192.0.2.11").value)
    assert (spec.port, spec.password) == (179, PASSWORD)
    assert (spec.hold_time, spec.keepalive, spec.connect_retry) == (30, 5, 7.0)
    assert (spec.restart_time, spec.notification) == (120, False)
    assert (spec.ttl_security, spec.multihop) == (2, 0)
    assert target.attributes == Attributes(
        communities=(1 << 16 | 1, 65010 << 16 | 100, 0xFFFFFF01), large_communities=((65010, 1, 2),)
    )
    assert {each.origin for each in target.announced.announcements} == {"n1", "n2"}


def test_multihop_arrives() -> None:
    (target,) = targets(sees(peer(ebgpMultihop=4)), {}).targets
    assert target.spec.multihop == 4


def test_the_defaults_are_those_of_the_resource() -> None:
    (target,) = targets(sees(peer()), {}).targets
    spec = target.spec
    assert (spec.hold_time, spec.keepalive, spec.connect_retry, spec.restart_time) == (90, None, 30.0, 600)
    assert (spec.notification, spec.ttl_security, spec.multihop, spec.password) == (True, 0, 0, None)
    assert target.attributes == Attributes()


def test_only_speakers_have_sessions() -> None:
    assert targets(sees(peer(localSpeakers=["n2"])), {}) == targets(sees(), {})
    (target,) = targets(sees(peer(localSpeakers=["n2"]), at=1), {}).targets
    assert target.spec.local_address == Address.parse("192.0.2.12")


def test_a_peer_over_ipv6() -> None:
    (target,) = targets(sees(peer(peerIP="2001:db8::1")), {}).targets
    assert target.spec.local_address == Address.parse("2001:db8::b")
    assert target.spec.router_id == Address.parse("192.0.2.11").value


def test_of_two_objects_with_one_claim_the_first_has_it() -> None:
    (target,) = targets(sees(peer("b"), peer("a")), {}).targets
    assert target.spec.name == "a"


@pytest.mark.parametrize("family", [4, 6])
def test_router_ids_are_numbers_that_no_other_speaker_has(family: int) -> None:
    found = set()
    for number in range(1, 200):
        made = node(number)
        addresses = tuple(address for address in made.addresses if address.family == family)
        found.add(router_id(view([made._replace(addresses=addresses)])))
    assert len(found) == 199
    assert all(0 < each < 1 << 32 for each in found)


# --- what is missing --------------------------------------------------------------------------------------------------


def test_without_its_secret_there_is_no_session_and_no_empty_password() -> None:
    found = targets(sees(peer(authPassword=AUTH)), {})
    assert (found.targets, found.unclear) == ((), {SWITCH})
    (condition,) = found.conditions
    assert (condition.reason, condition.subject) == ("SecretMissing", "BGPPeer/lan-a")
    assert "key password of Secret kube-system/bgp" in condition.message
    assert condition.message.endswith("no session until then")


def test_a_secret_that_disappears_leaves_its_password_in_force() -> None:
    last: dict[str, Secret] = {}
    targets(sees(peer(authPassword=AUTH), secrets={REF: PASSWORD}), last)
    found = targets(sees(peer(authPassword=AUTH)), last)
    assert (found.targets[0].spec.password, found.unclear) == (PASSWORD, frozenset())
    assert found.conditions[0].message.endswith("the password known so far stays in use")


def test_a_password_that_is_wanted_no_more_is_forgotten() -> None:
    last = {"lan-a": PASSWORD}
    (target,) = targets(sees(peer()), last).targets
    assert (target.spec.password, last) == (None, {})


def test_a_new_password_takes_the_place_of_the_old() -> None:
    last = {"lan-a": PASSWORD}
    (target,) = targets(sees(peer(authPassword=AUTH), secrets={REF: Secret(b"new")}), last).targets
    assert (target.spec.password, last) == (Secret(b"new"), {"lan-a": Secret(b"new")})


def test_without_an_address_there_is_no_session() -> None:
    found = targets(view([bare(node(1)), node(2)], peer()), {})
    assert (found.targets, found.unclear) == ((), {SWITCH})
    (condition,) = found.conditions
    assert (condition.reason, "no IPv4 InternalIP" in condition.message) == ("NoInternalIP", True)


def test_what_is_unclear_for_others_is_not_ours_to_tell() -> None:
    found = targets(sees(peer(authPassword=AUTH, localSpeakers=["n2"])), {})
    assert (found.targets, found.conditions, found.unclear) == ((), (), frozenset())


FAR = replace(sees(), uplink=Uplink(2, "eth0", 1500, ((Address.parse("203.0.113.7"), 24),)))


def test_a_peer_on_no_link_is_told_unless_the_session_reaches_it() -> None:
    for fields, expected in [({}, 1), ({"ebgpMultihop": 2}, 0), ({"peerAsNumber": 65100}, 0)]:
        found = targets(replace(FAR, peers=(peer(**fields),)), {})
        assert len(found.targets) == 1
        assert [each.reason for each in found.conditions] == ["PeerOffLink"] * expected
    assert targets(without_uplink(sees(peer())), {}).conditions == ()
