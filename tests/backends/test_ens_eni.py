"""Nodes of an edge site: the laws of every backend, and that ENIs are used as they were bound."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from terway_edge.backends.ens_eni import EnsEni
from terway_edge.core.cloud import Api
from terway_edge.core.errors import Refused, Retry
from terway_edge.testing.fake_cloud import ENS
from terway_edge.testing.fake_kernel import FakeKernel
from terway_edge.testing.harness import make_context, make_node
from terway_edge.testing.pytest_contract import BackendContract
from tests.backends.eni_node import EniWorld, eni_cloud, eventually, node, settled

DUAL_ENS = replace(ENS, has_ipv6=True)
"""The laws are about nodes of both families."""


class TestEnsEni(BackendContract):
    name = "ens_eni"
    backend = staticmethod(settled(EnsEni, partial(eni_cloud, features=DUAL_ENS)))
    world = EniWorld


def test_pods_are_as_many_as_the_bound_enis_take_and_none_is_bound(tmp_path: Path) -> None:
    with node(EnsEni, tmp_path, partial(eni_cloud, features=ENS, enis=1), ip_stack="ipv4") as (harness, clouds):
        leases = [harness.allocate() for _ in range(15)]
        assert len({lease.addresses for lease in leases}) == 15
        with pytest.raises(Retry, match=r"stop instance i-node .* bind 1 more to it"):
            harness.allocate()
        report = harness.hooks.report("ens_eni")
        assert report is not None
        assert report.details["capacity"] == 15
        assert clouds.cloud.made("create_eni", "attach", "detach") == 0
        assert clouds.opened == [Api.ENS]


def test_a_node_without_a_bound_eni_is_told_how_to_bind_one(tmp_path: Path) -> None:
    # With a floor the advice stays when the pod no longer waits.
    with node(EnsEni, tmp_path, partial(eni_cloud, features=ENS, enis=0), min_pool_size=1) as (harness, _clouds):
        with pytest.raises(Retry, match="no ENI for pods is bound to the instance"):
            harness.allocate()

        def told() -> bool:
            report = harness.hooks.report("ens_eni")
            assert report is not None
            assert not report.in_sync
            return "BindMoreEnis" in {condition.reason for condition in report.conditions}

        eventually(told, "the advice")


def test_the_instance_is_named_by_the_nodes_label() -> None:
    backend = EnsEni(make_context(FakeKernel()))
    with pytest.raises(Refused, match=r"no label alibabacloud\.com/ens-instance-id"):
        backend.instance_id(make_node(1), 0.0)
    view_node = make_node(1)._replace(labels={"alibabacloud.com/ens-instance-id": "i-edge"})
    assert backend.instance_id(view_node, 0.0) == "i-edge"
