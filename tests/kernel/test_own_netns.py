"""A pod in the node's own namespace would take the node's network over: it is refused before anything changes."""

import os

import pytest

from terway_edge.core.errors import INVALID_NETNS, Refused
from terway_edge.kernel.netns import open_netns
from tests.kernel.contract import POD, plug

pytestmark = pytest.mark.root


def test_t21_own_namespace_is_refused_by_path_before_any_change(real_world):
    before, kernel = real_world.picture(), real_world.kernel
    with pytest.raises(Refused, match="node's own") as caught:
        plug(kernel, f"/run/netns/{real_world._host}", POD[4])
    assert caught.value.code == INVALID_NETNS
    assert real_world.picture() == before


def test_t21_own_namespace_is_refused_by_descriptor_and_none_stays_open(real_world):
    descriptor = open_netns(f"/run/netns/{real_world._host}")
    try:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(Refused, match="node's own"):
            plug(real_world.kernel, descriptor, POD[4])
        with pytest.raises(Refused, match="node's own"):
            real_world.kernel.prove(descriptor)
        assert os.listdir("/proc/self/fd") == before
    finally:
        os.close(descriptor)
