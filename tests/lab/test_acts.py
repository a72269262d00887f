"""Whose packets an act may cost, and whose it may not."""

from __future__ import annotations

from terway_edge.lab.acts import Deed, judge
from terway_edge.lab.streams import Packet

DEEDS = [
    Deed("kill", 10.0, note="the switch kept 6 prefixes"),
    Deed("delete node-3", 20.0, victim="node-3", reason="node-3 is gone"),
    Deed("password", 30.0),
]
ENDS = {"one": ("node-1", "node-4"), "three": ("node-3", "node-4")}


def outcome(**lost_at: float) -> list[tuple[str, int, int, int]]:
    """Name, sent, lost and unexplained of each act; a packet a second, those at `lost_at` (by stream) are lost."""
    streams = {
        name: (ends, [Packet(float(at), at == lost_at.get(name)) for at in range(10, 40)])
        for name, ends in ENDS.items()
    }
    return [(act.name, act.sent, act.lost, act.unexplained) for act in judge(DEEDS, 40.0, streams)]


def test_each_packet_belongs_to_one_act() -> None:
    assert outcome() == [("kill", 20, 0, 0), ("delete node-3", 20, 0, 0), ("password", 20, 0, 0)]


def test_the_victims_packets_are_explained_while_it_is_one() -> None:
    assert outcome(three=25)[1] == ("delete node-3", 20, 1, 0)
    assert outcome(three=35)[2] == ("password", 20, 1, 1)


def test_nobody_elses_are() -> None:
    assert outcome(one=25)[1] == ("delete node-3", 20, 1, 1)
    assert outcome(one=19)[0] == ("kill", 20, 1, 1)


def test_the_reason_is_given_only_for_what_was_lost() -> None:
    lost = [Packet(25.0, True)]
    both = judge(DEEDS, 40.0, {"one": (ENDS["one"], lost), "three": (ENDS["three"], lost)})
    assert [act.why for act in both] == ["the switch kept 6 prefixes", "node-3 is gone; UNEXPLAINED on one", ""]
    assert judge(DEEDS, 40.0, {"three": (ENDS["three"], [Packet(25.0, False)])})[1].why == ""


def test_a_few_words_name_many_streams() -> None:
    lost = [Packet(35.0, True)]
    acts = judge(DEEDS, 40.0, {name: (ends, lost) for name, ends in ENDS.items()})
    assert acts[2].why == "UNEXPLAINED on one and 1 more"
