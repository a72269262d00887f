"""hostPort as a runtime asks for it: real shim, real agent, real packets."""

import json
import os
import socket
from contextlib import suppress

import pytest

from terway_edge.kernel.netns import inside, open_netns
from tests.system.machine import CONF, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

GO = [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}]
WITH_PORT = json.dumps({**json.loads(CONF), "runtimeConfig": {"portMappings": GO}})


def in_netns(name, work):
    """What `work` makes there; sockets stay in the namespace in which they were opened."""
    netns = open_netns(f"/run/netns/{name}")
    try:
        return inside(netns, work)
    finally:
        os.close(netns)


def connects(client_netns):
    """Whether somebody there reaches port 8080 of the node."""
    with suppress(OSError):
        in_netns(client_netns, lambda: socket.create_connection(("192.0.2.10", 8080), timeout=1)).close()
        return True
    return False


def test_a_host_port_lives_as_long_as_its_pod(stopped):
    machine = stopped
    machine.settings["routes"]["resync_seconds"] = 1
    machine.start()
    assert '"portMappings": true' in (machine.directory / "net.d" / "10-terway-edge.conflist").read_text()
    pod, other = machine.new_pod(), machine.new_pod()
    assert machine.cni("ADD", pod, conf=WITH_PORT)[0] == 0
    with in_netns(pod, lambda: socket.create_server(("0.0.0.0", 80))):
        for client in (machine.peer, machine.netns, pod):
            until(lambda client=client: connects(client), f"{client} reaches the pod")
        assert "8080/tcp" in machine.cli("leases").stdout

        status, error = machine.cni("ADD", other, conf=WITH_PORT)
        assert (status, error["code"]) == (1, 104)
        assert f"hostPort 8080/tcp is open for pod default/{pod}" in error["msg"]
        assert machine.cni("ADD", other)[0] == 0, "without the port it is served"

        machine.kill()
        assert connects(machine.peer), "ports need no agent"
        machine.enter("nft", "flush", "ruleset")
        assert not connects(machine.peer)
        machine.start()
        assert connects(machine.peer), "a new process mends what it finds"
        assert machine.cni("CHECK", pod, conf=WITH_PORT)[0] == 0
        machine.enter("nft", "flush", "table", "inet", "terway_edge")
        assert "hostPort 8080/tcp" in machine.cni("CHECK", pod, conf=WITH_PORT)[1]["msg"]
        until(lambda: connects(machine.peer), "the comparison mends it")

        machine.delete(pod)
        assert not connects(machine.peer)
    assert "8080" not in machine.enter("nft", "list", "table", "inet", "terway_edge").stdout
    assert "Traceback" not in machine.log.read_text()
    assert machine.cni("ADD", machine.new_pod(), conf=WITH_PORT)[0] == 0
    assert machine.terminate() == 0
    assert "removed nftables tables terway_edge" in machine.cli("uninstall").stdout
    assert machine.enter("nft", "list", "ruleset").stdout == ""
