"""Who tells of what is wrong with a Node or BGPPeer. Every agent sees it; were each to tell, a fault would be as many
events as the cluster has nodes.

Of a Node it is its own agent; of a BGPPeer, the first of its speakers that is a Node. Has it none, or could it never be
read, it is somebody who is there once: the control plane, or where there is none the first Node by name. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Condition

CONTROL_PLANE = ""
"""Its name among those who tell; no Node has it."""
SHARED = frozenset(
    {
        "Conflict",
        "InvalidObject",
        "NotAnnounced",
        "NothingSelected",
        "PeerAsDiffers",
        "PeerInPodCIDR",
        "PeerIsNode",
        "PeerWarning",
        "SpeakerNotFound",
    }
)
"""Reasons of what is so whoever looks. What is said of one's own session is everybody's own."""
_SUBJECT = re.compile(r"(?:.*: )?(?P<kind>Node|BGPPeer)/(?P<name>[^:]+)(?:: .*)?", re.DOTALL)


class Spokesmen:
    """For one state of the cluster."""

    def __init__(self, peers: Iterable[BgpPeer], nodes: Collection[str], substitute: str) -> None:
        """:param peers: the last good version of each.
        :param nodes: names of those that have an agent.
        :param substitute: who tells of BGPPeers without speakers"""
        speakers = (
            (peer.name, next((each for each in peer.spec.local_speakers if each in nodes), None)) for peer in peers
        )
        self._by_peer = {name: speaker for name, speaker in speakers if speaker is not None}
        self._substitute = substitute

    def tells(self, who: str, condition: Condition) -> bool:
        """Whether it is for this one, a Node's agent or the control plane, to make an event of it."""
        match = _SUBJECT.fullmatch(condition.subject)
        if condition.reason not in SHARED or match is None:
            return True
        name = match["name"]
        return who == (name if match["kind"] == "Node" else self._by_peer.get(name, self._substitute))
