"""Edge nodes load none of the cloud client, and nobody loads the SDK before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

EDGE = [
    *("terway_edge.core.cloud", "terway_edge.core.config", "terway_edge.core.dispatcher", "terway_edge.agent.agent"),
    *("terway_edge.backends.flannel_route", "terway_edge.backends.bgp.backend", "terway_edge.cli.main"),
]
CLOUD = ["settings", "requests", "metadata", "credential_files", "role", "limits", "opening", "ecs", "ens"]


def loaded(module: str, prefix: str) -> str:
    code = f"import sys, {module}; print(sorted(x for x in sys.modules if x.startswith({prefix!r})))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("module", EDGE)
def test_an_edge_node_loads_nothing_of_the_cloud(module):
    assert loaded(module, "terway_edge.cloud") == "[]"
    assert loaded(module, "aliyunsdk") == "[]"


@pytest.mark.parametrize("module", CLOUD)
def test_the_sdk_is_loaded_with_the_transport_only(module):
    assert loaded(f"terway_edge.cloud.{module}", "aliyunsdk") == "[]"


def test_request_classes_are_loaded_when_their_action_is_called():
    assert "aliyunsdkcore.client" in loaded("terway_edge.cloud.transport", "aliyunsdkcore")
    assert loaded("terway_edge.cloud.transport", ("aliyunsdkecs", "aliyunsdkvpc", "aliyunsdkens")) == "[]"
