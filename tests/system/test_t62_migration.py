"""T62: from another plugin to ours and back, with pods on the node: each keeps what it has, and new ones move.

The runtime sends a DEL to the plugin of the ADD, as CRI-O does; tests/runtime has containerd, which does not.
"""

import pytest

from tests.system.libcni import Runtime
from tests.system.machine import until
from tests.system.others import inside, install_bridge, publish_bridge

pytestmark = [pytest.mark.root, pytest.mark.slow]


def owners(machine):
    """{container: addresses} of our leases."""
    return {lease["container"]: lease["addresses"] for lease in machine.ask("leases")["leases"]}


def view(pod):
    return inside(f"/run/netns/{pod.netns}")


def test_t62_pods_of_the_other_plugin_live_and_end_and_new_ones_move(stopped):
    machine, runtime = stopped, Runtime(stopped)
    theirs = publish_bridge(machine, "50-bridge.conflist", install_bridge(machine))
    stays, ends = runtime.run(), runtime.run()
    before = view(stays), view(ends)

    machine.start()
    mine, goes = runtime.run(), runtime.run()
    assert {pod.network.name for pod in (mine, goes)} == {"terway-edge"}
    assert owners(machine) == {pod.id: [pod.address] for pod in (mine, goes)}
    assert (view(stays), view(ends)) == before
    runtime.stop(ends)
    runtime.stop(goes)
    assert owners(machine) == {mine.id: [mine.address]}
    assert view(stays) == before[0]
    assert machine.pings(stays.netns, "10.99.0.1")
    assert machine.pings(mine.netns, "192.0.2.20")
    addresses = {path.name for path in (machine.directory / "host-local" / "bridged").glob("10.*")}
    assert addresses == {stays.address}, "their plugin was told"

    theirs.rename(theirs.with_name("00-bridge.conflist"))
    new = runtime.run()
    assert new.network.name == "bridged"
    assert owners(machine) == {mine.id: [mine.address]}
    assert machine.pings(machine.peer, mine.address), "ours live on"
    for pod in (mine, stays, new):
        runtime.stop(pod)
    assert owners(machine) == {}
    until(lambda: machine.links() == [], "the link is unplugged")
