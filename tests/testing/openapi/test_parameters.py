"""What a parameter may be, whatever the action."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.action import Action
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.fields import Cidr, Cidrs, Flag, Ip, Ips, JsonTexts, Number, TagList, Text, Texts

ACTION = Action(
    "Try",
    (
        *(Text("Id", required=True), Text("Kind", choices=("a", "b")), Text("Name", shortest=2, longest=4)),
        *(Text("Url", pattern="x+"), Number("Count", 1, 10), Number("Size", 10, 50, clamps=True)),
        *(Number("Step", choices=(1, 3)), Flag("Check"), Ip("Address"), Ip("Address6", 6), Cidr("Block")),
        *(Texts("Group", 3), Ips("Ip", most=2), Cidrs("Part", 28, 2), JsonTexts("Ids", 2), TagList()),
    ),
    lambda call: {},
    exclusive=(("Kind", "Name"),),
    needed=(("Id", "Kind"),),
)


def read(**parameters):
    return ACTION.read([(name.replace("__", "."), value) for name, value in {"Id": "x", **parameters}.items()])


def test_values_come_typed():
    arguments = read(Kind="a", Count="10", Check="true", Address="10.0.0.1", Block="10.0.0.0/8", Ids='["p", "q"]')
    assert (arguments.text("Id"), arguments.text("Kind"), arguments.number("Count")) == ("x", "a", 10)
    assert (arguments.flag("Check"), arguments.flag("Other", True)) == (True, True)
    assert arguments.address("Address") == Address.parse("10.0.0.1")
    assert arguments.prefix("Block") == Prefix.parse("10.0.0.0/8")
    assert arguments.texts("Ids") == ("p", "q")
    assert "Count" in arguments
    assert "Size" not in arguments


def test_lists_come_in_the_order_of_their_numbers():
    arguments = read(Group__2="b", Group__1="a", Ip__1="10.0.0.1", Part__1="10.0.0.16/28")
    assert arguments.texts("Group") == ("a", "b")
    assert arguments.addresses("Ip") == (Address.parse("10.0.0.1"),)
    assert arguments.prefixes("Part") == (Prefix.parse("10.0.0.16/28"),)


def test_tags_need_a_key_and_no_value():
    assert read(Tag__1__Key="k", Tag__2__Key="l", Tag__2__Value="v").tags() == (("k", ""), ("l", "v"))


@pytest.mark.parametrize(("given", "size"), [("1", 10), ("11", 11), ("5000", 50)])
def test_some_numbers_are_moved_into_their_range(given, size):
    assert read(Size=given).number("Size") == size


@pytest.mark.parametrize(
    ("parameters", "code", "name"),
    [
        ({"Unknown": "1"}, "InvalidParameter", "Unknown"),
        ({"Id": ""}, "MissingParameter", "Id"),
        ({"Id": "None"}, "InvalidParameter", "Id"),
        ({"Kind": "c"}, "InvalidParameter", "Kind"),
        ({"Name": "n"}, "InvalidParameter", "Name"),
        ({"Name": "names"}, "InvalidParameter", "Name"),
        ({"Url": "xy"}, "InvalidParameter", "Url"),
        ({"Kind": "a", "Name": "nn"}, "InvalidParameter.Conflict", "Kind"),
        ({"Count": "0"}, "InvalidParameter", "Count"),
        ({"Count": "11"}, "InvalidParameter", "Count"),
        ({"Count": "1.0"}, "InvalidParameter", "Count"),
        ({"Count": "٣"}, "InvalidParameter", "Count"),
        ({"Count": "9" * 5000}, "InvalidParameter", "Count"),
        ({"Step": "2"}, "InvalidParameter", "Step"),
        ({"Check": "True"}, "InvalidParameter", "Check"),
        ({"Address": "10.0.0"}, "InvalidParameter", "Address"),
        ({"Address": "fd00::1"}, "InvalidParameter", "Address"),
        ({"Address6": "10.0.0.1"}, "InvalidParameter", "Address6"),
        ({"Block": "10.0.0.1/8"}, "InvalidParameter", "Block"),
        ({"Group": "a"}, "InvalidParameter", "Group"),
        ({"Group__0": "a"}, "InvalidParameter", "Group.0"),
        ({"Group__2": "a"}, "InvalidParameter", "Group.2"),
        ({"Group__01": "a"}, "InvalidParameter", "Group.01"),
        ({"Group__1": "a", "Group__3": "c"}, "InvalidParameter", "Group.3"),
        ({"Group__1": ""}, "InvalidParameter", "Group.1"),
        ({f"Group__{number}": "a" for number in range(1, 5)}, "InvalidParameter", "Group"),
        ({"Ip__1": "10.0.0.1", "Ip__2": "x"}, "InvalidParameter", "Ip.2"),
        ({"Part__1": "10.0.0.0/24"}, "InvalidParameter", "Part"),
        ({"Ids": "a,b"}, "InvalidParameter", "Ids"),
        ({"Ids": '{"a": 1}'}, "InvalidParameter", "Ids"),
        ({"Ids": "[1]"}, "InvalidParameter", "Ids"),
        ({"Ids": "[]"}, "InvalidParameter", "Ids"),
        ({"Ids": '["a","b","c"]'}, "InvalidParameter", "Ids"),
        ({"Ids__1": "a"}, "InvalidParameter", "Ids.1"),
        ({"Tag__1__Value": "v"}, "MissingParameter", "Tag.1.Key"),
        ({"Tag__1__Key": "acs:x"}, "InvalidParameter", "Tag.1.Key"),
        ({"Tag__1__TagKey": "x"}, "InvalidParameter", "Tag.1.TagKey"),
        ({f"Tag__{number}__Key": "k" for number in range(1, 22)}, "InvalidParameter", "Tag"),
    ],
)
def test_what_is_refused_by_name(parameters, code, name):
    with pytest.raises(ApiError) as caught:
        read(**parameters)
    assert (caught.value.code, caught.value.parameter) == (code, name)
    assert name in caught.value.message


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(ApiError, match=r"InvalidParameter: the parameter Id is not valid: it is given twice"):
        ACTION.read([("Id", "x"), ("Id", "x")])


def test_a_required_parameter_and_one_of_a_group_are_needed():
    with pytest.raises(ApiError) as caught:
        ACTION.read([])
    assert (caught.value.code, caught.value.parameter) == ("MissingParameter", "Id")
    needy = Action("Need", (Text("A"), Text("B")), lambda call: {}, needed=(("A", "B"),))
    with pytest.raises(ApiError) as caught:
        needy.read([])
    assert (caught.value.code, caught.value.parameter) == ("MissingParameter", "A")
    assert needy.read([("B", "1")]).text("B") == "1"
