"""Set elements of our nftables table over nfnetlink: one message batch for a change, one dump per set to look.

Layouts are those of linux/netfilter/nf_tables.h; each field of a concatenated key or value is padded to four bytes. A
batch is one transaction: it happens as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from terway_edge.kernel.netlink import NetlinkSocket, Refusal
from terway_edge.kernel.own_ports import OwnPorts
from terway_edge.kernel.uapi import (
    NETLINK_NETFILTER,
    NFNL_MSG_BATCH_BEGIN,
    NFNL_MSG_BATCH_END,
    NFNL_SUBSYS_NFTABLES,
    NFPROTO_INET,
    NFT_MSG_DELSETELEM,
    NFT_MSG_GETSETELEM,
    NFT_MSG_NEWSETELEM,
    NFT_SET_ELEM_CATCHALL,
    NFTA_DATA_VALUE,
    NFTA_LIST_ELEM,
    NFTA_SET_ELEM_DATA,
    NFTA_SET_ELEM_FLAGS,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    NLA_F_NESTED,
    NLA_TYPE_MASK,
    NLM_F_CREATE,
    NLM_F_REQUEST,
)
from terway_edge.kernel.wire import ATTRIBUTE, attribute, attributes, chosen, nest, text

NFGENMSG = Struct(">BBH")
"""nfgenmsg: family, version, resource id in network order."""
_EDGE = NFGENMSG.pack(0, 0, NFNL_SUBSYS_NFTABLES)  # the body of both ends of a batch
PER_MESSAGE = 400
"""Elements in one message: their list is an attribute, whose length has 16 bits."""
FEW = 8

NEW = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM
DELETE = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM
GET = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM


_LIST = frozenset((NFTA_SET_ELEM_LIST_ELEMENTS,))
_SET = itemgetter(0, 3)  # what says of an Element which set it is in
_NESTED = Struct("=HHHH")
_CATCHALL = attribute(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_CATCHALL.to_bytes(4, "big"))


class Element(NamedTuple):
    """One element of a set, or of a map if there is `data`; without a key it stands for what no other matches, and is
    never ours. `family` is that of the set's table."""

    set: str
    key: bytes
    data: bytes = b""
    family: int = NFPROTO_INET


class Elements:
    """The sets of tables of one name in the namespace of the thread that first calls; for one thread at a time.
    Notifications of changes made here carry a port id of `ports`.

    The socket stays open: to close one waits until the kernel has freed all that was ever removed, an RCU grace
    period, some hundred times as long as the removal itself.
    """

    def __init__(self, table: str, ports: OwnPorts) -> None:
        self._table = table
        self._ports = ports
        self._socket: NetlinkSocket | None = None

    def change(self, remove: Collection[Element], add: Collection[Element]) -> list[Refusal]:
        """Remove some and add others in one transaction; it happened if nothing is refused. Raises KernelError."""
        bodies = [(DELETE, NLM_F_REQUEST, body) for body in _bodies(self._table, remove, with_data=False)]
        bodies += [(NEW, NLM_F_REQUEST | NLM_F_CREATE, body) for body in _bodies(self._table, add, with_data=True)]
        if not bodies:
            return []
        parts = [(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, _EDGE), *bodies, (NFNL_MSG_BATCH_END, NLM_F_REQUEST, _EDGE)]
        with self.lend() as endpoint:
            return endpoint.commit(parts)

    def read(self, sets: Sequence[str], family: int = NFPROTO_INET) -> set[Element]:
        """What these sets hold. Raises KernelError, ENOENT if one of them does not exist."""
        found: set[Element] = set()
        with self.lend() as endpoint:
            for name in sets:
                for elements in endpoint.dump(GET, _head(self._table, name, family), partial(_decode, name, family)):
                    found.update(elements)
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @contextmanager
    def lend(self) -> Iterator[NetlinkSocket]:
        """The socket, for the length of a with-block. Raises KernelError if it cannot be opened."""
        if self._socket is None:
            self._socket = NetlinkSocket(self._ports.next(), protocol=NETLINK_NETFILTER, large=True)
        try:
            yield self._socket
        except BaseException:
            self.close()  # an answer may be left in it
            raise


def _bodies(table: str, elements: Collection[Element], *, with_data: bool) -> Iterator[bytes]:
    """The bodies of messages that tell these elements, set by set. A pod's few have one each: all but the keys is the
    same for every pod."""
    if len(elements) <= FEW and not any(element.data or not element.key for element in elements):
        for name, key, _, family in elements:
            yield _before_key(table, name, family, len(key)) + key
        return
    for (name, family), group in groupby(sorted(elements, key=_SET), key=_SET):
        listed = [_element(member, with_data=with_data) for member in group]
        for start in range(0, len(listed), PER_MESSAGE):
            several = nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, *listed[start : start + PER_MESSAGE])
            yield _head(table, name, family) + several


@lru_cache(maxsize=64)  # a table has a dozen sets
def _head(table: str, name: str, family: int) -> bytes:
    where = text(NFTA_SET_ELEM_LIST_TABLE, table) + text(NFTA_SET_ELEM_LIST_SET, name)
    return NFGENMSG.pack(family, 0, 0) + where


@lru_cache(maxsize=64)
def _before_key(table: str, name: str, family: int, size: int) -> bytes:
    """A message's body with one element whose key has this size, up to the key, which is its end."""
    element = _element(Element(name, bytes(size)), with_data=False)
    return (_head(table, name, family) + nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, element))[:-size]


def _element(element: Element, *, with_data: bool) -> bytes:
    parts = _value(NFTA_SET_ELEM_KEY, element.key) if element.key else _CATCHALL
    if with_data and element.data:
        parts += _value(NFTA_SET_ELEM_DATA, element.data)
    return ATTRIBUTE.pack(4 + len(parts), NFTA_LIST_ELEM | NLA_F_NESTED) + parts


def _value(kind: int, value: bytes) -> bytes:
    """A value, which is padded already, in two attributes around each other."""
    size = len(value)
    return _NESTED.pack(8 + size, kind | NLA_F_NESTED, 4 + size, NFTA_DATA_VALUE) + value


def _decode(name: str, family: int, data: bytes, start: int, end: int) -> list[Element]:
    """The elements that one message of a dump tells."""
    listed = chosen(data, start + NFGENMSG.size, end, _LIST).get(NFTA_SET_ELEM_LIST_ELEMENTS, b"")
    elements = []
    for _, payload in attributes(listed, 0, len(listed)):
        size, kind, inner, _ = _NESTED.unpack_from(payload)
        if kind & NLA_TYPE_MASK != NFTA_SET_ELEM_KEY:  # which comes first
            size = inner = 0
        rest = dict(attributes(payload, size + 3 & ~3, len(payload)))
        value = rest.get(NFTA_SET_ELEM_DATA, b"")
        elements.append(Element(name, payload[8 : 4 + inner], value[4:], family))
    return elements
