"""The example keeps the laws of every backend; as root, on Linux too."""

import os
from dataclasses import replace

import pytest
from terway_edge_example import UpperHalf, upper_half

from terway_edge.core.addresses import Prefix
from terway_edge.testing.harness import Harness
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.pytest_contract import BackendContract


class TestExample(BackendContract):
    name = "example"
    backend = UpperHalf

    def test_pods_live_in_the_upper_half(self, harness: Harness) -> None:
        for address in harness.allocate().addresses:
            assert any(upper_half(cidr).contains(address) for cidr in harness.view.node.pod_cidrs)

    def test_pod_cidrs_that_arrive_late_are_served(self, harness: Harness) -> None:
        ipam = harness.context.ipam
        for pool in ipam.pools():
            ipam.remove_pool(pool)
        view = harness.view
        harness.hooks.start(self.name, replace(view, node=view.node._replace(pod_cidrs=())))
        assert ipam.pools() == ()
        harness.allocate()
        assert ipam.pools() == tuple(map(str, view.node.pod_cidrs))

    def test_the_first_pod_is_an_event(self, harness: Harness) -> None:
        for _ in range(2):
            harness.hooks.lease_granted(harness.allocate())
        assert harness.events.reasons() == ["FirstPod"]


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
class TestExampleOnLinux(TestExample):
    world = NetnsWorld


def test_half_of_a_cidr() -> None:
    assert upper_half(Prefix.parse("10.0.0.0/24")) == Prefix.parse("10.0.0.128/25")
