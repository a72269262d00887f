"""One call through the SDK: deadlines, encryption, answers that are none, and what its errors say."""

from __future__ import annotations

import datetime
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from terway_edge.cloud import requests
from terway_edge.cloud.credentials import Credentials, of_texts
from terway_edge.cloud.settings import CloudSettings
from terway_edge.cloud.transport import SdkTransport, known_endpoint
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.example import REGION
from tests.cloud.rig import OddApi, call, local

ASK = {"action": requests.ECS_INSTANCES, "InstanceIds": ["i-1"]}


def ask(sender, time_, **more):
    return call(sender, time_, **{**ASK, **more})


@pytest.fixture
def sender(world, new_sender):
    return new_sender(world.time, world.server.endpoint)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"Code"', b"null", b"<html>", b"", b"\xff\xfe", b'{"Code"'])
@pytest.mark.parametrize("status", [200, 400, 404, 502])
def test_a_body_that_is_no_answer_tells_nothing(new_sender, time_, body, status):
    with Server(OddApi(body, status), listen()) as server:
        sender = new_sender(time_, server.endpoint)
        with pytest.raises(CloudError) as caught:
            ask(sender, time_)
    assert caught.value.cause is Cause.UNAVAILABLE
    assert caught.value.action == "DescribeInstances"
    assert caught.value.__context__ is None


def test_a_redirect_is_not_followed(new_sender, time_):
    with Server(OddApi(b"{}", 302), listen()) as server:
        sender = new_sender(time_, server.endpoint)
        with pytest.raises(CloudError):
            ask(sender, time_)


def test_who_refuses_connections_is_named(new_sender, time_):
    sender = new_sender(time_, "127.0.0.1:9")
    with pytest.raises(CloudError) as caught:
        ask(sender, time_)
    assert (
        str(caught.value) == "ecs:DescribeInstances: 127.0.0.1:9 refuses connections; check endpoint, port and firewall"
    )


def test_a_name_that_does_not_resolve_is_told(new_sender, time_):
    sender = new_sender(time_, "ecs.invalid")
    with pytest.raises(CloudError) as caught:
        ask(sender, time_)
    assert "check DNS" in str(caught.value)


def test_the_deadline_bounds_the_wait(world, sender):
    world.faults({"action": "*", "kind": "slow", "seconds": 5})
    began = time.monotonic()
    with pytest.raises(CloudError) as caught:
        sender.send(requests.ECS_INSTANCES.request({}), world.time.clock.now() + 0.3)
    assert time.monotonic() - began < 2
    assert "did not answer in time" in str(caught.value)


def test_after_the_deadline_nothing_is_sent(world, sender):
    with pytest.raises(CloudError, match="its deadline is over"):
        sender.send(requests.ECS_INSTANCES.request({}), world.time.clock.now())
    assert world.emulator.log.total == 0


def test_the_user_agent_tells_whose_calls_these_are(new_sender, time_):
    api = OddApi(b"{}")
    with Server(api, listen()) as server:
        sender = new_sender(time_, server.endpoint)
        assert any("terway-edge/" in value for value in _headers(sender, time_))


def _headers(sender, time_):
    """As the SDK gives them to its HTTP library."""
    seen = []
    session = sender._client.session
    send = session.send

    def spy(request, **options):
        seen.extend(request.headers.values())
        return send(request, **options)

    session.send = spy
    ask(sender, time_)
    return seen


def test_a_netrc_file_adds_no_password(new_sender, time_, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server(OddApi(b"{}"), listen()) as server:
        sender = new_sender(time_, server.endpoint)
        assert not any(isinstance(each, str) and each.startswith("Basic") for each in _headers(sender, time_))


def test_calls_go_through_the_proxy_that_is_set(new_sender, world):
    sender = new_sender(world.time, "ecs.invalid", proxy=f"http://{world.server.endpoint}")
    assert ask(sender, world.time)["Instances"]


def test_a_dead_proxy_is_told(new_sender, time_):
    sender = new_sender(time_, "ecs.invalid", proxy="http://127.0.0.1:9")
    with pytest.raises(CloudError) as caught:
        ask(sender, time_)
    assert caught.value.cause is Cause.UNAVAILABLE


class Rotating:
    """Credentials of which the first are not good any more."""

    def __init__(self, *keys: Credentials) -> None:
        self._keys = list(keys)
        self.refused: list[Credentials] = []

    def current(self, deadline: float) -> Credentials:
        return self._keys[0]

    def renew(self, refused: Credentials, deadline: float) -> bool:
        self.refused.append(refused)
        if len(self._keys) > 1:
            self._keys.pop(0)
            return True
        return False


@pytest.fixture
def rotating(world, closing):
    def make(*keys: Credentials) -> tuple[SdkTransport, Rotating]:
        settings = CloudSettings(**local(world.server.endpoint))
        provider = Rotating(*keys)
        endpoints = {"ecs": world.server.endpoint}
        sender = SdkTransport(settings, REGION, endpoints, provider, world.time.clock, {})
        closing.callback(sender.close)
        return sender, provider

    return make


def test_a_key_that_was_replaced_is_taken_anew_once(world, rotating):
    old, new = of_texts("gone", "gone"), of_texts("testid", "testsecret")
    sender, provider = rotating(old, new)
    assert ask(sender, world.time)["Instances"]
    assert provider.refused == [old]
    assert [each.code for each in world.emulator.log.calls()] == ["InvalidAccessKeyId.NotFound", ""]


def test_a_key_that_is_refused_and_has_no_other_is_told(world, rotating):
    sender, provider = rotating(of_texts("gone", "gone"))
    with pytest.raises(CloudError) as caught:
        ask(sender, world.time)
    assert caught.value.cause is Cause.DENIED
    assert len(provider.refused) == world.emulator.log.total == 1


def test_what_is_refused_for_another_reason_renews_nothing(world, rotating):
    world.faults({"action": "*", "kind": "error", "code": "Forbidden.RAM", "status": 403})
    sender, provider = rotating(of_texts("testid", "testsecret"))
    with pytest.raises(CloudError) as caught:
        ask(sender, world.time)
    assert "grant ecs:DescribeInstances on * in the RAM policy" in str(caught.value)
    assert provider.refused == []


@pytest.mark.parametrize(
    ("product", "region", "host"),
    [
        (requests.ECS, "cn-hangzhou", "ecs-cn-hangzhou.aliyuncs.com"),
        (requests.ECS, "cn-beijing", "ecs.cn-beijing.aliyuncs.com"),
        (requests.VPC, "cn-hangzhou", "vpc.aliyuncs.com"),
        (requests.VPC, "cn-beijing", "vpc.cn-beijing.aliyuncs.com"),
    ],
)
def test_known_endpoints(product, region, host):
    assert known_endpoint(product, region) == host


def certificate(directory, name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def encrypted(directory, name: str) -> socket.socket:
    """A listener of localhost that shows a certificate for a name."""
    certificate(directory, name, ec.generate_private_key(ec.SECP256R1()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "ca.pem", directory / "key.pem")
    return context.wrap_socket(listen(), server_side=True)


@pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning", "ignore::ResourceWarning")  # both the SDK's
@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("localhost", False), ("elsewhere", True)])
def test_https_with_a_certificate(new_sender, site, time_, tmp_path, name, trusted):
    emulator = Emulator(site)
    with Server(emulator, encrypted(tmp_path, name)) as server:
        endpoint = server.endpoint.replace("127.0.0.1", "localhost")
        bundle = tmp_path / "ca.pem" if trusted else None
        sender = new_sender(time_, endpoint, protocol="https", ca_bundle=bundle)
        if trusted and name == "localhost":
            assert ask(sender, time_)["Instances"]
        else:
            with pytest.raises(CloudError) as caught:
                ask(sender, time_)
            assert caught.value.cause is Cause.UNAVAILABLE
            assert "certificate" in str(caught.value)
            assert emulator.log.total == 0
