from __future__ import annotations

import json

import pytest

from terway_edge.cloud.limits import InstanceTypes, read_annotation
from terway_edge.cloud.opening import open_ecs
from terway_edge.core.cloud import Limits
from tests.cloud.rig import surroundings

ITEM = {
    "InstanceTypeId": "ecs.g7.xlarge",
    "EniQuantity": 4,
    "EniPrivateIpAddressQuantity": 15,
    "EniIpv6AddressQuantity": 1,
    "EniTrunkSupported": True,
}


def test_the_annotation_of_a_node():
    assert read_annotation(json.dumps(ITEM)) == ("ecs.g7.xlarge", Limits(4, 15, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "5",
        json.dumps(ITEM | {"EniQuantity": "many"}),
        json.dumps(ITEM | {"EniQuantity": 0}),
        json.dumps(ITEM | {"InstanceTypeId": None}),
    ],
)
def test_an_annotation_that_tells_nothing(text):
    with pytest.raises(ValueError, match="instance-type-info is no item"):
        read_annotation(text)


def test_what_the_node_tells_is_not_asked(new_world, site):
    world = new_world(site)
    types = InstanceTypes()
    types.put(*read_annotation(json.dumps(ITEM)))
    ecs = open_ecs(world.settings, surroundings(world.time), types, world.deadline)
    assert ecs.limits("ecs.g7.xlarge", world.deadline) == Limits(4, 15, 1)
    assert world.emulator.log.total == 0
    ecs.close()
