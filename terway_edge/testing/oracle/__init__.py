"""What must hold between runtime, leases, store, kernel, pools, cloud and peers: `check` tells what does not.

A `Picture` is plain data. Whoever has one, from a model, a lab or a node that is being tortured, is told by the same
eight invariants; `sights` and `node` read pictures from what runs.
"""

from terway_edge.testing.oracle.invariants import check
from terway_edge.testing.oracle.picture import (
    Breach,
    HostRoute,
    Leases,
    Neighbour,
    Picture,
    PodLink,
    PodRule,
    PoolBook,
    Reuse,
    Sight,
    Source,
)

__all__ = [
    "Breach",
    "HostRoute",
    "Leases",
    "Neighbour",
    "Picture",
    "PodLink",
    "PodRule",
    "PoolBook",
    "Reuse",
    "Sight",
    "Source",
    "check",
]
