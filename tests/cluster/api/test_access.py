"""How the API server is reached, and as whom."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from terway_edge.agent.sources import open_source
from terway_edge.cluster.api.failures import ApiError, UnreachableError
from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.core.config import Settings, load
from terway_edge.core.errors import Refused
from terway_edge.testing.apiserver import (
    ApiServer,
    Certificate,
    Server,
    listen,
    self_signed,
    service_account,
    write_kubeconfig,
)
from tests.cluster.api.rig import FAST

CERTIFICATE = self_signed("127.0.0.1")
AGENT = service_account("kube-system", "agent")


class Pod:
    """What a Pod finds: an API server by its environment, and the files of its ServiceAccount."""

    def __init__(self, directory: Path) -> None:
        self.api = ApiServer()
        self.server = Server(self.api, listen(), CERTIFICATE.context())
        self.server.start()
        self.files = directory / "serviceaccount"
        self.files.mkdir()
        (self.files / "ca.crt").write_bytes(CERTIFICATE.certificate)
        self.rotate()
        self.environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.server.port)}

    def rotate(self) -> None:
        (self.files / "token").write_text(self.api.tokens.add(AGENT))

    def transport(self) -> Transport:
        return Transport(lambda: open_client(None, "ua", self.files, self.environ), FAST)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    found = Pod(tmp_path)
    yield found
    found.server.close()


def test_a_pod_uses_its_service_account(pod: Pod) -> None:
    async def ask() -> bytes:
        transport = pod.transport()
        try:
            return await transport.get("/api/v1/nodes")
        finally:
            await transport.close()

    assert b'"NodeList"' in asyncio.run(ask())
    assert [record.user for record in pod.api.log.calls("list nodes")] == ["system:serviceaccount:kube-system:agent"]


def test_a_token_that_was_rotated_is_read_as_soon_as_the_old_one_is_refused(pod: Pod) -> None:
    """Requests under way with the old one are left to end."""

    async def ask() -> list[int]:
        transport = pod.transport()
        answers = []
        try:
            await transport.get("/api/v1/nodes")
            pod.api.tokens.revoke((pod.files / "token").read_text())
            pod.rotate()
            for _ in range(2):
                found = await asyncio.gather(
                    *(transport.get("/api/v1/nodes") for _ in range(5)), return_exceptions=True
                )
                answers += [each.status if isinstance(each, ApiError) else len(each) and 200 for each in found]
        finally:
            await transport.close()
        return answers

    assert asyncio.run(ask()) == [401] * 5 + [200] * 5


def test_a_certificate_of_another_authority_is_not_trusted(pod: Pod) -> None:
    (pod.files / "ca.crt").write_bytes(self_signed("127.0.0.1").certificate)

    async def ask() -> None:
        transport = pod.transport()
        try:
            with pytest.raises(UnreachableError, match="certificate verify failed"):
                await transport.get("/api/v1/nodes")
            (pod.files / "ca.crt").write_bytes(CERTIFICATE.certificate)
            await transport.get("/api/v1/nodes")  # read again
        finally:
            await transport.close()

    asyncio.run(ask())


def test_trap_17_a_pods_proxy_is_not_the_clusters_and_python_is_not_stricter_than_others(pod: Pod) -> None:
    async def look() -> tuple[object, int]:
        client = await open_client(None, "ua", pod.files, pod.environ)
        flags = client.rest_client.ssl_context.verify_flags
        await client.close()
        return client.configuration.client_session_kwargs, flags & ssl.VERIFY_X509_STRICT

    assert asyncio.run(look()) == ({"trust_env": False}, 0)


@pytest.mark.parametrize("missing", ["token", "ca.crt", "environment"])
def test_without_service_account_there_is_nothing_to_ask_with(pod: Pod, missing: str) -> None:
    if missing == "environment":
        pod.environ = {}
    else:
        (pod.files / missing).unlink()
    with pytest.raises(Refused, match=f"{pod.files}: .*; run the agent in a Pod .* or set cluster.kubeconfig"):
        asyncio.run(open_client(None, "ua", pod.files, pod.environ))


ASK = """
import asyncio, json, os, sys
from pathlib import Path
from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport

written = []
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        written.append(arguments[0])
sys.addaudithook(note)

async def ask(path):
    transport = Transport(lambda: open_client(path, "ua"), Timing())
    answer = await transport.get("/api/v1/nodes")
    await transport.close()
    return json.loads(answer)["kind"]

told = [asyncio.run(ask(Path(sys.argv[1]))) for _ in range(2)]
links = [os.readlink(entry) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry)]
print(json.dumps([told, written, [link for link in links if "memfd" in link]]))
"""


@pytest.mark.parametrize("user", ["inside", "told by a program"])
def test_what_a_kubeconfig_has_inside_gets_on_no_disk(tmp_path: Path, user: str) -> None:
    """TLS of the standard library reads certificates and keys from files, and whoever is killed removes none."""
    own = self_signed("agent")
    mutual = CERTIFICATE.context()
    mutual.verify_mode = ssl.CERT_REQUIRED
    mutual.load_verify_locations(cadata=own.certificate.decode())
    server = Server(ApiServer(), listen(), mutual)
    server.start()
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, server.url, authority=CERTIFICATE.certificate)
    document = yaml.safe_load(path.read_text())
    document["users"][0]["user"] = as_program(tmp_path, own) if user != "inside" else as_text(own)
    path.write_text(yaml.safe_dump(document))
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        found = subprocess.run(
            [sys.executable, "-c", ASK, str(path)], capture_output=True, text=True, env=environ, check=True
        )
    finally:
        server.close()
    told, written, open_memory = json.loads(found.stdout)
    assert told == ["NodeList"] * 2
    assert [each for each in written if each != os.devnull] == []
    assert open_memory == []


def as_text(own: Certificate) -> dict[str, object]:
    return {
        "client-certificate-data": b64encode(own.certificate).decode(),
        "client-key-data": b64encode(own.key).decode(),
    }


def as_program(directory: Path, own: Certificate) -> dict[str, object]:
    version = "client.authentication.k8s.io/v1"
    status = {"clientCertificateData": own.certificate.decode(), "clientKeyData": own.key.decode()}
    said = directory / "credential.json"
    said.write_text(json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status}))
    return {"exec": {"apiVersion": version, "command": "cat", "args": [str(said)]}}


def test_credentials_that_are_missing_are_no_reason_to_forget_the_cache(pod: Pod, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    token = (pod.files / "token").read_text()
    write_kubeconfig(path, pod.server.url, token=token, authority=CERTIFICATE.certificate)
    source = KubernetesApi("n1", tmp_path / "state", path, "1", FAST)
    source.load()
    source.close()
    path.rename(tmp_path / "elsewhere")
    source = KubernetesApi("n1", tmp_path / "state", path, "1", replace(FAST, grace=0.0))
    try:
        assert source.load().in_sync
    finally:
        source.close()


def settings(tmp_path: Path, **cluster: str) -> Settings:
    return load({"node_name": "n1", "state_dir": str(tmp_path / "state"), "cluster": cluster}, {})


def test_the_settings_choose_the_source(tmp_path: Path) -> None:
    with ExitStack() as closing:
        assert isinstance(open_source(settings(tmp_path), closing), ManifestDirectory)
        chosen = settings(tmp_path, source="api", kubeconfig=str(tmp_path / "missing"))
        source = open_source(chosen, closing)
        assert isinstance(source, KubernetesApi)
        with pytest.raises(Refused, match=r"missing: .*No such file.*set cluster.kubeconfig"):
            source.load()


def test_an_agent_with_manifests_imports_nothing_of_the_api() -> None:
    program = (
        "import sys, terway_edge.agent.process, terway_edge.agent.uninstall\n"
        "names = 'kubernetes', 'aiohttp', 'msgspec', 'terway_edge.cluster.api'\n"
        "print([name for name in names if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout == "[]\n"
