from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cloud import ecs_shapes, ens_shapes, requests
from terway_edge.cloud.answers import Answer
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Cause, CloudError, EniKind, EniStatus


def answer(**fields):
    return Answer(requests.ECS_ENIS, fields)


def test_what_is_absent_reads_as_empty():
    empty = answer(Null=None)
    for name in ("Null", "Absent"):
        assert empty.text(name) == ""
        assert empty.number(name) == 0
        assert empty.flag(name) is False
        assert empty.mac(name) == b""
        assert empty.address(name) is empty.prefix(name) is None
        assert empty.items(f"{name}.List") == empty.texts(name) == empty.addresses(name) == empty.prefixes(name) == []
        assert empty.section(name).text("x") == ""


def test_what_is_there():
    found = answer(
        T="a",
        N=3,
        S="4",
        F=True,
        A="10.0.0.1",
        P="10.0.0.0/28",
        M="00:16:3e:00:00:0A",
        L={"I": [{"T": "b"}], "A": ["10.0.0.2"], "P": ["10.0.0.16/28"]},
    )
    assert (found.text("T"), found.number("N"), found.number("S"), found.flag("F")) == ("a", 3, 4, True)
    assert found.address("A") == Address.parse("10.0.0.1")
    assert found.prefix("P") == Prefix.parse("10.0.0.0/28")
    assert found.mac("M") == b"\x00\x16\x3e\x00\x00\x0a"
    assert [each.text("T") for each in found.items("L.I")] == ["b"]
    assert found.addresses("L.A") == [Address.parse("10.0.0.2")]
    assert found.section("L").prefixes("P") == [Prefix.parse("10.0.0.16/28")]


@pytest.mark.parametrize("read", ["text", "flag", "mac", "address", "prefix", "section", "items", "texts", "number"])
def test_another_type_is_an_answer_that_tells_nothing(read):
    wrong = {"text": 1, "flag": "true", "section": [], "items": [1], "texts": {}, "number": "1x"}.get(read, "no such")
    with pytest.raises(CloudError) as caught:
        getattr(answer(X=wrong), read)("X")
    assert caught.value.cause is Cause.UNAVAILABLE
    assert "X" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ECS_NAMES = (
    *("NetworkInterfaceId", "MacAddress", "PrivateIpAddress", "Status", "Type", "PrivateIpSets", "Ipv6Sets", "Tags"),
    *("Ipv4PrefixSets", "SecurityGroupIds", "Attachment", "SourceDestCheck", "CidrBlock", "PrimaryIp", "PrivateIpSet"),
    *("VpcAttributes", "AvailableIpAddressCount", "NetworkAttributes", "AssignedPrivateIpAddressesSet", "Tag"),
)
SHAPES = (
    *(ecs_shapes.eni_of, ecs_shapes.vswitch_of, ecs_shapes.instance_of, ecs_shapes.assigned4, ecs_shapes.assigned6),
    *(ens_shapes.eni_of, ens_shapes.vswitch_of, ens_shapes.instance_of, ens_shapes.assigned),
)


@given(st.dictionaries(st.sampled_from(ECS_NAMES), JSON | st.dictionaries(st.sampled_from(ECS_NAMES), JSON)))
def test_any_object_is_read_or_refused(fields):
    causes = set()
    for shape in SHAPES:
        try:
            shape(answer(**fields))
        except CloudError as error:
            causes.add(error.cause)
    assert causes <= {Cause.UNAVAILABLE}


def test_a_status_or_kind_nobody_knows_is_kept_apart():
    item = answer(MacAddress="00:16:3e:00:00:01", PrivateIpAddress="10.0.0.1", Status="CreateFailed", Type="Odd")
    found = ecs_shapes.eni_of(item)
    assert (found.status, found.kind) == (EniStatus.UNKNOWN, EniKind.UNKNOWN)
    assert found.addresses == (found.primary,)


def test_an_eni_without_mac_or_address_is_none_yet():
    for shape in (ecs_shapes.eni_of, ens_shapes.eni_of):
        assert shape(answer(NetworkInterfaceId="eni-1", MacAddress="00:16:3e:00:00:01")) is None
        assert shape(answer(NetworkInterfaceId="eni-1", PrivateIpAddress="10.0.0.1", PrimaryIp="10.0.0.1")) is None


def test_an_eni_with_ipv6_only_has_that_as_its_primary_address():
    sets = {"Ipv6Set": [{"Ipv6Address": "2001:db8::1"}]}
    for shape in (ecs_shapes.eni_of, ens_shapes.eni_of):
        found = shape(answer(MacAddress="00:16:3e:00:00:01", Ipv6Sets=sets))
        assert found.primary == Address.parse("2001:db8::1")
        assert found.addresses == (found.primary,)


def test_the_instance_may_be_in_the_attachment_only():
    item = answer(MacAddress="00:16:3e:00:00:01", PrivateIpAddress="10.0.0.1", Attachment={"InstanceId": "i-1"})
    assert ecs_shapes.eni_of(item).instance == "i-1"
