"""The grammar of label selectors, against an evaluator that shares no code with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.core.selectors import Selector, SelectorError

KEYS = ["a", "zone", "in", "notin", "all", "example.com/tier", "x_Y.z-1"]
VALUES = ["", "v", "in", "notin", "5", "-7", "007", "edge-1", "9223372036854775807", "9223372036854775808"]
SPELLABLE = [value for value in VALUES if not value.startswith("-")]  # a label value starts with a letter or digit
NUMBERS = ["0", "5", "007", "9223372036854775807"]

labels_strategy = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
blank = st.sampled_from(["", " ", "\t ", "\r\n"])


@st.composite
def spelled_requirement(draw: st.DrawFn) -> tuple[str, tuple[str, str, list[str]]]:
    """(one of its spellings, (key, operator, values))."""
    key, gap = draw(st.sampled_from(KEYS)), draw(blank)
    operator = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "", "!", "<", ">"]))
    if operator == "":
        return f"{gap}{key}{gap}", (key, operator, [])
    if operator == "!":
        return f"{gap}!{gap}{key}", (key, operator, [])
    if operator in ("in", "notin"):
        values = draw(st.lists(st.sampled_from(SPELLABLE), max_size=4))
        return f"{key} {operator}{gap}({gap}{(gap + ',' + gap).join(values)}{gap})", (key, operator, values or [""])
    value = draw(st.sampled_from(NUMBERS if operator in "<>" else SPELLABLE))
    return f"{key}{gap}{operator}{gap}{value}{gap}", (key, operator, [value])


def naive(key: str, operator: str, values: list[str], labels: dict[str, str]) -> bool:
    present, value = key in labels, labels.get(key, "")
    if operator in ("<", ">"):
        try:
            number = int(value)
        except ValueError:
            return False
        if not present or not -(2**63) <= number <= 2**63 - 1:
            return False
        return number < int(values[0]) if operator == "<" else number > int(values[0])
    return {
        "": present,
        "!": not present,
        "in": present and value in values,
        "=": present and value in values,
        "==": present and value in values,
        "notin": value not in values or not present,
        "!=": value not in values or not present,
    }[operator]


@settings(deadline=None)
@given(st.lists(spelled_requirement(), max_size=4), labels_strategy)
def test_matches_what_each_requirement_says(
    spelled: list[tuple[str, tuple[str, str, list[str]]]], labels: dict[str, str]
) -> None:
    selector = Selector.parse(",".join(text for text, _ in spelled))
    assert selector.matches(labels) is all(naive(*meaning, labels) for _, meaning in spelled)


@settings(deadline=None)
@given(st.lists(spelled_requirement(), max_size=4), st.randoms())
def test_canonical_text_parses_to_an_equal_selector_in_any_order(
    spelled: list[tuple[str, tuple[str, str, list[str]]]], random: object
) -> None:
    texts = [text for text, _ in spelled]
    selector = Selector.parse(",".join(texts))
    assert Selector.parse(str(selector)) == selector
    random.shuffle(texts)  # type: ignore[attr-defined]
    again = Selector.parse(",".join(texts + texts[:1]))
    assert (again, hash(again), str(again)) == (selector, hash(selector), str(selector))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=30), st.text(alphabet="ab.-_/=!<>(), in\n'", max_size=30)))
def test_any_text_parses_or_is_refused_with_a_column(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except SelectorError as error:
        refused = error
    else:
        assert Selector.parse(str(selector)) == selector
        return
    assert 1 <= refused.column <= len(text) + 1
    assert "\n" not in str(refused)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "all()"),
        (" \t\n", "all()"),
        ("all()", "all()"),
        (" all( ) ", "all()"),
        ("all", "all"),
        ("b==2 , a = 1", "a=1,b=2"),
        ("a in (x)", "a=x"),
        ("a notin (x,x)", "a!=x"),
        ("a in (y,,x)", "a in (,x,y)"),
        ("a in ()", "a="),
        ("a in (in, notin)", "a in (in,notin)"),
        ("in in (in)", "in=in"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("!a", "!a"),
        ("n<010", "n<10"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(Selector.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1,", "expected a label key at column 5 of 'a=1,'"),
        (",a", "expected a label key at column 1 of ',a'"),
        ("a b", "expected one of = == != < > in notin, ',' or the end at column 3 of 'a b'"),
        ("a in (x", "expected ',' or ')' at column 8 of 'a in (x'"),
        ("a in x", "expected '(' at column 6 of 'a in x'"),
        ("!a=1", "expected ',' or the end at column 3 of '!a=1'"),
        ("a = 'x'", "expected a label value at column 5 of \"a = 'x'\""),
        ("a==1 && b==2", "expected ',' or the end at column 6 of 'a==1 && b==2'"),
        ("has(k)", "expected one of = == != < > in notin, ',' or the end at column 4 of 'has(k)'"),
        ("a<x", "expected a whole number of at most 64 bits at column 3 of 'a<x'"),
        ("a<", "expected a whole number of at most 64 bits at column 3 of 'a<'"),
        ("a>9223372036854775808", "expected a whole number of at most 64 bits at column 3 of 'a>9223372036854775808'"),
        ("Upper.Case/k", "expected a label key at column 1 of 'Upper.Case/k'"),
        ("/k", "expected a label key at column 1 of '/k'"),
        ("-k", "expected a label key at column 1 of '-k'"),
    ],
)
def test_errors_name_what_was_expected_and_where(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        Selector.parse(text)
    assert str(caught.value) == message


def test_lengths_are_those_of_kubernetes() -> None:
    name, prefix = "n" * 63, ".".join(["p" * 62] * 4) + "."
    assert Selector.parse(f"{prefix}x/{name}={name}").matches({f"{prefix}x/{name}": name})
    for text in (f"{name}n", f"k={name}n", f"{prefix}xx/k"):
        with pytest.raises(SelectorError):
            Selector.parse(text)


def test_an_error_repeats_only_the_start_of_a_long_text() -> None:
    with pytest.raises(SelectorError) as caught:
        Selector.parse("(" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "matching"),
    [("a<5", ["4", "-7"]), ("a>5", ["6", "7"]), ("a<007", ["4", "5", "6", "-7"])],
)
def test_numbers_are_compared_as_numbers_and_equal_ones_are_neither(text: str, matching: list[str]) -> None:
    selector = Selector.parse(text)
    found = [value for value in ("4", "5", "6", "7", "-7", "x", "") if selector.matches({"a": value})]
    assert found == matching
    assert not selector.matches({})
