"""Documents to BGPPeers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terway_edge.cluster.fields import Wrong, read_name, read_section, read_text
from terway_edge.core.bgp_peer import BgpPeer, InvalidSpec, parse_spec


def read_peer(item: Mapping[Any, Any]) -> BgpPeer:
    """Raises Wrong, with all that is wrong with the spec."""
    metadata = read_section(item, "metadata")
    name = read_name(metadata, "name such as lan-1")
    try:
        spec = parse_spec(read_section(item, "spec"))
    except InvalidSpec as error:
        first, *more = error.faults
        raise Wrong(*first, *more) from None
    created = read_text(metadata, "creationTimestamp", "metadata.creationTimestamp")
    return BgpPeer(name, created, spec, read_text(metadata, "uid", "metadata.uid"))
