"""T17: every CNI version that we speak, by the real shim: results of its shape, and verbs from the version they came
with."""

import json

import pytest

from terway_edge.cni.versions import VERSIONS
from tests.cni.schemas import ERROR, problems, result_problems
from tests.system.machine import CONF

pytestmark = [pytest.mark.root, pytest.mark.slow]

SINCE = {"ADD": "0.3.0", "CHECK": "0.4.0", "DEL": "0.3.0", "GC": "1.1.0", "STATUS": "1.1.0"}
BEFORE = {"interfaces": [{"name": "net0", "sandbox": "/run/netns/elsewhere"}], "ips": [], "routes": []}


@pytest.fixture
def machine(shared):
    return shared


def exists(command, version):
    return VERSIONS.index(version) >= VERSIONS.index(SINCE[command])


@pytest.mark.parametrize("chained", [False, True])
def test_t17_each_version_is_spoken_as_it_is_written(machine, chained):
    pod = machine.new_pod()
    for version in VERSIONS:
        conf = {**json.loads(CONF), "cniVersion": version}
        conf |= {"prevResult": {"cniVersion": version, **BEFORE}} if chained else {}
        status, result = machine.cni("ADD", pod, conf=json.dumps(conf))
        assert status == 0, result
        assert result_problems(result, version) == []
        assert [result["interfaces"][ip["interface"]]["name"] for ip in result["ips"]] == ["eth0"]
        conf["prevResult"] = result
        conf["cni.dev/valid-attachments"] = [{"containerID": pod, "ifname": "eth0"}]
        for command in ("CHECK", "GC", "STATUS", "DEL"):
            status, error = machine.cni(command, pod, conf=json.dumps(conf))
            if exists(command, version):
                assert (status, error) == (0, None), (command, version)
            else:
                assert (status, error["code"]) == (1, 1), (command, version)
                assert problems(error, ERROR) == []
                assert error["cniVersion"] == version
    for version in ("0.1.0", "0.2.0", "1.2.0", "2.0.0"):
        for command in SINCE:
            status, error = machine.cni(command, pod, conf=json.dumps({**json.loads(CONF), "cniVersion": version}))
            assert (status, error["code"]) == (1, 1), (command, version)
            assert all(spoken in error["details"] for spoken in VERSIONS)
