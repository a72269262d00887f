"""Selectors of a BGPPeer: which language a text is in, what it matches, and where both languages must agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.node_selector import MAX_LENGTH, parse_node_selector
from terway_edge.core.selectors import Selector, SelectorError

LABELS = ["a", "in", "not", "has", "all", "x.y/z-1", "contains"]
TEXTS = ["", "v", "vw", "wv", "it's", 'say "v"', "a && b", "in"]
labels_strategy = st.dictionaries(st.sampled_from(LABELS), st.sampled_from(TEXTS), max_size=4)


def quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, object]:
    label, gap = draw(st.sampled_from(LABELS)), draw(st.sampled_from(["", " ", "\t "]))
    word = draw(st.sampled_from(["==", "!=", "contains", "starts with", "endswith", "in", "not in", "notin", "has"]))
    if word == "has":
        return f"has({gap}{label}{gap})", lambda labels: label in labels
    if word.endswith("in"):
        texts = draw(st.lists(st.sampled_from(TEXTS), max_size=3))
        comma = draw(st.sampled_from(["", ","])) if texts else ""
        spelt = f"{label} {word}{gap}{{{gap}{(gap + ',').join(map(quoted, texts))}{gap}{comma}}}"
        if word == "in":
            return spelt, lambda labels: label in labels and labels[label] in texts
        return spelt, lambda labels: label not in labels or labels[label] not in texts
    text = draw(st.sampled_from(TEXTS))
    test = {
        "==": lambda value: value == text,
        "!=": lambda value: value != text,
        "contains": lambda value: text in value,
        "starts with": lambda value: value.startswith(text),
        "endswith": lambda value: value.endswith(text),
    }[word]
    spelt = f"{label} {word}{gap}{quoted(text)}"
    return spelt, lambda labels: test(labels[label]) if label in labels else word == "!="


def combined(inner: st.SearchStrategy[tuple[str, object]]) -> st.SearchStrategy[tuple[str, object]]:
    def negate(bangs: str, one: tuple) -> tuple[str, object]:
        odd = len(bangs.strip()) % 2
        return f"{bangs}({one[0]})", lambda labels: bool(one[1](labels)) != bool(odd)

    def join(word: str, ones: list[tuple]) -> tuple[str, object]:
        decide = all if word == "&&" else any
        spelt = f" {word} ".join(f"({spelling})" for spelling, _ in ones)
        return spelt, lambda labels: decide(test(labels) for _, test in ones)

    return st.one_of(
        st.builds(negate, st.sampled_from(["", "!", "!!", "!!!"]), inner),
        st.builds(join, st.sampled_from(["&&", "||"]), st.lists(inner, min_size=1, max_size=3)),
    )


expressions = st.recursive(
    comparisons()
    | st.just(("all()", lambda labels: True))
    | st.just(("has(all)", lambda labels: "all" in labels))
    | st.just(("global()", lambda labels: False)),
    combined,
    max_leaves=6,
)


@given(expressions, labels_strategy)
def test_an_expression_matches_what_its_parts_say(meaning: tuple, labels: dict[str, str]) -> None:
    spelling, test = meaning
    assert parse_node_selector(spelling).matches(labels) is bool(test(labels))


@given(expressions)
def test_canonical_text_reads_as_the_same(meaning: tuple) -> None:
    selector = parse_node_selector(meaning[0])
    again = parse_node_selector(str(selector))
    assert (again, hash(again), str(again)) == (selector, hash(selector), str(selector))


@given(st.lists(comparisons(), min_size=2, max_size=4), st.randoms(), st.sampled_from(["&&", "||"]))
def test_order_and_repeats_make_no_difference(parts: list[tuple], random: object, word: str) -> None:
    spellings = [spelling for spelling, _ in parts]
    selector = parse_node_selector(f" {word} ".join(spellings) + f"{word} has(z)")
    random.shuffle(spellings)  # type: ignore[attr-defined]
    assert parse_node_selector(f"{word}".join(["has( z)", *spellings, spellings[0]])) == selector


VALUES = ["", "v", "w", "in"]


@st.composite
def common_ground(draw: st.DrawFn) -> tuple[str, str]:
    """(a Kubernetes requirement, the Calico expression that means the same)."""
    label, value = draw(st.sampled_from(LABELS)), draw(st.sampled_from(VALUES))
    values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
    many = ",".join(values), ",".join(map(quoted, values))
    return draw(
        st.sampled_from(
            [
                (f"{label}={value}", f"{label} == {quoted(value)}"),
                (f"{label}!={value}", f"{label} != {quoted(value)}"),
                (f"{label} in ({many[0]})", f"{label} in {{{many[1]}}}"),
                (f"{label} notin ({many[0]})", f"{label} not in {{{many[1]}}}"),
                (label, f"has({label})"),
                (f"!{label}", f"!has({label})"),
            ]
        )
    )


@given(st.lists(common_ground(), min_size=1, max_size=3), labels_strategy)
def test_both_languages_agree_on_their_common_ground(pairs: list[tuple[str, str]], labels: dict[str, str]) -> None:
    kubernetes = parse_node_selector(",".join(one for one, _ in pairs))
    calico = parse_node_selector("&&".join(other for _, other in pairs))
    assert isinstance(kubernetes, Selector)
    assert not isinstance(calico, Selector)
    assert kubernetes.matches(labels) is calico.matches(labels)


@given(st.one_of(st.text(max_size=30), st.text(alphabet="ab.-_/=!<>(){}&|,' hasinotl\n\"", max_size=40)))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    try:
        selector = parse_node_selector(text)
    except SelectorError as error:
        refused = error
    else:
        assert parse_node_selector(str(selector)) == selector
        return
    assert 1 <= refused.column <= len(text) + 1
    assert "\n" not in str(refused)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "all()"),
        (" \n", "all()"),
        ("all()", "all()"),
        (" all( ) \n", "all()"),
        ("(all())", "all()"),
        ("!!all()", "all()"),
        ("a==b", "a=b"),
        ("has", "has"),
        ("all in (b)", "all=b"),
        ("a == 'b'", "a == 'b'"),
        ('a=="b"', "a == 'b'"),
        ('a=="it\'s"', 'a == "it\'s"'),
        ("!a == 'b'", "a != 'b'"),
        ("!(a in {'c','b',})", "a not in {'b', 'c'}"),
        ("a in {}", "a in {}"),
        ("!(a startswith 'b')", "!a starts with 'b'"),
        ("!(!(has(a)))", "has(a)"),
        ("has(b)||has(a)&&has(c)", "has(a) && has(c) || has(b)"),
        ("(has(b)||has(a))&&(has(c)&&has(a))", "has(a) && (has(a) || has(b)) && has(c)"),
        ("!(has(a)||has(b))", "!(has(a) || has(b))"),
        ("in in {'not'} && not not in {'in', 'x'}", "in == 'not' && not not in {'in', 'x'}"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_node_selector(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a='b'", "expected one of == != contains, starts with, ends with, in, not in at column 2 of \"a='b'\""),
        ("a == b && c", "expected a text in quotes at column 6 of 'a == b && c'"),
        ("a=='b", 'expected a text in quotes at column 4 of "a==\'b"'),
        ("(has(a)", "expected '&&', '||' or ')' at column 8 of '(has(a)'"),
        ("has(a))", "expected '&&', '||' or the end at column 7 of 'has(a))'"),
        ("has(a) &&", "expected a label, has(), all(), '!' or '(' at column 10 of 'has(a) &&'"),
        ("a in {'b' 'c'}", "expected ',' or '}' at column 11 of \"a in {'b' 'c'}\""),
        ("a in {,}", "expected a text in quotes at column 7 of 'a in {,}'"),
        ("all(x)", "expected ')' at column 5 of 'all(x)'"),
        ("has(a b)", "expected ')' at column 7 of 'has(a b)'"),
        ("has(a)\n&& has(b)", "expected '&&', '||' or the end at column 7 of 'has(a)\\n&& has(b)'"),
        ("has (a)", "expected one of = == != < > in notin, ',' or the end at column 5 of 'has (a)'"),
        ("a not 'b'", "expected one of == != contains, starts with, ends with, in, not in at column 3"),
        ("(" * 33 + "has(a)" + ")" * 33, "expected at most 32 nested brackets at column 33"),
        ("has(" + "a" * 513 + ")", "expected a label of at most 512 characters at column 5"),
        ("a" * (MAX_LENGTH + 1), "expected the end (at most 1024 characters) at column 1025"),
    ],
)
def test_an_error_names_what_was_expected_and_where(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_node_selector(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("a == 'v'", ["v"], ["", "V", "vw", None]),
        ("a != 'v'", ["", "V", "vw", None], ["v"]),
        ("a contains 'v'", ["v", "wv", "vw"], ["", "V", None]),
        ("a starts with 'v'", ["v", "vw"], ["", "wv", "V", None]),
        ("a ends with 'v'", ["v", "wv"], ["", "vw", "V", None]),
        ("a in {'v', ''}", ["v", ""], ["vw", None]),
        ("a not in {'v', ''}", ["vw", None], ["v", ""]),
        ("has(a)", ["", "v"], [None]),
        ("!has(a)", [None], ["", "v"]),
        ("a contains ''", ["", "v"], [None]),
        ("!a contains 'v'", ["", "w", None], ["v"]),
        ("!global()", ["v", None], []),
    ],
)
def test_which_values_match(text: str, yes: list[str | None], no: list[str | None]) -> None:
    matches = parse_node_selector(text).matches
    for values, expected in ((yes, True), (no, False)):
        assert [matches({} if value is None else {"a": value}) for value in values] == [expected] * len(values)


def test_limits_are_reached() -> None:
    deep = parse_node_selector("(" * 32 + "has(a) && !b contains 'c'" + ")" * 32)
    assert deep.matches({"a": ""})
    assert parse_node_selector("||".join(["(has(a))"] * 40)).matches({"a": ""}), "beside each other is not nested"
    label = "a" * 512
    assert parse_node_selector(f"has({label})").matches({label: ""})
    padded = "has(a)".ljust(MAX_LENGTH)
    assert str(parse_node_selector(padded)) == "has(a)"


@pytest.mark.parametrize("text", ["!" * 1000 + "has(a)", "has(a)" + "||has(a)" * 127, "a in {" + "'b'," * 250 + "}"])
def test_the_longest_texts_overflow_no_stack(text: str) -> None:
    assert parse_node_selector(text).matches({"a": "b"})


def test_brackets_beside_each_other_are_not_nested() -> None:
    beside = "(has(a)) || " * 40
    parse_node_selector(beside + "(" * 32 + "has(b)" + ")" * 32)
    with pytest.raises(SelectorError, match="at most 32 nested brackets"):
        parse_node_selector(beside + "(" * 33 + "has(b)" + ")" * 33)


def test_a_set_begins_with_a_brace() -> None:
    with pytest.raises(SelectorError, match=r"expected '\{' at column"):
        parse_node_selector("a in 'b' || has(c)")
