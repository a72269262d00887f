"""What tests of every runtime look at on the node."""

import json
import os
import socket
from contextlib import suppress

from terway_edge.kernel.netns import inside, open_netns
from tests.system.machine import until


def leases(machine):
    """{container: its addresses}"""
    return {lease["container"]: lease["addresses"] for lease in machine.ask("leases")["leases"]}


def assert_holds_only(machine, *pods):
    """Leases, links and routes are of these pods and nobody else's."""
    assert leases(machine) == {pod.id: [pod.address] for pod in pods}
    until(lambda: len(machine.links()) == len(pods), "links of others are unplugged")
    hosts = {prefix for prefix in machine.routes() if "/" not in prefix}
    assert hosts == {pod.address for pod in pods}


def rates(text):
    """{link: bit/s} of the token buckets that `tc -j qdisc` shows"""
    return {each["dev"]: each["options"]["rate"] * 8 for each in json.loads(text) if each["kind"] == "tbf"}


def in_netns(path, work):
    """What `work` makes there; sockets stay in the namespace in which they were opened."""
    netns = open_netns(str(path))
    try:
        return inside(netns, work)
    finally:
        os.close(netns)


def serve(netns):
    """A listening socket on port 80."""
    return in_netns(netns, lambda: socket.create_server(("0.0.0.0", 80)))


def reaches(machine, port, server):
    """Whether another host that connects to this port of the node gets to `server`, and not to a runtime that holds
    the port for it."""
    peer = f"/run/netns/{machine.peer}"
    server.settimeout(1)
    with suppress(OSError), in_netns(peer, lambda: socket.create_connection(("192.0.2.10", port), timeout=1)):
        server.accept()[0].close()
        return True
    return False
