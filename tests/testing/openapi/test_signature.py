"""Who is let in, by the vendor's SDK and by hand."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from urllib.parse import parse_qsl, urlencode

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.composer.rpc_signature_composer import get_signed_url

from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.gate import Gate, Request, utc
from terway_edge.testing.openapi.signature import sign, string_to_sign
from terway_edge.testing.openapi.site import Site
from terway_edge.testing.openapi.vault import Vault
from tests.testing.openapi.sdk import Sdk

NOW = 1_700_000_000.0
KNOWN = {
    "Timestamp": "2016-02-23T12:46:24Z",
    "Format": "XML",
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "Version": "2014-05-26",
    "SignatureVersion": "1.0",
}


def signed(secret="testsecret", method="POST", **changes):
    """A request as the SDK makes it."""
    values = {
        "Action": "DescribeRegions",
        "Version": "2014-05-26",
        "Format": "JSON",
        "AccessKeyId": "testid",
        "Timestamp": utc(NOW),
        "SignatureMethod": "HMAC-SHA1",
        "SignatureType": "",
        "SignatureVersion": "1.0",
        "SignatureNonce": "n1",
        **changes,
    }
    pairs = [(name, value) for name, value in values.items() if value is not None]
    return Request(method, (*pairs, ("Signature", sign(secret, string_to_sign(method, pairs)))))


@pytest.fixture
def gate():
    return Gate(Vault(Site()))


def code_of(action, *arguments):
    with pytest.raises(ApiError) as caught:
        action(*arguments)
    return caught.value.code


def test_the_documented_example_has_the_documented_signature():
    assert sign("testsecret", string_to_sign("GET", KNOWN.items())) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@pytest.mark.parametrize("value", ["a~b", "a*b", "a+b c/d", "汉字", "", "a=b&c", "%7E"])
def test_the_same_as_the_sdk_signs(value):
    url, theirs = get_signed_url({**KNOWN, "Value": value}, "testid", "testsecret", "JSON", "POST", {})
    pairs = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    assert string_to_sign("POST", pairs) == theirs
    assert sign("testsecret", theirs) == dict(pairs)["Signature"]


def test_a_request_is_let_in_once(gate):
    request = signed()
    assert gate.admit(request, NOW).arn == "acs:ram::1000000000000001:root"
    assert code_of(gate.admit, request, NOW) == "SignatureNonceUsed"
    assert gate.admit(signed(SignatureNonce="n2"), NOW)


def test_a_nonce_stays_used_as_long_as_its_timestamp_is_good(gate):
    gate.admit(signed(Timestamp=utc(NOW + 900)), NOW)
    assert code_of(gate.admit, signed(Timestamp=utc(NOW + 900)), NOW + 1800) == "SignatureNonceUsed"
    assert gate.admit(signed(Timestamp=utc(NOW + 1801)), NOW + 1801)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AccessKeyId": "nobody"}, "InvalidAccessKeyId.NotFound"),
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"Timestamp": utc(NOW - 901)}, "InvalidTimeStamp.Expired"),
        ({"Timestamp": utc(NOW + 901)}, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "2016-02-23 12:46:24"}, "IllegalTimestamp"),
        ({"Timestamp": None}, "MissingParameter"),
        ({"SignatureNonce": None}, "MissingParameter"),
        ({"AccessKeyId": None}, "MissingParameter"),
        ({"Format": "XML"}, "InvalidParameter"),
        ({"SignatureMethod": "HMAC-SHA256"}, "InvalidParameter"),
        ({"SignatureVersion": "2.0"}, "InvalidParameter"),
        ({"SecurityToken": "made up"}, "InvalidSecurityToken.Malformed"),
    ],
)
def test_whom_is_not_let_in(gate, changes, code):
    assert code_of(gate.admit, signed(**changes), NOW) == code
    assert gate.admit(signed(), NOW), "a refused request uses no nonce up"


@pytest.mark.parametrize("seconds", [-900, 900])
def test_the_edge_of_the_window_is_in_it(gate, seconds):
    assert gate.admit(signed(Timestamp=utc(NOW + seconds)), NOW)


def test_nothing_signed_can_be_changed_added_or_left_out(gate):
    request = signed(Extra="1")
    pairs = dict(request.pairs)
    for changed in ({**pairs, "Extra": "2"}, {**pairs, "More": ""}, {k: v for k, v in pairs.items() if k != "Extra"}):
        assert code_of(gate.admit, Request("POST", tuple(changed.items())), NOW) == "SignatureDoesNotMatch"
    assert code_of(gate.admit, request._replace(method="GET"), NOW) == "SignatureDoesNotMatch"
    without_type = tuple(pair for pair in request.pairs if pair[0] != "SignatureType")
    assert code_of(gate.admit, Request("POST", without_type), NOW) == "SignatureDoesNotMatch"
    assert gate.admit(Request("POST", request.pairs[::-1]), NOW), "the order does not matter"


def test_a_parameter_of_the_envelope_given_twice_is_refused(gate):
    request = signed()
    twice = Request("POST", (*request.pairs, ("AccessKeyId", "testid")))
    assert code_of(gate.admit, twice, NOW) == "IncompleteSignature"


def test_temporary_credentials_work_with_their_token_until_they_expire():
    vault = Vault(Site(roles=("edge",)))
    made = vault.assume("edge", "s1", expires=NOW + 3600)
    gate = Gate(vault)
    mine = {"secret": made.secret, "AccessKeyId": made.key_id, "SecurityToken": made.token}
    assert gate.admit(signed(**mine), NOW).arn == "acs:ram::1000000000000001:assumed-role/edge/s1"
    assert code_of(gate.admit, signed(**{**mine, "SecurityToken": None}), NOW) == "InvalidSecurityToken.Malformed"
    late = signed(**mine, Timestamp=utc(NOW + 3600), SignatureNonce="n2")
    assert code_of(gate.admit, late, NOW + 3600) == "InvalidSecurityToken.Expired"


class TestBySdk:
    def test_a_wrong_secret_is_told_as_one(self, server, sdk):
        # The SDK finds its own string to sign after the first colon of the message and concludes the rest.
        sdk.client._signer._credential.access_key_secret = "wrong"
        with pytest.raises(ServerException) as caught:
            sdk("ecs", "DescribeInstances")
        assert caught.value.error_code == "InvalidAccessKeySecret"

    def test_the_same_bytes_a_second_time_are_a_replay(self, server, sdk):
        request = sdk.request("ecs", "DescribeInstances")
        request.set_accept_format("JSON")
        request.add_query_param("RegionId", "cn-hangzhou")
        _, path = sdk.client._signer.sign("cn-hangzhou", request)
        assert post(server, path)[0] == 200
        status, body = post(server, path)
        assert (status, b"SignatureNonceUsed" in body) == (400, True)

    def test_a_clock_that_is_wrong_by_an_hour(self, site):
        emulator = Emulator(site, wall=lambda: time.time() + 3600)
        with (
            Server(emulator, listen()) as server,
            closing(Sdk(server.endpoint)) as sdk,
            pytest.raises(ServerException) as caught,
        ):
            sdk("ecs", "DescribeInstances")
        assert (caught.value.error_code, caught.value.http_status) == ("InvalidTimeStamp.Expired", 400)


def post(server, path):
    connection = http.client.HTTPConnection(server.endpoint, timeout=5)
    connection.request("POST", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_parameters_of_a_form_are_signed_with_those_of_the_query(server):
    request = signed(Action="DescribeInstances", Timestamp=utc(time.time()), RegionId="cn-hangzhou")
    query = urlencode(request.pairs[:4])
    connection = http.client.HTTPConnection(server.endpoint, timeout=5)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/?{query}", urlencode(request.pairs[4:]), headers)
    answer = connection.getresponse()
    assert (answer.status, b"i-1" in answer.read()) == (200, True)
    connection.close()
