"""Hosts and runtimes that disable IPv6 by default do not keep pods from having IPv6."""

from __future__ import annotations

import subprocess

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.plumbing import Plumbing

pytestmark = pytest.mark.root


@pytest.mark.parametrize("where", ["host", "pod"])
def test_a_default_that_disables_ipv6_is_overruled_for_the_pods_links(real_world, where):
    netns = real_world.create_netns()
    inside = netns if where == "pod" else f"/run/netns/{real_world._host}"
    subprocess.run(
        ["nsenter", f"--net={inside}", "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"], check=True
    )
    lease = Lease(Sandbox("c1", "eth0", netns), (Address.parse("10.0.0.5"), Address.parse("fd00::5")), "b", (), 0.0)
    plumbing = Plumbing(real_world.kernel)
    plumbing.attach(lease.sandbox, lease, 1500)
    assert plumbing.check(lease.sandbox, lease) == []
