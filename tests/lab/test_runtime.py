"""The runtime against a plugin that writes down what it was given and answers as told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.pods import LabPod, lab_pod
from terway_edge.lab.processes import Processes
from terway_edge.lab.runtime import CniError, Runtime, load_network

PLUGIN = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
(here / "seen").write_text(json.dumps({{"environ": dict(os.environ), "stdin": json.load(sys.stdin)}}))
sys.stdout.write((here / "answer").read_text())
sys.exit(int((here / "status").read_text()))
"""
CONFLIST = {
    "name": "edge",
    "cniVersion": "1.0.0",
    "cniVersions": ["0.4.0", "1.0.0", "1.1.0", "9.0.0"],
    "plugins": [
        {"type": "terway-edge", "capabilities": {"io.kubernetes.cri.pod-annotations": True, "bandwidth": False}}
    ],
}
RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.64.1.2/32"}, {"address": "fd00::2/128"}]}


class Plugin:
    """The scripted plugin of one node directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("bin", "net.d"):
            (directory / name).mkdir()
        path = directory / "bin" / "terway-edge"
        path.write_text(PLUGIN)
        path.chmod(0o755)
        self.publish(CONFLIST)
        self.answer("")

    def publish(self, content: object) -> None:
        (self.directory / "net.d" / "10-terway-edge.conflist").write_text(json.dumps(content))

    def answer(self, text: str, status: int = 0) -> None:
        (self.directory / "bin" / "answer").write_text(text)
        (self.directory / "bin" / "status").write_text(str(status))

    @property
    def seen(self) -> dict[str, Any]:
        return json.loads((self.directory / "bin" / "seen").read_text())


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    directory = tmp_path / "node-1"
    directory.mkdir()
    return Plugin(directory)


@pytest.fixture
def runtime(plugin: Plugin, processes: Processes) -> Runtime:
    return Runtime("", plugin.directory, processes)


@pytest.fixture
def pod(layout: Layout) -> LabPod:
    return lab_pod(layout, lab_node(layout, 1), 2)


def test_add_passes_identity_and_configuration(plugin: Plugin, runtime: Runtime, pod: LabPod) -> None:
    plugin.answer(json.dumps(RESULT))
    runtime.add(pod)
    environ, stdin = plugin.seen["environ"], plugin.seen["stdin"]
    assert environ["CNI_COMMAND"] == "ADD"
    assert environ["CNI_NETNS"] == f"/run/netns/{pod.netns}"
    assert (environ["CNI_CONTAINERID"], environ["CNI_IFNAME"]) == (pod.container_id, "eth0")
    assert environ["CNI_ARGS"].split(";")[:3] == [
        "IgnoreUnknown=1",
        "K8S_POD_NAMESPACE=default",
        "K8S_POD_NAME=pod-1-2",
    ]
    assert environ["TERWAY_EDGE_RUN"] == str(plugin.directory / "run")
    assert (stdin["name"], stdin["cniVersion"], stdin["type"]) == ("edge", "1.1.0", "terway-edge")
    assert list(stdin["runtimeConfig"]) == ["io.kubernetes.cri.pod-annotations"]
    assert "capabilities" not in stdin
    assert "prevResult" not in stdin
    assert pod.addresses == ["10.64.1.2", "fd00::2"]
    assert (pod.address(4), pod.address(6)) == ("10.64.1.2", "fd00::2")


@pytest.mark.parametrize("command", ["CHECK", "DEL"])
def test_check_and_delete_bring_the_result_back(plugin: Plugin, runtime: Runtime, pod: LabPod, command: str) -> None:
    pod.result = RESULT
    {"CHECK": runtime.check, "DEL": runtime.delete}[command](pod)
    assert plugin.seen["environ"]["CNI_COMMAND"] == command
    assert plugin.seen["stdin"]["prevResult"] == RESULT


def test_status_names_no_sandbox(plugin: Plugin, runtime: Runtime) -> None:
    runtime.status()
    assert plugin.seen["environ"]["CNI_COMMAND"] == "STATUS"
    assert "CNI_CONTAINERID" not in plugin.seen["environ"]
    assert "runtimeConfig" not in plugin.seen["stdin"]


def test_a_refusal_carries_its_code_and_the_log(plugin: Plugin, runtime: Runtime, pod: LabPod) -> None:
    plugin.answer(json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": "no address", "details": "pool is empty"}), 1)
    with pytest.raises(CniError, match="CNI ADD of pod-1-2 failed with code 100: no address: pool is empty") as caught:
        runtime.add(pod)
    assert caught.value.code == 100
    assert caught.value.look_at == str(plugin.directory / "agent.log")


@pytest.mark.parametrize("answer", ["", "killed", "[]", '{"code": "x", "msg": "y"}'])
def test_a_failure_without_a_cni_error_is_told_as_it_is(
    plugin: Plugin, runtime: Runtime, pod: LabPod, answer: str
) -> None:
    plugin.answer(answer, 1)
    with pytest.raises(CniError, match="not a CNI error"):
        runtime.check(pod)


def test_ready_only_when_published_and_status_is_good(plugin: Plugin, runtime: Runtime) -> None:
    assert runtime.ready()
    plugin.answer(json.dumps({"code": 50, "msg": "starting"}), 1)
    assert not runtime.ready()
    (plugin.directory / "net.d" / "10-terway-edge.conflist").unlink()
    plugin.answer("")
    assert not runtime.ready()


@pytest.mark.parametrize(
    "content", [[], {}, {"name": "x"}, CONFLIST | {"plugins": []}, CONFLIST | {"cniVersions": ["a"]}]
)
def test_a_malformed_configuration_is_named(plugin: Plugin, content: object) -> None:
    plugin.publish(content)
    with pytest.raises(LabError, match=r"10-terway-edge\.conflist is no CNI configuration list"):
        load_network(plugin.directory / "net.d")
