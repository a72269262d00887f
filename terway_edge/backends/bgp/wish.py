"""What the speaker should do, as a whole: the peers and, for each, every route it should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.core.addresses import Address, Prefix

Routes = Mapping[Family, Mapping[Prefix, Address]]
"""The next hop of every prefix, by family."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What all routes told to one peer have in common; communities as on the wire (`messages.Path`)."""

    med: int = 0
    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """One peer and everything it should know. A `rebirth` that is a farewell asks to end what an earlier process left
    at the peer: the session is opened once, closed for good, and told as gone."""

    spec: PeerSpec
    routes: Routes = field(default_factory=dict)
    attributes: Attributes = field(default_factory=Attributes)
    rebirth: Rebirth = field(default_factory=Rebirth)
