"""Errors carry their CNI code, and never the two words that go-cni takes for success of a DEL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.errors import Bug, Conflict, EdgeError, KernelError, Refused, Retry

CODES = {Retry: 11, Refused: 7, Conflict: 104, Bug: 999, EdgeError: 999}


@pytest.mark.parametrize("kind", CODES)
def test_each_error_has_its_cni_code_unless_told_otherwise(kind):
    assert kind("why").code == CODES[kind]
    assert kind("why", code=50).code == 50
    assert kind("why", details="more").details == "more"


def test_a_kernel_error_names_what_was_refused():
    error = KernelError("route refused", errno=17, item="10.0.0.0/8")
    assert (error.code, error.errno, error.item) == (105, 17, "10.0.0.0/8")


noise = st.text(max_size=12)


@given(noise, noise, st.sampled_from([EdgeError, Retry, Refused, Conflict, Bug]))
def test_no_error_text_holds_the_words_of_success(before, after, kind):
    error = kind(f"{before}not found{after}", details=f"{after}Not found{before}NOT FOUND")
    assert "not found" not in f"{error} {error.details}"  # what go-cni looks for, case and all
    assert "absent" in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [("not found", "absent"), ("a Not found b", "a Absent b"), ("NOT FOUND", "ABSENT"), ("found not", "found not")],
)
def test_the_words_are_replaced_in_either_part_by_themselves(text, told):
    assert str(EdgeError(text)) == told
    assert EdgeError("m", details=text).details == told


def test_a_retry_says_when():
    assert (Retry("later").after, Retry("later", after=3.0).after) == (1.0, 3.0)
