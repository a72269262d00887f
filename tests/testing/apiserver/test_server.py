"""Over HTTP and HTTPS, and from the command line."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import closing
from threading import Thread

import pytest
import yaml

from terway_edge.testing.apiserver import ApiServer, Server, listen, self_signed, write_kubeconfig
from tests.testing.apiserver.manifests import LINKS, NODES, crd, link, node
from tests.testing.apiserver.real_cluster import wire_of
from tests.testing.apiserver.wire import Wire

PATIENCE = 20


def test_many_requests_on_one_connection(server):
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=5)) as connection:
        connection.connect()
        port = connection.sock.getsockname()[1]
        for _ in range(20):
            connection.request("GET", NODES)
            assert connection.getresponse().read().startswith(b'{"kind":"NodeList"')
            assert connection.sock.getsockname()[1] == port


def test_large_answers_are_packed_if_the_client_likes(api, wire):
    api.objects.put(node("a") | {"metadata": {"name": "a", "annotations": {"x": "y" * 200_000}}})
    packed = wire.get(NODES, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = wire.get(NODES)
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body


def test_chunked_bodies_and_heads(server, api):
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=5)) as connection:
        pieces = iter([json.dumps(node("a")).encode()[:20], json.dumps(node("a")).encode()[20:]])
        connection.request("POST", NODES, pieces, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().read().startswith(b'{"apiVersion"')
        connection.request("HEAD", f"{NODES}/a")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    assert api.objects.get("Node", "a")


def test_bodies_too_large_are_refused(server):
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=5)) as connection:
        connection.putrequest("POST", NODES)
        connection.putheader("Content-Length", str(10**9))
        connection.endheaders()
        assert connection.getresponse().status == 400


def test_writers_at_once_lose_nothing(api, server):
    """Each increments one number with optimistic locking."""
    api.objects.put(link(number=1))

    def work():
        wire, done = Wire(server.url), 0
        while done < 10:
            body = wire.get(f"{LINKS}/one").json
            body["spec"]["number"] += 1
            done += wire.put(f"{LINKS}/one", body).status == 200

    threads = [Thread(target=work) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
    assert api.objects.get("Link", "one")["spec"]["number"] == 51


def test_https(tmp_path):
    pytest.importorskip("cryptography")
    api, certificate = ApiServer(), self_signed("127.0.0.1", "localhost")
    api.objects.put(crd())
    with Server(api, listen(), certificate.context()) as server:
        path = tmp_path / "kubeconfig"
        write_kubeconfig(path, server.url, authority=certificate.certificate)
        assert path.stat().st_mode & 0o777 == 0o600
        wire = wire_of(str(path))
        assert wire.post(LINKS, link()).status == 201
        with wire.watch(LINKS, resourceVersion="0") as stream:
            assert stream.named() == ("ADDED", "one")
        with pytest.raises(ssl.SSLError):
            Wire(server.url, context=ssl.create_default_context()).get(NODES)
        with wire.watch(LINKS) as stream:
            api.watches.wait(1)
            start = time.monotonic()
            server.away()
            assert time.monotonic() - start < 5


def test_a_server_that_is_closed_ends_all_at_once(api):
    server = Server(api, listen())
    server.start()
    with Wire(server.url).watch(NODES) as stream:
        api.watches.wait(1)
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 5
        with pytest.raises((ConnectionError, http.client.IncompleteRead, ValueError)):
            stream.next()


def test_the_command(tmp_path):
    config, port = tmp_path / "kubeconfig", tmp_path / "port"
    manifest = tmp_path / "objects.yaml"
    manifest.write_text(yaml.safe_dump_all([crd(), link(), node("a")]))
    faults = tmp_path / "faults.yaml"
    faults.write_text("faults: [{kind: throttle, verb: list, resource: nodes}]")
    command = [sys.executable, "-m", "terway_edge.testing.apiserver", "--rbac", "--kubeconfig", config]
    command += ["--port-file", port, "--manifests", manifest, "--faults", faults]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.endswith(f":{port.read_text().strip()}")
            wire = wire_of(str(config))
            assert wire.get(f"{LINKS}/one").status == 200
            assert wire.get(NODES).status == 429
            assert Wire(url).get(LINKS).status == 401
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("--faults", "faults: [{kind: odd}]", "odd"),
        ("--manifests", "{apiVersion: v1, kind: Node, metadata: {name: A}}", "RFC 1123"),
        ("--manifests", "a: [", "error"),
    ],
)
def test_files_with_mistakes(tmp_path, name, text, complaint):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "terway_edge.testing.apiserver", name, file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ, check=False)
    assert (done.returncode, complaint in done.stderr) == (1, True), done.stderr
