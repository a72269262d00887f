"""hostPort in the harness: as in the agent, without a line in the plugin."""

from dataclasses import replace

import pytest

from terway_edge.core.errors import Conflict
from terway_edge.core.host_ports import forwards_of
from terway_edge.core.models import PortMapping
from tests.backends.flannel_node import working

WEB = (PortMapping(8080, 80),)


def test_ports_are_open_while_a_pod_is_plugged_and_survive_a_restart():
    with working() as harness:
        pod = harness.plug(replace(harness.sandbox(), ports=WEB))
        assert harness.firewall.forwards() == set(forwards_of(pod.lease, ()))
        harness.restart()
        with pytest.raises(Conflict):
            harness.plug(replace(harness.sandbox(), ports=WEB))
        harness.unplug(pod)
        assert harness.firewall.forwards() == frozenset()


def test_masquerading_leaves_ports_alone():
    with working() as harness:
        pod = harness.plug(replace(harness.sandbox(), ports=WEB))
        harness.advertise(harness.routes())
        harness.firewall.set_masquerade(None)
        assert harness.firewall.forwards() == set(forwards_of(pod.lease, ()))
