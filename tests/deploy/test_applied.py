"""kubectl installs everything on an API server, where the product's own example then works as its page says.

The server is the double (`terway_edge.testing.apiserver`).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from terway_edge.testing.apiserver import ApiServer, Server, listen, write_kubeconfig
from tests.deploy.tools import DEPLOY, kubectl, kustomize

SEED = Path(__file__).parents[1] / "cluster/bgppeer.yaml"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl as an administrator of a new cluster."""
    with Server(ApiServer(), listen("127.0.0.1", 0), None) as server:
        write_kubeconfig(tmp_path / "kubeconfig", server.url)
        environ = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)}

        def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
            command = [kubectl(), *arguments]
            return subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environ)

        yield run


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_everything_is_taken_and_the_second_time_nothing_changes(call: Kubectl) -> None:
    first = good(call("apply", "-k", str(DEPLOY))).splitlines()
    assert len(first) == len(kustomize("."))
    assert all(line.endswith(" created") for line in first)
    second = good(call("apply", "-k", str(DEPLOY))).splitlines()
    assert [line for line in second if not line.endswith(" unchanged")] == []


def test_the_products_own_example(call: Kubectl) -> None:
    good(call("apply", "-f", str(DEPLOY / "crds/bgppeers.yaml")))
    assert good(call("apply", "-f", str(SEED))) == (
        "bgppeer.network.openyurt.io/peer created\nsecret/bgp-secret created\n"
    )
    head, row = good(call("get", "bgppeer", "peer")).splitlines()
    assert head.split() == ["NAME", "LOCALSPEAKERS", "LOCALASNUMBER", "PEERIP", "PEERASNUMBER", "AGE"]
    *fields, age = row.split()
    assert fields == ["peer", '["node-1","node-2"]', "65010", "172.16.0.1", "65001"]
    assert re.fullmatch(r"\d+s", age)
    wide = good(call("get", "bgppeers", "-o", "wide")).splitlines()[0].split()
    assert wide == [*head.split()[:-1], "ESTABLISHED", "REASON", "AGE"]
    assert "Local Speakers:" in good(call("describe", "bgppeers", "peer"))


@pytest.mark.parametrize("definition", ["bgppeers.yaml", "before-1.31/bgppeers.yaml"])
def test_a_mistake_is_told_by_kubectl(call: Kubectl, definition: str) -> None:
    good(call("apply", "-f", str(DEPLOY / "crds" / definition)))
    [peer, _secret] = yaml.safe_load_all(SEED.read_text())
    peer["spec"] |= {"gateway": "2001:db8::1", "holdTimeSeconds": 2}
    done = call("apply", "-f", "-", text=yaml.safe_dump(peer))
    assert done.returncode == 1
    assert "gateway must be of the same family as peerIP" in done.stderr
    assert "must be 0 or at least 3 (RFC 4271, section 4.2)" in done.stderr
