"""T56: of nodes that came and went again the control plane keeps no pod CIDR, no note and no entry of a status.

`TERWAY_EDGE_FULL=1` makes it 1,000 nodes.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from terway_edge.controlplane.lease import NAME
from terway_edge.controlplane.ledger import NOTE
from terway_edge.controlplane.peers import Peers
from terway_edge.testing.apiserver import ApiServer
from tests.controlplane.test_peers import NOW, put_peer, say, speakers
from tests.controlplane.test_pod_cidrs import FEW, check
from tests.controlplane.test_pod_cidrs import cluster as cluster_of_cidrs
from tests.controlplane.world import DirectApi, cluster, put_node, world_of

TIMES = 1000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 50
LEFT_ALONE = 60.0  # seconds for which an entry may still be taken away by the agent that made it


def test_t56_every_pod_cidr_comes_back() -> None:
    """There are seven, so each is given over and over again; what is noted of them does not grow."""
    found, used = cluster_of_cidrs(rules=FEW), set()
    found.join("stays")
    for number in range(TIMES):
        found.join(name := f"n{number}")
        for _ in range(60):
            found.step(0)
            found.clock.advance(0.1)
            if found.cidrs()[name]:
                break
        check(found)
        used |= set(found.cidrs()[name])
        found.leave(name)
    assert len(used) == 6, "one of seven is the one of the node that stays"
    for _ in range(300):
        found.step(0)
        found.clock.advance(0.1)
    lease = found.server.objects.get("Lease", NAME, "kube-system")
    assert json.loads(lease["metadata"]["annotations"][NOTE]) == {"claims": {}, "marks": {"10.64.0.0/21": 2048}}
    assert found.cidrs().keys() == {"stays"}


def kept(server: ApiServer) -> tuple[Any, ...]:
    """What grows if nobody takes it back: entries, conditions, and who owns fields of them."""
    peer = server.objects.get("BGPPeer", "peer")
    owners = sorted((each["manager"], each.get("subresource", "")) for each in peer["metadata"]["managedFields"])
    return speakers(server), [each["type"] for each in peer["status"]["conditions"]], owners


@pytest.mark.timeout(600)
def test_t56_no_entry_of_a_speaker_that_went_is_left() -> None:
    server = cluster("n0")
    peers = Peers(DirectApi(server), lambda: NOW)
    put_peer(server, "n0")
    say(server, "n0")
    asyncio.run(peers.turn(world_of(server), 0.0))
    before = kept(server)
    for number in range(1, TIMES + 1):
        put_node(server, name := f"n{number}")
        put_peer(server, "n0", name)
        say(server, name)
        asyncio.run(peers.turn(world_of(server), number))
        server.objects.delete("Node", name)
        put_peer(server, "n0")
    for second in (TIMES + 1, TIMES + 1 + LEFT_ALONE):
        asyncio.run(peers.turn(world_of(server), second))
    assert speakers(server) == ["n0"]
    assert kept(server) == before
