"""Text to documents: both syntaxes, repeated keys, garbage."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.cluster.documents import DocumentError, parse


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("---\n---\n", []),
        ("a: 1\n---\nb: [x]\n", [{"a": 1}, {"b": ["x"]}]),
        ('{"a": {"b": null}}', [{"a": {"b": None}}]),
        ("{a: 1}", [{"a": 1}]),
        ("t: 2026-01-01\nu: 2026-01-01T00:00:00Z", [{"t": "2026-01-01", "u": "2026-01-01T00:00:00Z"}]),
        ("base: &b {x: 1, y: 2}\nnext: {<<: *b, y: 3}", [{"base": {"x": 1, "y": 2}, "next": {"x": 1, "y": 3}}]),
        (
            "a: &a {k: 1}\nb: &b {<<: *a, k: 2}\nc: {<<: *b, k: 3}\nd: {<<: *b}",
            [{"a": {"k": 1}, "b": {"k": 2}, "c": {"k": 3}, "d": {"k": 2}}],
        ),
    ],
)
def test_yaml(text: str, documents: list[object]) -> None:
    assert parse(text, yaml=True) == documents


def test_json_files_hold_json_only() -> None:
    assert parse(' {"a": [1, "x"]}\n', yaml=False) == [{"a": [1, "x"]}]
    assert parse(" \n", yaml=False) == []
    with pytest.raises(DocumentError, match=r"^line 1, column 1: is no JSON: "):
        parse("a: 1", yaml=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: is no YAML: the key 'a' appears twice in one mapping"),
        ("x:\n  - {k: 1, k: 2}\n", "line 2, column 12: is no YAML: the key 'k' appears twice in one mapping"),
        ('{"a": {"k": 1, "k": 1}}', "the key 'k' appears twice in one mapping; remove one"),
        ("a: [1", "line 2, column 1: is no YAML: did not find expected ',' or ']'"),
        ("a: b: c", "line 1, column 5: is no YAML: mapping values are not allowed in this context"),
        ('a: !!int ""', "is no YAML: a value does not fit its tag (string index out of range)"),
        ("a: !!python/object:os.system {}", "is no YAML: could not determine a constructor for the tag"),
        ("a: \x00", "is no YAML: "),
        ("? [a]\n: b", "line 1, column 3: is no YAML: found unhashable key"),
    ],
)
def test_errors_are_one_line_with_the_place(text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text, yaml=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("yaml", [True, False])
def test_a_number_too_long_to_be_read_is_refused(yaml: bool) -> None:
    with pytest.raises(DocumentError, match="Exceeds the limit"):
        parse('{"a": ' + "1" * 5000 + "}", yaml=yaml)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_deep_nesting_is_refused_and_does_not_overflow_the_stack(opening: str, depth: int) -> None:
    with pytest.raises(DocumentError, match="nested too deeply"):
        parse(opening * depth, yaml=True)


def test_many_shallow_collections_are_not_deep() -> None:
    text = "\n".join(["- {a: [1], b: {}}"] * 2000)
    assert len(parse(text, yaml=True)[0]) == 2000


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.text(alphabet="{}[]:,-&*!<>'\"#|%@ \n\ta1", max_size=60), st.booleans())
def test_any_text_is_read_or_refused(text: str, yaml: bool) -> None:
    try:
        found = parse(text, yaml=yaml)
    except DocumentError as error:
        refused = str(error)
    else:
        assert None not in found
        return
    assert refused
    assert "\n" not in refused


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=6), values, max_size=4), st.booleans())
def test_json_reads_back_whatever_the_file_is_called(document: dict[str, object], yaml: bool) -> None:
    assert parse(json.dumps(document), yaml=yaml) == [document]


def test_yaml_is_imported_only_for_yaml() -> None:
    program = (
        "import sys; from terway_edge.cluster.documents import parse;"
        "parse('{\"a\": 1}', yaml=True); parse('{\"a\": 1}', yaml=False); assert 'yaml' not in sys.modules;"
        "parse('a: 1', yaml=True); assert 'yaml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
