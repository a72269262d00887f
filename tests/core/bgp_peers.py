"""BGPPeers as manifests write them, for tests."""

from __future__ import annotations

from typing import Any

from terway_edge.core.bgp_peer import BgpPeer, parse_spec


def written(**changes: Any) -> dict[str, Any]:
    """A spec in camelCase; a change to None leaves the key out."""
    spec = {
        "localSpeakers": ["node-1", "node-2"],
        "localAsNumber": 65010,
        "peerIP": "172.16.0.1",
        "peerAsNumber": 65001,
        "nodeSelector": "all()",
        **changes,
    }
    return {key: value for key, value in spec.items() if value is not None}


def make_peer(name: str = "peer", created: str = "", **changes: Any) -> BgpPeer:
    return BgpPeer(name, created, parse_spec(written(**changes)))
