"""Names, types and encodings against those of the vendor's two SDKs."""

from __future__ import annotations

import pytest

from terway_edge.testing.openapi.catalog import APIS
from terway_edge.testing.openapi.fields import Cidr, Cidrs, Flag, Ip, Ips, JsonTexts, Number, TagList, Text, Texts
from tests.testing.openapi.oracle.names import MODELS, class_parameters, differences
from tests.testing.openapi.sdk import request_class
from tests.testing.openapi.tour import tour

ALL = [(api.product, api.version, action) for api in APIS for action in api.actions.values()]
IDS = [f"{product}:{action.name}" for product, _, action in ALL]
WITH_CLASS = [(product, action) for product, _, action in ALL if product != "sts"]
every_action = pytest.mark.parametrize(("product", "version", "action"), ALL, ids=IDS)

ONLY_IN_MODELS = {("ens", "DescribeVSwitches", "EnableIpv6")}
"""Parameters that came after the older SDK's last release."""
STRICTER = {
    # Optional in the documents, but without it there is nothing to go by.
    ("ens", "CreateNetworkInterface"): {"VSwitchId"},
    ("vpc", "CreateRouteEntry"): {"NextHopId"},
}
JSON_AS_TEXT = {"InstanceIds", "EnsRegionIds", "PrivateIpAddresses", "SecurityGroupIds"}
"""JSON arrays that the models declare as text."""
NOT_AS_DECLARED = {"OwnerId": Text, "ResourceOwnerId": Text, "PageNumber": Number, "PageSize": Number}
"""Ids that are not looked at, and numbers that some models declare as text."""
HOW = {Texts: "list", Ips: "list", Cidrs: "list", JsonTexts: "json", TagList: "tags"}


@pytest.mark.parametrize(("product", "action"), WITH_CLASS, ids=[f"{p}:{a.name}" for p, a in WITH_CLASS])
def test_each_parameter_is_one_of_the_request_class_and_travels_alike(product, action):
    known = class_parameters(product, action.name)
    for field in action.fields:
        if field.name == "RegionId" or (product, action.name, field.name) in ONLY_IN_MODELS:
            continue
        how = HOW.get(type(field), "plain")
        if how == "json" and known.get(field.name) == "plain":
            assert field.name in JSON_AS_TEXT
        else:
            assert known.get(field.name) == how, field.name


@pytest.mark.parametrize(("product", "action"), WITH_CLASS, ids=[f"{p}:{a.name}" for p, a in WITH_CLASS])
def test_each_action_has_a_request_class_of_its_version(product, action):
    request = request_class(product, action.name)()
    version = next(api.version for api in APIS if api.product == product)
    assert (request.get_action_name(), request.get_version(), request.get_method()) == (action.name, version, "POST")


@every_action
def test_each_parameter_has_the_type_of_the_models(product, version, action):
    model = MODELS[version][action.name]
    kinds = {"str": (Text, Ip, Cidr), "int": (Number,), "bool": (Flag,)}
    for field in action.fields:
        if field.name == "RegionId":
            continue
        declared = model["request"][field.name]
        if field.name in model["json"] or (declared == "str" and field.name in JSON_AS_TEXT):
            assert type(field) is JsonTexts, field.name
        elif declared == ["str"]:
            assert type(field) in (Texts, Ips, Cidrs), field.name
        elif isinstance(declared, list):
            assert type(field) is TagList
        elif field.name in NOT_AS_DECLARED:
            assert type(field) is NOT_AS_DECLARED[field.name], field.name
        else:
            assert type(field) in kinds[declared], field.name


@every_action
def test_what_is_required_is_what_the_models_say(product, version, action):
    required = {field.name for field in action.fields if field.required}
    assert required - STRICTER.get((product, action.name), set()) == set(MODELS[version][action.name]["required"])


def test_answers_have_the_shapes_of_the_models(call, clock):
    seen = tour(call, clock)
    assert {f"{product}:{action}" for product, action, _ in seen} == set(IDS)
    for product, action, answer in seen:
        version = next(api.version for api in APIS if api.product == product)
        assert differences(MODELS[version][action]["response"], answer) == [], (product, action)
