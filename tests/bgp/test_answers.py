"""What `terway-edge bgp` is answered: sessions, routes, the fate of a prefix, the switch's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from terway_edge.backends.bgp.answers import VENDORS, Picture, answer, switch_side
from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.planner import Plan
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Refused
from terway_edge.core.models import NodeView
from tests.bgp.clusters import AUTH, SWITCH, bare, node, peer, view
from tests.bgp.pictures import DOWN, NEGOTIATED, NOW, PEER, UP, VIEW, down, established, picture, planned

# --- peers, routes ----------------------------------------------------------------------------------------------------


def test_a_peer_is_one_row() -> None:
    assert answer(UP, ["peers"]) == {
        "peers": [
            {
                "peer": "lan-a",
                "speaker": "n1",
                "local_address": "192.0.2.11",
                "address": "192.0.2.1",
                "local_asn": 65100,
                "peer_asn": 65001,
                "state": "Established",
                "since_seconds": 61.2,
                "announced": 6,
                "in_sync": True,
                "received": 3,
                "flaps": 2,
                "hold_time": 90,
                "families": ["IPv4", "IPv6"],
                "graceful_restart": True,
                "peer_restart_seconds": 120,
                "survives_notification": True,
                "last_error": "",
            }
        ]
    }


def test_a_peer_that_is_down_says_why() -> None:
    (row,) = answer(DOWN, ["peers"])["peers"]
    assert row["last_error"] == "ConnectRefused: 192.0.2.1 refuses connections to port 179"
    assert (row["hold_time"], row["families"], row["graceful_restart"], row["peer_restart_seconds"]) == (
        *(None, []),
        *(False, None),
    )
    assert row["survives_notification"] is False


def test_every_prefix_is_one_row_and_shows_its_session() -> None:
    rows = answer(DOWN, ["routes"])["routes"]
    assert len(rows) == 6
    assert rows[0] == {
        "prefix": "10.1.1.0/24",
        "next_hop": "192.0.2.11",
        "origin": "n1",
        "peer": "lan-a",
        "address": "192.0.2.1",
        "state": "Active",
    }
    assert {row["state"] for row in answer(picture(), ["routes"])["routes"]} == {"Idle"}


@pytest.mark.parametrize("words", [["what"], [], ["explain"], ["peers", "all"], ["switch-config", "lan-a"]])
def test_a_question_that_is_none_is_refused_with_those_that_are(words: Sequence[str]) -> None:
    with pytest.raises(Refused, match="questions are: peers; routes; explain PREFIX; switch-config PEER VENDOR"):
        answer(UP, words)


def test_without_a_view_nothing_can_be_explained() -> None:
    for words in (["explain", "10.1.2.0/24"], ["switch-config", "lan-a", "frr"]):
        with pytest.raises(Refused, match="has not yet seen"):
            answer(Picture("n1", NOW), words)
    assert answer(Picture("n1", NOW), ["peers"]) == {"peers": []}


# --- explain ----------------------------------------------------------------------------------------------------------


def explained(prefix: str, shown: Picture) -> dict[str, Any]:
    (row,) = answer(shown, ["explain", prefix])["rows"]
    return dict(row)


@pytest.mark.parametrize("asked", ["10.1.2.0/24", "10.1.2.128/25", "10.1.2.7"])
def test_an_announced_prefix_is_explained_by_whatever_lies_in_it(asked: str) -> None:
    assert explained(asked, UP) == {
        "prefix": "10.1.2.0/24",
        "origin": "n2",
        "peer": "lan-a",
        "address": "192.0.2.1",
        "speakers": ["n1"],
        "next_hop": "192.0.2.12",
        "is_announced": True,
        "why": "",
    }


def test_ipv6_is_explained_as_well() -> None:
    row = explained("fd00:1:0:2::7", UP)
    assert (row["prefix"], row["next_hop"], row["is_announced"]) == ("fd00:1:0:2::/64", "2001:db8::c", True)


def seen_as(*peers: Any, **others: Any) -> NodeView:
    return view([node(1), node(2, labels={"lan": "b"}), node(3)], *peers, **others)


def without_ipv6() -> Picture:
    return picture(established(negotiated=replace(NEGOTIATED, families=(Family.IPV4,))))


ELSEWHERE = seen_as(peer(localSpeakers=["n2", "n3"]))
LAN_A = seen_as(peer(nodeSelector="lan=a"))
TWICE = view([node(1), node(3, "10.1.2.0/24"), node(2, "10.1.2.0/24")], PEER)
SECRET = seen_as(peer(authPassword=AUTH))
HOMELESS = view([bare(node(1)), node(2)], PEER)
BEFORE_SYNC = picture(plan=planned(VIEW, in_sync=False))
REASONS: dict[str, tuple[str, Picture, bool | None, str]] = {
    "not picked": ("10.1.2.0/24", picture(seen=LAN_A), False, "spec.nodeSelector lan=a does not pick node n2"),
    "refused": ("192.0.2.130", picture(seen=view([node(1), node(2, "192.0.2.128/25")], PEER)), False, "overlaps"),
    "no next hop": ("10.1.2.0/24", picture(seen=view([node(1), bare(node(2))], PEER)), False, "no IPv4 InternalIP"),
    "not a speaker": ("10.1.2.0/24", picture(seen=ELSEWHERE), None, "ask a speaker: n2, n3"),
    "not read yet": ("10.1.2.0/24", BEFORE_SYNC, False, "not connecting to 192.0.2.1"),
    "no secret": ("10.1.2.0/24", picture(seen=SECRET), False, "key password of Secret kube-system/bgp"),
    "no address": ("10.1.2.0/24", picture(seen=HOMELESS), False, "node n1 has no IPv4 InternalIP"),
    "no session": ("10.1.2.0/24", DOWN, False, "session Active: 192.0.2.1 refuses connections"),
    "being made": ("10.1.2.0/24", picture(down(failure=None)), False, "session Active: the session is being made"),
    "no family": ("fd00:1:0:2::/64", without_ipv6(), False, "the peer did not agree on IPv6: activate it there"),
    "not told yet": ("10.1.2.0/24", picture(established(is_settled=False)), False, "is being told just now"),
    "not spoken to": ("10.1.2.0/24", picture(plan=Plan((), (), {})), False, "this node does not speak to the peer"),
}


@pytest.mark.parametrize("case", REASONS)
def test_each_reason_is_given(case: str) -> None:
    asked, shown, is_announced, why = REASONS[case]
    row = explained(asked, shown)
    assert row["is_announced"] is is_announced
    assert why in row["why"]


def test_a_reason_of_one_peer_is_not_given_for_another() -> None:
    both = seen_as(peer("a", authPassword=AUTH), peer("b", peerIP="192.0.2.2"))
    rows = {row["peer"]: row["why"] for row in answer(picture(seen=both), ["explain", "10.1.2.0/24"])["rows"]}
    assert "Secret" in rows["a"]
    assert rows["b"] == "this node does not speak to the peer"


def test_a_prefix_that_two_nodes_claim_is_explained_for_both() -> None:
    rows = answer(picture(established(TWICE), seen=TWICE), ["explain", "10.1.2.0/24"])["rows"]
    assert [(row["origin"], row["is_announced"]) for row in rows] == [("n3", False), ("n2", True)]
    assert rows[0]["why"] == "node n2 claims the same pod CIDR, and comes first by name"


def test_what_is_no_pod_cidr_is_explained_in_a_sentence() -> None:
    for asked in ("10.9.0.0/16", "10.1.0.0/16", "192.0.2.1"):
        found = answer(UP, ["explain", asked])
        assert found["rows"] == []
        assert "no node's pod CIDR holds" in found["why_not"]


def test_what_stays_announced_though_its_node_is_missing_is_said() -> None:
    """Held back, or remembered: the switch still has it."""
    less = view([node(1), node(2)], PEER)
    found = answer(picture(established(), seen=less, plan=planned(VIEW)), ["explain", "10.1.3.0/24"])
    assert found["rows"] == []
    assert "10.1.3.0/24 of node n3 stays announced to 192.0.2.1" in found["why_not"]


def test_without_a_peer_nothing_is_announced() -> None:
    assert answer(picture(seen=seen_as()), ["explain", "10.1.2.0/24"])["why_not"] == "there is no BGPPeer: create one"


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "x", "10.0.0.0/33", "::g"])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"write a prefix such as 10\.64\.1\.0/24"):
        answer(UP, ["explain", text])


# --- the switch's side ------------------------------------------------------------------------------------------------


def test_the_switch_is_told_of_every_speaker_and_prefix() -> None:
    wanted = peer(
        localSpeakers=["n3", "n1", "gone"],
        authPassword=AUTH,
        gracefulRestart={"restartTimeSeconds": 77},
        holdTimeSeconds=30,
        ttlSecurity=1,
    )
    side = switch_side(wanted, seen_as(wanted), ())
    assert (side.name, side.switch_asn, side.switch_address, side.speaker_asn) == ("lan-a", 65001, SWITCH, 65100)
    assert side.speakers == (("n3", Address.parse("192.0.2.13")), ("n1", Address.parse("192.0.2.11")))
    assert side.prefixes == tuple(
        sorted(
            Prefix.parse(text) for number in (1, 2, 3) for text in (f"10.1.{number}.0/24", f"fd00:1:0:{number}::/64")
        )
    )
    assert (side.secret, side.restart_time, side.hold_time) == ("bgp/password", 77, 30)
    assert (side.ttl_security, side.multihop, side.longest) == (1, 0, (0, 0))


def test_with_edge_cidrs_nodes_to_come_need_no_change_at_the_switch() -> None:
    around = (Prefix.parse("10.1.0.0/16"), Prefix.parse("10.200.0.0/16"))
    side = switch_side(PEER, VIEW, around)
    assert side.prefixes[0] == around[0]
    assert around[1] not in side.prefixes
    assert side.longest == (24, 64)
    assert side.hold_time is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_words(vendor: str) -> None:
    text = answer(UP, ["switch-config", "lan-a", vendor])["text"]
    assert "192.0.2.11" in text


def test_exact_prefixes_come_with_a_note_and_edge_cidrs_without() -> None:
    assert "10.1.1.0/24" in answer(UP, ["switch-config", "lan-a", "frr"])["note"]
    wide = replace(UP, edge_cidrs=(Prefix.parse("10.0.0.0/8"), Prefix.parse("fd00::/16")))
    assert answer(wide, ["switch-config", "lan-a", "frr"])["note"] == ""


def test_a_peer_or_vendor_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match="there is no BGPPeer 'lan-z'; there are: lan-a"):
        answer(UP, ["switch-config", "lan-z", "frr"])
    with pytest.raises(Refused, match="there are those of frr, bird, cisco, huawei"):
        answer(UP, ["switch-config", "lan-a", "acme"])
    with pytest.raises(Refused, match="there are: none"):
        answer(picture(seen=seen_as()), ["switch-config", "lan-a", "frr"])
