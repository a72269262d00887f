"""Addresses and prefixes as small tuples of integers.

`ipaddress` objects cost a microsecond and 100 bytes or more each; routes come in hundreds of thousands and pools
in millions, so the hot paths use tuples and only the edges (configuration, tables, CNI results) see text.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

BITS = {4: 32, 6: 128}


class Address(NamedTuple):
    """One host address: `family` is 4 or 6, `value` its unsigned integer."""

    family: int
    value: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `192.0.2.1` or `2001:db8::1`; raises ValueError naming the text (scoped addresses are refused)."""
        parsed = ipaddress.ip_address(text)
        if parsed.version == 6 and parsed.scope_id:
            raise ValueError(f"{text!r} has a zone; give the address without %{parsed.scope_id}")
        return cls(parsed.version, int(parsed))

    @classmethod
    def unpack(cls, packed: bytes) -> Address:
        """From 4 or 16 bytes in network order."""
        return cls(4 if len(packed) == 4 else 6, int.from_bytes(packed, "big"))

    @property
    def bits(self) -> int:
        return BITS[self.family]

    @property
    def packed(self) -> bytes:
        return self.value.to_bytes(4 if self.family == 4 else 16, "big")

    @property
    def host(self) -> Prefix:
        """The /32 or /128 that holds exactly this address."""
        return Prefix(self.family, self.value, BITS[self.family])

    def __str__(self) -> str:
        if self.family == 4:
            value = self.value
            return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
        return _text6(self.value)


class Prefix(NamedTuple):
    """A network and its length; `value` has no host bits set."""

    family: int
    value: int
    length: int

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read `10.0.0.0/8` or `2001:db8::/32`; raises ValueError if host bits are set or the length is missing."""
        if "/" not in text:
            raise ValueError(f"{text!r} has no prefix length; write for example {text}/24")
        parsed = ipaddress.ip_network(text)
        return cls(parsed.version, int(parsed.network_address), parsed.prefixlen)

    @property
    def first(self) -> int:
        return self.value

    @property
    def last(self) -> int:
        return self.value | ((1 << (BITS[self.family] - self.length)) - 1)

    @property
    def size(self) -> int:
        return 1 << (BITS[self.family] - self.length)

    @property
    def address(self) -> Address:
        """The network address, which for a host prefix is the address itself."""
        return Address(self.family, self.value)

    def contains(self, address: Address) -> bool:
        return address.family == self.family and self.value <= address.value <= self.last

    def covers(self, other: Prefix) -> bool:
        """True if `other` lies wholly inside this prefix (equal counts)."""
        return other.family == self.family and other.length >= self.length and self.value <= other.value <= self.last

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


@lru_cache(maxsize=1024)  # the journal, the result and the log show the same address one after another
def _text6(value: int) -> str:
    return str(ipaddress.IPv6Address(value))
