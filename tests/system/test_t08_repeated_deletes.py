"""T08: DEL in every way in which runtimes send it: success, soon, and nothing is left or taken from others."""

import json
import os
import statistics
import time

import pytest

from tests.system.machine import CONF, until
from tests.system.pictures import holders

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ROUNDS = 10
SOON = 0.2  # seconds
OTHERS_RESULT = {
    "cniVersion": "0.4.0",
    "interfaces": [{"name": "cali123", "mac": "ee:ee:ee:ee:ee:ee"}, {"name": "eth0", "sandbox": "/run/netns/gone"}],
    "ips": [{"version": "4", "address": "10.64.1.1/24", "interface": 1, "gateway": "10.64.1.254"}],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {},
}
WORN = [None, {}, [], 7, "text", {"ips": 7}, {"ips": [{"address": 1}]}, {"interfaces": [None]}, OTHERS_RESULT]


@pytest.fixture
def delete(machine):
    """DEL that must succeed and say nothing; how long each took is in `delete.seconds`."""

    def call(pod, conf=CONF, **environ):
        began = time.monotonic()
        done = machine.cni("DEL", pod, conf=conf, **environ)
        call.seconds.append(time.monotonic() - began)
        assert done == (0, None), (pod, conf, environ, done)

    call.seconds = []
    return call


def with_result(result):
    return json.dumps({**json.loads(CONF), "prevResult": result})


def test_t08_every_del_succeeds_soon(machine, delete):
    spare = machine.new_pod()
    for _ in range(ROUNDS):
        delete(spare)  # before any ADD
    kept, address = machine.add()
    file = machine.directory / "no-netns"
    file.write_text("")
    ways = {
        "without netns": {"CNI_NETNS": ""},
        "gone netns": {"CNI_NETNS": "/run/netns/gone"},
        "dead process": {"CNI_NETNS": "/proc/999999999/ns/net"},
        "no netns at all": {"CNI_NETNS": str(file)},
        "relative netns": {"CNI_NETNS": "run/netns/x"},
        "another pod's netns": {"CNI_NETNS": f"/run/netns/{kept}"},
        "the node's own netns": {"CNI_NETNS": f"/run/netns/{machine.netns}"},
        "no result": {},
    }
    for environ in ways.values():
        pod, _ = machine.add(spare)
        for _ in range(ROUNDS):
            delete(pod, **environ)
        until(lambda: len(machine.links()) == 1, "the link is unplugged")
    for result in WORN:
        pod, _ = machine.add(spare)
        delete(pod, with_result(result))
        until(lambda: len(machine.links()) == 1, "the link is unplugged")
    lost, _ = machine.add()
    machine.forget_pod(lost)
    for _ in range(ROUNDS):
        delete(lost)
    delete("never-seen", CNI_CONTAINERID="unknown")
    delete("never-seen", with_result(OTHERS_RESULT), CNI_CONTAINERID="of-another-plugin", CNI_IFNAME="net1")
    delete(kept, CNI_CONTAINERID="same-namespace-but-another-sandbox")
    assert holders(machine) == [kept]
    assert machine.pings(machine.peer, address)
    assert statistics.median(delete.seconds) <= SOON
    assert not FULL or max(delete.seconds) <= SOON
    assert "ERROR" not in machine.log.read_text()
