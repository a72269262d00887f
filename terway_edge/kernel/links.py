"""Messages about links that no plan contains: the alias, and what the reaper needs to unplug many links at once."""

from __future__ import annotations

from socket import AF_UNSPEC

from terway_edge.kernel.uapi import (
    IFLA_EXT_MASK,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    NLM_F_REQUEST,
    RTEXT_FILTER_SKIP_STATS,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_SETLINK,
)
from terway_edge.kernel.wire import IFINFO, attribute, message, number, text

ANY = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0)


def _named(link: int) -> bytes:
    return IFINFO.pack(AF_UNSPEC, 0, link, 0, 0)


def get(link: int, seq: int) -> bytes:
    return message(RTM_GETLINK, NLM_F_REQUEST, seq, _named(link) + number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))


def get_by_name(name: str, seq: int) -> bytes:
    body = ANY + text(IFLA_IFNAME, name) + number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return message(RTM_GETLINK, NLM_F_REQUEST, seq, body)


def set_alias(link: int, alias: str, seq: int) -> bytes:
    return message(RTM_SETLINK, NLM_F_REQUEST, seq, _named(link) + attribute(IFLA_IFALIAS, alias.encode()))


def set_group(link: int, group: int, seq: int) -> bytes:
    return message(RTM_SETLINK, NLM_F_REQUEST, seq, _named(link) + number(IFLA_GROUP, group))


def delete(link: int, seq: int) -> bytes:
    return message(RTM_DELLINK, NLM_F_REQUEST, seq, _named(link))


def delete_group(group: int, seq: int) -> bytes:
    """Deletes every link of the group at one RCU wait (16-20 ms) for all of them."""
    return message(RTM_DELLINK, NLM_F_REQUEST, seq, ANY + number(IFLA_GROUP, group))
