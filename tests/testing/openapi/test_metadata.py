"""Instance metadata: the tree, tokens, credentials that run out, and how late it may be."""

from __future__ import annotations

import http.client
import json

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi import Emulator, Script, Server, listen
from terway_edge.testing.openapi.gate import Request, utc
from terway_edge.testing.openapi.metadata import LIFE_HEADER, TOKEN_HEADER, MetadataRequest
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.signature import sign, string_to_sign
from tests.testing.openapi.caller import Caller

NOW = 1_700_000_000.0
FIRST = "00:16:3e:00:00:01"
ROLE = "meta-data/ram/security-credentials/edge-node"


class Reader:
    """What an instance reads."""

    def __init__(self, emulator, source="192.168.0.11"):
        self.emulator, self.source = emulator, source

    def ask(self, path, method="GET", **headers):
        request = MetadataRequest(method, f"/latest/{path}", headers, self.source)
        reply = self.emulator.read_metadata(request)
        return reply.status, reply.body.decode()

    def __call__(self, path, **headers):
        status, text = self.ask(path, **headers)
        assert status == 200, (path, status, text)
        return text

    def token(self, life="60"):
        return self.ask("api/token", "PUT", **{LIFE_HEADER: life})


@pytest.fixture
def read(emulator):
    return Reader(emulator)


def of_eni(mac, name):
    return f"meta-data/network/interfaces/macs/{mac}/{name}"


def test_facts_of_the_instance(read):
    facts = {
        "instance-id": "i-1",
        "instance/instance-type": "ecs.g7.xlarge",
        "region-id": "cn-hangzhou",
        "zone-id": "cn-hangzhou-h",
        "vpc-id": "vpc-1",
        "vpc-cidr-block": "192.168.0.0/16",
        "vswitch-id": "vsw-h",
        "vswitch-cidr-block": "192.168.0.0/24",
        "mac": FIRST,
        "private-ipv4": "192.168.0.11",
        "owner-account-id": "1000000000000001",
        "network-type": "vpc",
    }
    assert {name: read(f"meta-data/{name}") for name in facts} == facts
    document = json.loads(read("dynamic/instance-identity/document"))
    assert (document["instance-id"], document["instance-type"], document["mac"]) == ("i-1", "ecs.g7.xlarge", FIRST)


def test_facts_of_an_eni(call, read):
    eni = call.eni(SecondaryPrivateIpAddressCount=1, Ipv6AddressCount=2)
    mac = call.shown(eni)["MacAddress"]
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert read("meta-data/network/interfaces/macs/") == f"{FIRST}/\n{mac}/"
    assert read(of_eni(mac, "network-interface-id")) == eni
    assert read(of_eni(mac, "primary-ip-address")) == "192.168.0.1"
    assert json.loads(read(of_eni(mac, "private-ipv4s"))) == ["192.168.0.1", "192.168.0.2"]
    assert read(of_eni(mac, "ipv6s")) == "[2001:db8:1::1,2001:db8:1::2]"
    assert (read(of_eni(mac, "gateway")), read(of_eni(mac, "netmask"))) == ("192.168.0.253", "255.255.255.0")
    assert read(of_eni(mac, "ipv6-gateway")) == "2001:db8:1:0:ffff:ffff:ffff:fffd"
    assert read(of_eni(mac, "vswitch-ipv6-cidr-block")) == "2001:db8:1::/64"
    assert read.ask(of_eni(FIRST, "ipv6s"))[0] == 404


def test_directories_list_what_is_in_them(read):
    assert read("meta-data/instance") == "instance-type"
    assert {"instance-id", "network/", "ram/", "instance/"} <= set(read("meta-data/").split("\n"))
    assert read.ask("meta-data/none")[0] == read.ask("user-data")[0] == 404


def test_metadata_is_that_of_whoever_asks(emulator):
    assert Reader(emulator, "192.168.1.12")("meta-data/instance-id") == "i-2"
    assert Reader(emulator, "192.168.9.9").ask("meta-data/instance-id")[0] == 404
    assert Reader(emulator, "10.0.0.11").ask("meta-data/instance-id")[0] == 404, "an ENS instance has none"


def test_a_secondary_address_tells_its_instance_too(emulator, call):
    call("ecs", "AssignPrivateIpAddresses", NetworkInterfaceId="eni-000001", PrivateIpAddress=["192.168.0.50"])
    assert Reader(emulator, "192.168.0.50")("meta-data/instance-id") == "i-1"


class TestTokens:
    @pytest.fixture
    def site(self, site):
        first, *others = site.instances
        return site.model_copy(update={"instances": (first.model_copy(update={"hardened_metadata": True}), *others)})

    @pytest.fixture
    def wall(self):
        return [NOW]

    @pytest.fixture
    def read(self, site, clock, wall):
        return Reader(Emulator(site, clock=clock.now, wall=lambda: wall[0]))

    def test_in_hardened_mode_one_is_needed_until_it_is_too_old(self, read, wall):
        assert read.ask("meta-data/instance-id")[0] == 401
        status, token = read.token("60")
        assert status == 200
        assert read("meta-data/instance-id", **{TOKEN_HEADER: token}) == "i-1"
        wall[0] += 59
        assert read("meta-data/instance-id", **{TOKEN_HEADER: token}) == "i-1"
        wall[0] += 1
        assert read.ask("meta-data/instance-id", **{TOKEN_HEADER: token})[0] == 401

    def test_one_of_another_instance_or_made_up_is_none(self, read):
        other = Reader(read.emulator, "192.168.1.12")
        _, token = other.token()
        assert read.ask("meta-data/mac", **{TOKEN_HEADER: token})[0] == 401
        assert read.ask("meta-data/mac", **{TOKEN_HEADER: "x"})[0] == 401
        assert other.ask("meta-data/mac", **{TOKEN_HEADER: "x"})[0] == 401, "a bad token is worse than none"
        assert other("meta-data/instance-id") == "i-2"

    @pytest.mark.parametrize("life", ["", "0", "21601", "-1", "many", "²"])
    def test_a_life_that_is_none(self, read, life):
        assert read.token(life)[0] == 400

    def test_the_verb_matters(self, read):
        assert read.ask("api/token", "GET", **{LIFE_HEADER: "60"})[0] == 405
        assert read.ask("meta-data/mac", "PUT")[0] == 405


class TestCredentials:
    @pytest.fixture
    def wall(self):
        return [NOW]

    @pytest.fixture
    def emulator(self, site, clock, wall):
        pace = Pace(role_credentials=7200)
        return Emulator(site.model_copy(update={"pace": pace}), clock=clock.now, wall=lambda: wall[0])

    def may_call(self, emulator, credentials, wall):
        pairs = [
            ("Action", "DescribeInstances"),
            ("Version", "2014-05-26"),
            ("RegionId", "cn-hangzhou"),
            ("Format", "JSON"),
            ("AccessKeyId", credentials["AccessKeyId"]),
            ("SecurityToken", credentials["SecurityToken"]),
            ("Timestamp", utc(wall)),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", f"{wall}{credentials['AccessKeyId']}"),
        ]
        signature = sign(credentials["AccessKeySecret"], string_to_sign("POST", pairs))
        return emulator.handle(Request("POST", (*pairs, ("Signature", signature)))).code

    def test_new_ones_appear_half_an_hour_early_and_both_work_meanwhile(self, emulator, read, wall):
        assert read("meta-data/ram/security-credentials/") == "edge-node"
        old = json.loads(read(ROLE))
        assert (old["Code"], old["Expiration"]) == ("Success", utc(NOW + 7200))
        wall[0] = NOW + 5399
        assert json.loads(read(ROLE))["AccessKeyId"] == old["AccessKeyId"]
        wall[0] = NOW + 5400
        new = json.loads(read(ROLE))
        assert (new["Expiration"], new["AccessKeyId"] == old["AccessKeyId"]) == (utc(NOW + 5400 + 7200), False)
        assert self.may_call(emulator, old, wall[0]) == self.may_call(emulator, new, wall[0]) == ""
        wall[0] = NOW + 7200
        assert self.may_call(emulator, old, wall[0]) == "InvalidSecurityToken.Expired"
        assert self.may_call(emulator, new, wall[0]) == ""

    def test_another_role_or_none_is_not_there(self, emulator, read):
        assert read.ask("meta-data/ram/security-credentials/other")[0] == 404
        assert Reader(emulator, "192.168.1.12")(ROLE)


class TestLag:
    def test_a_change_shows_after_the_lag(self, site, clock):
        call = Caller(Emulator(site.model_copy(update={"pace": Pace(metadata_lag=10)}), clock=clock.now))
        read = Reader(call.emulator)
        path = of_eni(FIRST, "private-ipv4s")
        for address in "192.168.0.50", "192.168.0.51":
            call("ecs", "AssignPrivateIpAddresses", NetworkInterfaceId="eni-000001", PrivateIpAddress=[address])
            clock.advance(6)
        assert json.loads(read(path)) == ["192.168.0.11", "192.168.0.50"]
        clock.advance(4)
        assert json.loads(read(path)) == ["192.168.0.11", "192.168.0.50", "192.168.0.51"]

    def test_what_was_there_from_the_start_shows_at_once(self, site, clock):
        emulator = Emulator(site.model_copy(update={"pace": Pace(metadata_lag=10)}), clock=clock.now)
        assert Reader(emulator, "192.168.1.12")("meta-data/instance-id") == "i-2"

    def test_an_eni_shows_when_it_is_in_use(self, site, clock):
        call = Caller(Emulator(site.model_copy(update={"pace": Pace(attach=Delay(seconds=5))}), clock=clock.now))
        read = Reader(call.emulator)
        call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=call.eni())
        assert read("meta-data/network/interfaces/macs/") == f"{FIRST}/"
        clock.advance(5)
        assert read("meta-data/network/interfaces/macs/").count("\n") == 1


def test_faults_of_metadata_are_its_own(emulator, read, call):
    faults = [{"kind": "throttle", "action": "metadata:GET", "status": 429, "calls": [1]}, {"kind": "throttle"}]
    emulator.load_faults(Script.model_validate({"faults": faults}))
    assert read.ask("meta-data/mac")[0] == 429
    assert read("meta-data/mac") == FIRST
    assert emulator.log.total == 0
    assert [each.parameters["path"] for each in emulator.metadata_log.calls()] == ["/latest/meta-data/mac"] * 2


def test_by_http_on_a_port_of_one_instance(emulator):
    with Server(emulator, listen(), instance="i-2") as server:
        connection = http.client.HTTPConnection(server.endpoint, timeout=5)
        connection.request("PUT", "/latest/api/token", headers={LIFE_HEADER.title(): "60"})
        token = connection.getresponse().read().decode()
        connection.request("GET", "/latest/meta-data/instance-id", headers={TOKEN_HEADER.title(): token})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"i-2")
        connection.close()


def test_an_instance_that_was_released_has_no_metadata(emulator, read):
    with emulator.outside() as outside:
        outside.release_instance("i-1")
    assert read.ask("meta-data/mac")[0] == 404


def test_the_gateway_is_not_one_of_the_usable_addresses(call, read):
    gateway = Prefix.parse(read(of_eni(FIRST, "gateway")) + "/32").address
    asked = {"NetworkInterfaceId": "eni-000001", "PrivateIpAddress": [str(gateway)]}
    assert call.refused("ecs", "AssignPrivateIpAddresses", **asked) == ("InvalidVSwitchId.IpInvalid", 403)
