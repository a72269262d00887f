"""What is told of conditions that stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.edges import Edges
from terway_edge.core.models import Condition
from terway_edge.core.ports import Event, Severity

A, B = Condition("Wrong", "BGPPeer/a", "first"), Condition("Wrong", "BGPPeer/b", "m")


def everything(condition: Condition) -> bool:
    return True


def nothing(condition: Condition) -> bool:
    return False


def reasons(edges: Edges, *standing: Condition, tells=everything) -> list[str]:
    return [f"{event.reason} {event.subject[-1]} {event.severity}" for event in edges.events(standing, tells)]


def test_what_comes_is_a_warning_what_goes_a_note_and_what_stays_is_silent() -> None:
    edges = Edges()
    assert reasons(edges, A, B) == ["Wrong a Warning", "Wrong b Warning"]
    assert reasons(edges, A, B) == []
    assert reasons(edges, A._replace(message="second"), B) == ["Wrong a Warning"], "it goes on, otherwise"
    assert reasons(edges, B) == ["WrongResolved a Normal"]


def test_what_others_tell_of_comes_and_goes_without_a_word() -> None:
    edges = Edges()
    assert reasons(edges, A, tells=nothing) == []
    assert reasons(edges, tells=nothing) == []


def test_what_stands_is_told_once_it_is_ours_to_tell() -> None:
    edges = Edges()
    reasons(edges, A, tells=nothing)
    assert reasons(edges, A) == ["Wrong a Warning"]
    assert reasons(edges, A, tells=nothing) == []
    assert reasons(edges, tells=nothing) == ["WrongResolved a Normal"], "who told of it says that it is over"


@given(st.lists(st.tuples(st.sets(st.sampled_from([A, B])), st.booleans()), max_size=12))
def test_each_end_has_its_beginning(turns) -> None:
    edges, open_ = Edges(), set()
    for standing, ours in turns:
        for event in edges.events(sorted(standing), lambda _, ours=ours: ours):
            if event.reason == "Wrong":
                assert event.subject not in open_
                open_.add(event.subject)
            else:
                open_.remove(event.subject)
        assert open_ <= {each.subject for each in standing}
        assert not ours or open_ == {each.subject for each in standing}


def test_events_carry_the_conditions_words_and_only_ours_are_asked_about() -> None:
    edges, asked = Edges(), []

    def ours(condition: Condition) -> bool:
        asked.append(condition)
        return condition == A

    assert edges.events([A, B], ours) == [Event("Wrong", "BGPPeer/a", "first", Severity.WARNING)]
    assert asked == [A, B]
    assert edges.events([], ours) == [Event("WrongResolved", "BGPPeer/a", "this is over")]
