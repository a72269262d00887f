from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cloud import requests
from terway_edge.cloud.parameters import flag, indexed, json_list, number, tags, text
from terway_edge.core.errors import Bug


@pytest.mark.parametrize(
    ("codec", "value", "pairs"),
    [
        (text, "a", [("P", "a")]),
        (number, 3, [("P", "3")]),
        (flag, True, [("P", "true")]),
        (flag, False, [("P", "false")]),
        (indexed, ("a", "b"), [("P.1", "a"), ("P.2", "b")]),
        (indexed, [], []),
        (json_list, ("a", 'b"'), [("P", '["a", "b\\""]')]),
        (tags, {"k": "v", "l": ""}, [("P.1.Key", "k"), ("P.1.Value", "v"), ("P.2.Key", "l"), ("P.2.Value", "")]),
    ],
)
def test_what_travels(codec, value, pairs):
    assert list(codec("P", value)) == pairs


VALUES = ["a", 3, True, ["a"], {"k": "v"}]
TAKES = {text: ["a"], number: [3], flag: [True], indexed: [["a"]], json_list: [["a"]], tags: [{"k": "v"}]}


@pytest.mark.parametrize("codec", TAKES, ids=lambda codec: codec.__name__)
def test_a_value_of_another_type_is_our_mistake(codec):
    for value in [*VALUES, [1]]:
        if not any(value is each or (value == each and type(value) is type(each)) for each in TAKES[codec]):
            with pytest.raises(Bug, match="P does not take"):
                list(codec("P", value))


@given(st.dictionaries(st.sampled_from(sorted(requests.ECS_CREATE.parameters)), st.none()))
def test_what_is_none_is_left_out(values):
    assert requests.ECS_CREATE.request(values).query == {}


def test_actions_are_named_as_ram_policies_have_them():
    assert str(requests.VPC_VSWITCHES) == "vpc:DescribeVSwitches"
    names = [str(each) for each in requests.ACTIONS]
    assert len(names) == len(set(names)) == 22
