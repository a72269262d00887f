"""T56: of nodes that came and went again nothing is left: no status entry, annotation, route, event, line or file.

`TERWAY_EDGE_FULL=1` makes it 1,000 nodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.system.machine import until
from tests.system_api.api_node import NAME, ApiNode, other_node
from tests.system_api.site import PAGE

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

TIMES = 1000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 60
AT_ONCE = 10  # nodes; the agent sees each ten come, and go
KEEPS = 3


def put_peer(node: ApiNode) -> None:
    """One whose sessions come about nowhere, so that there is something to say all the time."""
    peer, secret = yaml.safe_load_all(PAGE.read_text())
    peer["spec"] |= {"localSpeakers": [NAME], "peerIP": "192.0.2.99"}
    node.api.objects.put(secret)
    node.api.objects.put(peer)


def traces(node: ApiNode) -> dict[str, Any]:
    """What an agent leaves in the cluster, the kernel and on disk. Times and texts of errors may change."""
    peer, own = node.api.objects.get("BGPPeer", "peer"), node.api.objects.get("Node", NAME)
    state = node.directory / "state"
    nft = json.loads(node.enter("nft", "-j", "list", "ruleset").stdout)["nftables"]
    return {
        "speakers": [each["node"] for each in peer.get("status", {}).get("speakers", [])],
        "fields": len(own["metadata"].get("managedFields", [])),
        "annotations": own["metadata"].get("annotations", {}),
        "conditions": sorted(each["type"] for each in own["status"].get("conditions", [])),
        "events": sorted((each["reason"], each["involvedObject"]["name"]) for each in node.api.objects.list("Event")),
        "routes": node.routes(),
        "rules": node.enter("ip", "rule").stdout,
        "neighbours": node.enter("ip", "neigh", "show", "nud", "permanent").stdout,
        "sets": sorted(len(str(each["set"].get("elem", ""))) for each in nft if "set" in each),
        "journal": (state / "leases.journal").stat().st_size,
        "files": sorted(str(path.relative_to(state)) for path in state.rglob("*")),
    }


def test_t56_nothing_is_left_of_nodes_that_went(node: ApiNode) -> None:
    node.put_nodes(KEEPS)
    put_peer(node)
    node.start()
    node.add()
    cached = node.directory / "state" / "cluster" / "nodes.json"
    until(lambda: cached.exists() and traces(node)["speakers"] == [NAME], "the speaker has said something")
    churn(node, 1)
    before, memory, size = traces(node), node.rss(), cached.stat().st_size
    churn(node, TIMES // AT_ONCE)
    until(lambda: traces(node) == before, f"all is as before: {before}, not {traces(node)}")
    assert node.rss() - memory <= 8.0, "MiB"
    until(lambda: cached.stat().st_size == size, "the cache on disk forgets them as well")


def churn(node: ApiNode, rounds: int) -> None:
    for number in range(rounds):
        comers = [other_node(KEEPS + number * AT_ONCE + each) for each in range(AT_ONCE)]
        cidrs = {each["spec"]["podCIDR"] for each in comers}
        for each in comers:
            node.api.objects.put(each)
        wait(node, lambda cidrs=cidrs: cidrs <= set(node.routes()), "their routes are there")
        for each in comers:
            node.api.objects.delete("Node", each["metadata"]["name"])
        wait(node, lambda cidrs=cidrs: not cidrs & set(node.routes()), "their routes are gone")


def wait(node: ApiNode, condition: Callable[[], bool], what: str) -> None:
    try:
        until(condition, what)
    except AssertionError as error:
        raise AssertionError(f"{error}: {sorted(node.routes())}\n{node.ask('status')}\n{node.tail()}") from None
