"""What a silent peer is likely to be: the kernel tells nobody that a signature was wrong (RFC 2385, section 2)."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.peer_spec import PeerSpec


def suspected(failure: Failure, spec: PeerSpec, *, is_on_link: bool, new_unsigned: int) -> Failure:
    """The failure, named for its likely cause.

    A peer on the link that is not there at all fails as NoRouteToPeer; one that is there but has no BGP, as
    ConnectRefused. One that answers for its address and not to TCP drops our segments, which is what TCP MD5 does.

    :param new_unsigned: segments that this node dropped since the last failure, for their signature.
    """
    if failure.reason != "ConnectTimeout" or not is_on_link:
        return failure
    ours = "this side signs with the password of spec.authPassword" if spec.password else "this side has no password"
    counted = f"; this node itself dropped {new_unsigned} segments for their signature" if new_unsigned else ""
    return replace(
        failure,
        reason="AuthSuspected",
        message=f"{spec.address} is there but answers nothing on port {spec.port}, as with a wrong password: {ours}, "
        f"compare it with neighbour {spec.local_address} on the switch{counted}; or a filter is in between",
    )
