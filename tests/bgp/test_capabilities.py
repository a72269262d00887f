"""Capabilities and optional parameters, in every shape that peers send them, and the shapes that are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from terway_edge.backends.bgp.capabilities import decode_parameters, encode_parameters
from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Capabilities, Family, GracefulRestart
from tests.bgp import strategies

BOTH = (Family.IPV4, Family.IPV6)


def decode(text):
    return decode_parameters(bytes.fromhex(text))


@given(strategies.capabilities)
def test_capabilities_survive_the_wire(capabilities):
    assert decode_parameters(encode_parameters(capabilities)) == capabilities


@given(strategies.capabilities)
def test_capabilities_read_the_same_however_they_are_spread_over_parameters(capabilities):
    spread, rest = b"", encode_parameters(capabilities)[3:]
    while rest:
        one, rest = rest[: 2 + rest[1]], rest[2 + rest[1] :]
        spread += b"\x02" + len(one).to_bytes(2, "big") + one
    extended = b"\xff\xff" + len(spread).to_bytes(2, "big") + spread
    assert decode_parameters(extended) == capabilities


def graceful(restart):
    return encode_parameters(Capabilities(graceful_restart=restart))[5:].hex(" ", 2)


def test_golden_bytes_of_graceful_restart():
    restart = GracefulRestart(600, BOTH, BOTH, notification=True)
    assert graceful(restart) == "4258 0001 0180 0002 0180"
    assert graceful(replace(restart, restarting=True)) == "c258 0001 0180 0002 0180"
    assert graceful(replace(restart, notification=False)) == "0258 0001 0180 0002 0180"
    assert graceful(replace(restart, forwarding=(Family.IPV6,))) == "4258 0001 0100 0002 0180"
    assert graceful(GracefulRestart(4095)) == "0fff"


@pytest.mark.parametrize(
    ("text", "capabilities"),
    [
        pytest.param("00", Capabilities(), id="none"),
        pytest.param("02 0200", Capabilities(), id="an empty parameter"),
        pytest.param(
            "0c 0202 0200 0206 0104 0001 00 01", Capabilities((Family.IPV4,), None, True), id="two parameters"
        ),
        pytest.param("06 0204 0200 0200", Capabilities(route_refresh=True), id="the same twice"),
        pytest.param("08 0206 0104 0002 07 01", Capabilities((Family.IPV6,)), id="a reserved octet that is not 0"),
        pytest.param(
            "08 0206 0104 0001 00 80", Capabilities(others=((1, b"\0\1\0\x80"),)), id="a family we do not speak"
        ),
        pytest.param("05 0203 4601 46", Capabilities(others=((70, b"\x46"),)), id="unknown"),
        pytest.param("08 0206 4600 4600 8000", Capabilities(others=((70, b""), (128, b""))), id="unknown twice"),
        pytest.param(
            "0e 020c 400a 3078 0019 41 80 0002 01 00",
            Capabilities(graceful_restart=GracefulRestart(120, (Family.IPV6,))),
            id="graceful restart: families we do not speak, reserved bits",
        ),
        pytest.param(
            "0a 0208 4002 0078 4002 005a",
            Capabilities(graceful_restart=GracefulRestart(90)),
            id="graceful restart: the last counts",
        ),
        pytest.param("ff ff 0005 02 0002 0200", Capabilities(route_refresh=True), id="RFC 9072"),
        pytest.param("01 ff 0005 02 0002 0200", Capabilities(route_refresh=True), id="RFC 9072 with any first length"),
        pytest.param("ff ff 0000", Capabilities(), id="RFC 9072, none"),
    ],
)
def test_capabilities_are_read(text, capabilities):
    assert decode(text) == capabilities


def test_more_than_255_octets_of_parameters_are_read():
    unknown = [(200, bytes((n,)) * 90) for n in range(4)]
    values = b"".join(bytes((code, len(value))) + value for code, value in unknown)
    parameter = b"\x02" + len(values).to_bytes(2, "big") + values
    data = b"\xff\xff" + len(parameter).to_bytes(2, "big") + parameter
    assert decode_parameters(data) == Capabilities(others=tuple(unknown))


@pytest.mark.parametrize(
    ("text", "subcode"),
    [
        pytest.param("01 02", 0, id="parameter without a length"),
        pytest.param("03 0202 02", 0, id="parameter runs past the end"),
        pytest.param("01", 0, id="length without parameters"),
        pytest.param("00 0200", 0, id="parameters without length"),
        pytest.param("03 0201 02", 0, id="capability without a length"),
        pytest.param("05 0203 4102 00", 0, id="capability runs past its parameter"),
        pytest.param("06 0204 0102 0001", 0, id="multiprotocol of 2 octets"),
        pytest.param("05 0203 0201 00", 0, id="route refresh of 1 octet"),
        pytest.param("05 0203 0601 00", 0, id="extended message of 1 octet"),
        pytest.param("04 0202 4000", 0, id="graceful restart of 0 octets"),
        pytest.param("07 0205 4003 007800", 0, id="graceful restart of 3 octets"),
        pytest.param("06 0204 4102 fde9", 0, id="four-octet AS number of 2 octets"),
        pytest.param("08 0206 4104 00000000", 2, id="AS number 0"),
        pytest.param("03 0101 00", 4, id="authentication (deprecated)"),
        pytest.param("02 0300", 4, id="unknown parameter"),
        pytest.param("ff ff 00", 0, id="RFC 9072 without a length"),
        pytest.param("00 ff 0005 02 0002 0200", 0, id="RFC 9072 with a first length of 0"),
        pytest.param("ff ff 0006 02 0002 0200", 0, id="RFC 9072 with a wrong length"),
        pytest.param("ff ff 0002 02 00", 0, id="RFC 9072: parameter without a whole length"),
        pytest.param("ff ff 0004 02 0002 02", 0, id="RFC 9072: parameter runs past the end"),
        pytest.param("ff ff 0003 ff 0000", 4, id="RFC 9072: unknown parameter"),
    ],
)
def test_malformed_parameters_end_the_session(text, subcode):
    with pytest.raises(ProtocolError) as error:
        decode(text)
    assert (error.value.code, error.value.subcode) == (2, subcode)


@pytest.mark.parametrize(
    "capabilities",
    [
        Capabilities((Family.IPV4, Family.IPV4)),
        Capabilities(four_octet_asn=0),
        Capabilities(four_octet_asn=1 << 32),
        Capabilities(graceful_restart=GracefulRestart(4096)),
        Capabilities(graceful_restart=GracefulRestart(-1)),
        Capabilities(graceful_restart=GracefulRestart(1, (Family.IPV4,), (Family.IPV6,))),
        Capabilities(graceful_restart=GracefulRestart(1, (Family.IPV4, Family.IPV4))),
        Capabilities(others=((70, b""), (70, b""))),
        Capabilities(others=((2, b""),)),
        Capabilities(others=((65, bytes(4)),)),
        Capabilities(others=((1, b"\0\1\0\1"),)),
        Capabilities(others=((1, b"\0\1"),)),
        Capabilities(others=((256, b""),)),
        Capabilities(others=((70, bytes(256)),)),
        Capabilities(others=((70, bytes(200)), (71, bytes(50)))),
    ],
)
def test_capabilities_that_cannot_be_said_are_refused(capabilities):
    with pytest.raises(LocalError):
        encode_parameters(capabilities)


def test_253_octets_of_capabilities_are_the_most_that_an_open_holds():
    assert len(encode_parameters(Capabilities(others=((70, bytes(251)),)))) == 256
    with pytest.raises(LocalError):
        encode_parameters(Capabilities(others=((70, bytes(252)),)))
