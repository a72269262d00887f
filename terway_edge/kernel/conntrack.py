"""Connection tracking entries of released addresses, dropped over ctnetlink.

A connection of a dead pod stays in the table for minutes or days; a packet of the address' next pod that happens to
match it would be taken for a part of it, and be translated as it was. Entries are found by one dump of the whole table
(the kernel filters by one address at a time, and by none before Linux 5.8) and deleted one by one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable
from errno import EINVAL, ENOENT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT
from socket import AF_INET, AF_INET6

from terway_edge.core.addresses import Address
from terway_edge.core.errors import EdgeError, KernelError
from terway_edge.kernel.netlink import BATCH, Decode, NetlinkSocket
from terway_edge.kernel.netns import inside
from terway_edge.kernel.uapi import (
    CTA_ID,
    CTA_IP_V4_DST,
    CTA_IP_V4_SRC,
    CTA_IP_V6_DST,
    CTA_IP_V6_SRC,
    CTA_TUPLE_IP,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    IPCTNL_MSG_CT_DELETE,
    IPCTNL_MSG_CT_GET,
    NETLINK_NETFILTER,
    NFNL_SUBSYS_CTNETLINK,
    NLM_F_REQUEST,
)
from terway_edge.kernel.wire import attribute, attributes, message

NFGENMSG_BYTES = 4  # nfgenmsg: family, version, resource id
GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET
DELETE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
IDENTITY = (CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID)
"""With the id an entry that ended meanwhile is not taken for its successor of the same tuple."""
ENDS = (CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST)

UNTRACKED = frozenset((EPROTONOSUPPORT, EOPNOTSUPP, EINVAL, ENOENT, EPERM))
"""How a kernel without nf_conntrack_netlink, or one that does not let us, refuses the socket or the dump."""

Search = Callable[[bytes, int, int], object]

_log = logging.getLogger(__name__)


class Conntrack:
    """The table of one network namespace, given as a descriptor; used by one thread at a time."""

    def __init__(self, netns: int) -> None:
        self._netns = netns
        self._told = False

    def forget(self, addresses: Collection[Address]) -> None:
        """Drop every entry that has one of the addresses at either end, before or after translation.

        Never raises: an entry that stays expires some day. That there is no table is told once.
        """
        try:
            endpoint = inside(self._netns, lambda: NetlinkSocket(protocol=NETLINK_NETFILTER, large=True))
            try:
                _drop(endpoint, addresses)
            finally:
                endpoint.close()
        except (EdgeError, OSError) as error:  # OSError: this process has no descriptor left
            if not isinstance(error, KernelError) or error.errno not in UNTRACKED:
                _log.warning("connections of %d released addresses stay: %s", len(addresses), error)
            elif not self._told:
                self._told = True
                _log.warning("connections of released addresses stay, the kernel shows none: %s", error)


def _drop(endpoint: NetlinkSocket, addresses: Collection[Address]) -> None:
    found = endpoint.dump(GET, bytes(NFGENMSG_BYTES), _identity_of_any(addresses))
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        first = endpoint.reserve(len(batch))
        refusals = endpoint.change(
            b"".join(message(DELETE, NLM_F_REQUEST, seq, body) for seq, body in enumerate(batch, first))
        )
        for refusal in refusals:
            if refusal.errno != ENOENT:  # it ended meanwhile
                _log.warning("a connection of a released address stays: %s", refusal)


def _identity_of_any(addresses: Collection[Address]) -> Decode[bytes]:
    """Decode an entry that has one of the addresses into what names it in a request to delete it; others to None.

    The tuple is sent back as it came. A request without one would flush the whole table.
    """
    wanted = frozenset(address.packed for address in addresses)
    # Nearly all entries are others': a search tells that in a tenth of the time that parsing takes.
    mentions: dict[int, Search | None] = {AF_INET: _search(wanted, 4), AF_INET6: _search(wanted, 16)}

    def decode(data: bytes, start: int, end: int) -> bytes | None:
        search = mentions.get(data[start])
        if search is None or not search(data, start, end):
            return None
        entry = dict(attributes(data, start + NFGENMSG_BYTES, end))
        ends = _addresses(entry.get(CTA_TUPLE_ORIG, b"")) | _addresses(entry.get(CTA_TUPLE_REPLY, b""))
        if CTA_TUPLE_ORIG not in entry or wanted.isdisjoint(ends):
            return None
        identity = (attribute(kind, entry[kind]) for kind in IDENTITY if kind in entry)
        return data[start : start + NFGENMSG_BYTES] + b"".join(identity)

    return decode


def _search(wanted: Iterable[bytes], size: int) -> Search | None:
    """Search in part of some bytes for any of the addresses of this size; None if there are none."""
    patterns = [re.escape(packed) for packed in wanted if len(packed) == size]
    return re.compile(b"|".join(patterns)).search if patterns else None


def _addresses(packed_tuple: bytes) -> set[bytes]:
    """The packed source and destination of a tuple."""
    ip = dict(attributes(packed_tuple, 0, len(packed_tuple))).get(CTA_TUPLE_IP, b"")
    return {payload for kind, payload in attributes(ip, 0, len(ip)) if kind in ENDS}
