"""Servers of the lab: what agents are told of them, and what happens when they go."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from terway_edge.lab.api_client import ApiClient
from terway_edge.lab.api_cluster import write_kubeconfig
from terway_edge.lab.api_server import ApiServer, DoubleServer, GivenServer, current_cluster
from terway_edge.lab.clouds import CONTROL_ADDRESS, control_plane
from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch, make_namespaces
from terway_edge.testing import apiserver

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}


@pytest.fixture
def netns(layout: Layout, processes: Processes) -> str:
    """The control plane's host, as far as it takes part here."""
    name = control_plane(layout).netns
    make_namespaces([name], processes)
    batch(name, [f"address add {CONTROL_ADDRESS}/32 dev lo"], processes)
    layout.api.mkdir()
    return name


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def client(layout: Layout, server: ApiServer, netns: str, closing: ExitStack) -> ApiClient:
    """An agent's way: by the door, with the administrator's token."""
    path = layout.api / "agent.kubeconfig"
    token = yaml.safe_load(server.kubeconfig.read_text())["users"][0]["user"]["token"]
    write_kubeconfig(path, server.door(), token)
    made = ApiClient(path, netns)
    closing.callback(made.close)
    return made


@pytest.mark.root
def test_the_double_tells_what_was_asked_and_comes_back_with_everything(
    layout: Layout, processes: Processes, netns: str, closing: ExitStack
) -> None:
    server = DoubleServer(layout, processes)
    server.start()
    closing.callback(server.stop)
    server.wait_ready()
    agent = client(layout, server, netns, closing)
    agent.put(NODE)
    server.back_up()
    agent.put({**NODE, "metadata": {"name": "n2"}})
    server.cut()
    with pytest.raises(LabError, match="Connection refused"):
        agent.items("/api/v1/nodes")
    server.mend()
    assert [each["metadata"]["name"] for each in agent.items("/api/v1/nodes")] == ["n1", "n2"]
    with pytest.raises(LabError, match="answers 400"):
        agent.put({**NODE, "spec": "no spec"})
    server.restore()
    assert [each["metadata"]["name"] for each in agent.items("/api/v1/nodes")] == ["n1"]
    report = server.report()
    assert (report.calls["create nodes"], report.calls["list nodes"], report.forbidden) == (3, 2, [])
    assert [told.split(":")[0] for told in report.malformed] == ["kubernetes-admin"]


@pytest.mark.root
def test_a_given_server_is_shown_to_the_labs_network(
    layout: Layout, processes: Processes, netns: str, closing: ExitStack
) -> None:
    """With its certificate, which is not for the address at which agents find it."""
    api, certificate = apiserver.ApiServer(), apiserver.self_signed("127.0.0.1")
    given = closing.enter_context(apiserver.Server(api, apiserver.listen(), certificate.context()))
    kubeconfig = layout.root / "given.kubeconfig"
    apiserver.write_kubeconfig(kubeconfig, given.url, token="any", authority=certificate.certificate)
    server = GivenServer(kubeconfig, layout, processes)
    server.start()
    closing.callback(server.stop)
    server.wait_ready()
    agent = client(layout, server, netns, closing)
    agent.put(NODE)
    assert [each["metadata"]["name"] for each in api.objects.list("Node")] == ["n1"]
    server.cut()
    with pytest.raises(LabError, match="Connection refused"):
        agent.items("/api/v1/nodes")
    server.mend()
    assert agent.get("/api/v1/nodes/n1") is not None
    assert server.report() is None


def kubeconfig(path: Path, **cluster: Any) -> Path:
    write_kubeconfig(path, cluster, "t")
    return path


def test_a_door_keeps_the_name_that_the_certificate_is_for(layout: Layout, processes: Processes) -> None:
    path = kubeconfig(layout.root / "a", server="https://api.example.com", **{"insecure-skip-tls-verify": True})
    assert GivenServer(path, layout, processes).door() == {
        "server": "https://192.168.2.10:6443",
        "tls-server-name": "api.example.com",
        "insecure-skip-tls-verify": True,
    }
    path = kubeconfig(layout.root / "b", server="https://192.0.2.1:8443", **{"tls-server-name": "kubernetes"})
    assert GivenServer(path, layout, processes).door()["tls-server-name"] == "kubernetes"
    path = kubeconfig(layout.root / "c", server="http://127.0.0.1:8001")
    assert GivenServer(path, layout, processes).door() == {"server": "http://192.168.2.10:6443"}


def test_an_authority_in_a_file_is_taken_along(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"PEM")
    path = kubeconfig(tmp_path / "kubeconfig", server="https://a", **{"certificate-authority": "ca.crt"})
    assert base64.b64decode(current_cluster(path)["certificate-authority-data"]) == b"PEM"


@pytest.mark.parametrize("text", ["", "clusters: []", "{not yaml", "current-context: c\ncontexts: []"])
def test_a_kubeconfig_of_no_use(text: str, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(LabError, match="cannot be used"):
        current_cluster(tmp_path / "kubeconfig")
