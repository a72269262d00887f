"""What agents are told is a valid configuration, and what each kind of node needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from terway_edge.core.config import Settings, load
from terway_edge.lab.clouds import cloud_nodes
from terway_edge.lab.configuring import credentials, settings, write_key
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout

LAYOUT = Layout("twt")
CLOUD, _, ENS = cloud_nodes(LAYOUT)
EDGE = lab_node(LAYOUT, 1)


def loaded(node: Host, directory: Path) -> Settings:
    return load(settings(node, directory, {"manifests": str(directory / "manifests")}), {})


@pytest.mark.parametrize("node", [EDGE, CLOUD, ENS], ids=lambda node: node.name)
def test_everything_an_agent_writes_is_in_its_directory(node: Host, tmp_path: Path) -> None:
    told = loaded(node, tmp_path)
    paths = [told.run_dir, told.state_dir, told.cluster.manifests, told.cni.bin_dir, told.cni.conf_dir]
    assert all(path.is_relative_to(tmp_path) for path in paths)
    assert told.node_name == node.name


def test_edge_nodes_know_the_way_to_the_cloud_and_hide_from_nobody_there(tmp_path: Path) -> None:
    told = loaded(EDGE, tmp_path)
    assert [str(cidr) for cidr in told.routes.cross_domain_cidrs] == ["192.168.0.0/16", "172.20.0.0/16"]
    assert [str(cidr) for cidr in told.masquerade.exclude] == ["172.16.0.0/16"]
    assert "cloud" not in settings(EDGE, tmp_path, {})


def test_cloud_nodes_have_a_role_and_ens_nodes_a_key(tmp_path: Path) -> None:
    assert loaded(CLOUD, tmp_path).cloud.credentials == "role"
    ens = loaded(ENS, tmp_path).cloud
    assert (ens.credentials, ens.credentials_path) == ("path", credentials(tmp_path))
    assert ens.ens_region == "cn-hangzhou-44"


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    write_key(tmp_path, ("id", "secret"))
    files = {path.name: path for path in credentials(tmp_path).iterdir()}
    assert {name: path.read_text() for name, path in files.items()} == {
        "access-key-id": "id",
        "access-key-secret": "secret",
    }
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
