"""Connection tracking entries of released addresses and of ports just opened, dropped over ctnetlink.

A connection of a dead pod stays in the table for minutes or days; a packet of the address' next pod that happens to
match it would be taken for a part of it, and be translated as it was. Entries are found by one dump of the whole table
(the kernel filters by one address at a time, and by none before Linux 5.8) and deleted one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Mapping
from contextlib import AbstractContextManager
from errno import EINVAL, ENOENT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT
from socket import AF_INET, AF_INET6
from struct import Struct

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
    CTA_PROTO_DST_PORT,
    CTA_PROTO_NUM,
    CTA_TUPLE_IP,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_PROTO,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    IPCTNL_MSG_CT_DELETE,
    IPCTNL_MSG_CT_GET,
    NETLINK_NETFILTER,
    NFNL_SUBSYS_CTNETLINK,
    NLA_TYPE_MASK,
    NLM_F_REQUEST,
)
from terway_edge.kernel.wire import attribute, attributes, message

UDP = 17

NFGENMSG_BYTES = 4  # nfgenmsg: family, version, resource id
GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET
DELETE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
IDENTITY = (CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID)
"""With the id an entry that ended meanwhile is not taken for its successor of the same tuple."""
ENDS = (CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST)

UNTRACKED = frozenset((EPROTONOSUPPORT, EOPNOTSUPP, EINVAL, ENOENT, EPERM))
"""How a kernel without nf_conntrack_netlink, or one that does not let us, refuses the socket or the dump."""

_TUPLE: dict[int, Struct] = {AF_INET: Struct("=HHxxHxxH4sxxH4s"), AF_INET6: Struct("=HHxxHxxH16sxxH16s")}
"""The beginning of a tuple: its length and type, then the types and values of what is in it."""
_KINDS: dict[int, tuple[int, int, int]] = {
    AF_INET: (CTA_TUPLE_IP, CTA_IP_V4_SRC, CTA_IP_V4_DST),
    AF_INET6: (CTA_TUPLE_IP, CTA_IP_V6_SRC, CTA_IP_V6_DST),
}

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
                _drop(endpoint, _identity_of_any(addresses))
            finally:
                endpoint.close()
        except (EdgeError, OSError) as error:  # OSError: this process has no descriptor left
            if not isinstance(error, KernelError) or error.errno not in UNTRACKED:
                _log.warning("connections of %d released addresses stay: %s", len(addresses), error)
            elif not self._told:
                self._told = True
                _log.warning("connections of released addresses stay, the kernel shows none: %s", error)


def forget_datagrams(lend: Callable[[], AbstractContextManager[NetlinkSocket]], ports: Collection[int]) -> None:
    """Drop the entries of UDP flows to these ports that go where they were sent.

    A flow is translated as its first packet was, and is the same flow as long as its sender does not pause. Never
    raises: without this, such a sender is not heard before it pauses.

    :param lend: a socket of NETLINK_NETFILTER for the length of a with-block
    """
    try:
        with lend() as endpoint:
            _drop(endpoint, _identity_of_datagrams(frozenset(ports)))
    except KernelError as error:
        if error.errno not in UNTRACKED:
            _log.warning("UDP flows to ports %s may go on as they were: %s", sorted(ports), error)


def _drop(endpoint: NetlinkSocket, identity: Decode[bytes]) -> None:
    found = endpoint.dump(GET, bytes(NFGENMSG_BYTES), identity)
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        first = endpoint.reserve(len(batch))
        refusals = endpoint.change(
            b"".join(message(DELETE, NLM_F_REQUEST, seq, body) for seq, body in enumerate(batch, first))
        )
        for refusal in refusals:
            if refusal.errno != ENOENT:  # it ended meanwhile
                _log.warning("a connection stays: %s", refusal)


def _identity_of_any(addresses: Collection[Address]) -> Decode[bytes]:
    """Decode an entry that has one of the addresses into what names it in a request to delete it; others to None.

    The tuple is sent back as it came. A request without one would flush the whole table.
    """
    wanted = frozenset(address.packed for address in addresses)

    def decode(data: bytes, start: int, end: int) -> bytes | None:
        # Nearly all entries are others': a look tells that in a tenth of the time that parsing takes.
        if _is_of_others(data, start, end, wanted):
            return None
        entry = dict(attributes(data, start + NFGENMSG_BYTES, end))
        ends = _addresses(entry.get(CTA_TUPLE_ORIG, b"")) | _addresses(entry.get(CTA_TUPLE_REPLY, b""))
        if CTA_TUPLE_ORIG not in entry or wanted.isdisjoint(ends):
            return None
        return _identity(data[start : start + NFGENMSG_BYTES], entry)

    return decode


def _identity_of_datagrams(ports: Collection[int]) -> Decode[bytes]:
    """As _identity_of_any(), of UDP flows to these ports that nothing translates."""
    wanted = [attribute(CTA_PROTO_DST_PORT, port.to_bytes(2, "big"))[:6] for port in ports]

    def decode(data: bytes, start: int, end: int) -> bytes | None:
        if all(data.find(port, start, end) < 0 for port in wanted):
            return None
        entry = dict(attributes(data, start + NFGENMSG_BYTES, end))
        sent = _parts(entry.get(CTA_TUPLE_ORIG, b""))
        protocol = _parts(sent.get(CTA_TUPLE_PROTO, b""))
        if protocol.get(CTA_PROTO_NUM) != bytes((UDP,)):
            return None
        if int.from_bytes(protocol.get(CTA_PROTO_DST_PORT, b""), "big") not in ports:
            return None
        if _addresses(entry[CTA_TUPLE_ORIG]) != _addresses(entry.get(CTA_TUPLE_REPLY, b"")):
            return None
        return _identity(data[start : start + NFGENMSG_BYTES], entry)

    return decode


def _identity(head: bytes, entry: Mapping[int, bytes]) -> bytes:
    return head + b"".join(attribute(kind, entry[kind]) for kind in IDENTITY if kind in entry)


def _is_of_others(data: bytes, start: int, end: int, wanted: Container[bytes]) -> bool:
    """True if an entry, laid out as the kernel does, has none of the addresses; False says nothing."""
    family = data[start]
    if family not in _TUPLE:
        return True
    layout, kinds = _TUPLE[family], _KINDS[family]
    at = start + NFGENMSG_BYTES
    for tuple_kind in (CTA_TUPLE_ORIG, CTA_TUPLE_REPLY):
        if at + layout.size > end:
            return False
        size, kind, ip, first, source, second, destination = layout.unpack_from(data, at)
        if kind & NLA_TYPE_MASK != tuple_kind or (ip & NLA_TYPE_MASK, first, second) != kinds:
            return False
        if source in wanted or destination in wanted:
            return False
        at += size + 3 & ~3
    return True


def _addresses(packed_tuple: bytes) -> set[bytes]:
    """The packed source and destination of a tuple."""
    ip = _parts(packed_tuple).get(CTA_TUPLE_IP, b"")
    return {payload for kind, payload in _parts(ip).items() if kind in ENDS}


def _parts(nested: bytes) -> dict[int, bytes]:
    return dict(attributes(nested, 0, len(nested)))
