"""Names and hardware addresses derived from a sandbox, so that a process with no memory finds its own links."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha1

LINK_PREFIX = "tw"
HOST_OCTET = 0x02
"""The first octet of every host end's MAC."""
ALIAS_BYTES = 255  # IFALIASZ of the kernel, less its final NUL

_LINK_NAME = re.compile(rf"{LINK_PREFIX}[0-9a-f]{{13}}")

Key = tuple[str, str]
"""(container id, ifname): what a sandbox, a lease and a host link are known by."""


def link_name(key: Key) -> str:
    """Host end of the pod's veth: `tw` and 13 hex digits, 15 bytes in all (IFNAMSIZ less the NUL)."""
    return LINK_PREFIX + _digest(key).hex()[:13]


def has_link_name(name: str) -> bool:
    """True if link_name() may have given this name; others may give it, too."""
    return _LINK_NAME.fullmatch(name) is not None


def link_macs(key: Key) -> tuple[bytes, bytes]:
    """(host MAC, pod MAC): unicast and locally administered, chosen by us so that nothing need be read back."""
    digest = _digest(key)
    return bytes([HOST_OCTET]) + digest[10:15], b"\x06" + digest[10:15]


def link_alias(key: Key) -> str:
    """`container-id ifname`, cut to what the kernel keeps: the proof that a link is ours and whose it is."""
    return f"{key[0]} {key[1]}".encode()[:ALIAS_BYTES].decode(errors="ignore")


def key_of_alias(alias: str) -> Key | None:
    """The sandbox that an alias names, or None if the alias is not one of ours."""
    container_id, _, ifname = alias.partition(" ")
    return (container_id, ifname) if container_id and ifname else None


def is_own_link(name: str, alias: str) -> bool:
    """True if name and alias prove together that the link is ours; a name alone proves nothing."""
    key = key_of_alias(alias)
    return key is not None and name == link_name(key)


@lru_cache(maxsize=1024)  # one ADD asks half a dozen times
def _digest(key: Key) -> bytes:
    return sha1(f"{key[0]}{key[1]}".encode(), usedforsecurity=False).digest()
