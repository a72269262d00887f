"""The cloud on paper: a site that the emulator takes, and objects that agents take."""

from __future__ import annotations

import ipaddress
import json

import pytest

from terway_edge.core.eni_config import read
from terway_edge.core.eni_notes import Effect
from terway_edge.core.models import Node
from terway_edge.core.selection import select
from terway_edge.lab.cloud_process import network_addresses, stage
from terway_edge.lab.clouds import BOUND_ENIS, CloudNode, cloud_nodes, control_plane, site
from terway_edge.lab.command import MAX_PODS
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import eni_config_object, node_object
from terway_edge.testing.lab_cloud import Stage
from terway_edge.testing.openapi import Emulator, Site

LAYOUT = Layout("twt")
NODES = cloud_nodes(LAYOUT)
BACKENDS = {"cloud-1": "terway", "cloud-2": "terway", "ens-1": "ens_eni"}


def test_the_emulator_takes_the_site() -> None:
    emulator = Emulator(Site.model_validate(site(LAYOUT, ("id", "secret"))))
    assert emulator.violations() == []
    attached = {node.instance: len(emulator.enis(node.instance)) for node in NODES}
    assert attached == {"i-cloud-1": 1, "i-cloud-2": 1, "i-ens-1": 3}


def test_the_process_takes_its_stage_and_every_instance_has_a_place() -> None:
    told = Stage.model_validate_json(json.dumps(stage(LAYOUT, ("id", "secret"), "/run/twt/control")))
    assert set(told.places) == {instance.id for instance in told.site.instances}
    for host in (*NODES, control_plane(LAYOUT)):
        place = told.places[host.instance]
        network = ipaddress.ip_network(f"{host.address}/{place.length}", strict=False)
        assert ipaddress.ip_address(place.gateway) in network
        assert place.gateway in network_addresses("ens" if host.domain == "ens" else "vpc")
        assert len(f"{place.name}-eth99") <= 15


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_labels_choose_the_backend(node: CloudNode) -> None:
    written = node_object(node)
    assert select(Node(node.name, written["metadata"]["labels"], (), ())).backend == BACKENDS[node.name]
    assert "podCIDR" not in written["spec"]
    internal = [a["address"] for a in written["status"]["addresses"] if a["type"] == "InternalIP"]
    assert internal == [node.address]


def test_only_nodes_of_the_vpc_have_a_provider() -> None:
    told = {node.name: node_object(node)["spec"].get("providerID") for node in NODES}
    assert told == {"cloud-1": "cn-hangzhou.i-cloud-1", "cloud-2": "cn-hangzhou.i-cloud-2", "ens-1": None}


def test_the_config_map_is_read_without_a_complaint() -> None:
    reading = read(eni_config_object()["data"], None)
    assert [note for note in reading.notes if note.effect is Effect.WRONG] == []
    assert reading.config is not None
    zones = {node.zone for node in NODES if node.domain == "cloud"}
    assert zones <= set(reading.config.vswitches)


def test_nodes_have_room_for_the_most_pods_and_the_idle_addresses() -> None:
    idle = json.loads(eni_config_object()["data"]["eni_conf"])["max_pool_size"]
    told = site(LAYOUT, ("id", "secret"))
    (kind,) = told["instance_types"]
    assert (kind["enis"] - 1) * kind["ipv4_per_eni"] >= MAX_PODS + idle
    assert MAX_PODS + idle <= BOUND_ENIS * 25
