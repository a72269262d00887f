"""CEL's standard functions and Kubernetes' libraries of IP addresses, lists and strings, as far as they are here.

Functions that do not take a value raise TypeError, AttributeError or ValueError.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from terway_edge.testing.apiserver.cel.values import CelError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _parse_ip(text: str) -> Address:
    """Strict: no zone, no leading zeros, no IPv4 mapped into IPv6."""
    if "%" in text:
        raise ValueError("IP address with zone value is not allowed")
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise ValueError("IPv4-mapped IPv6 address is not allowed")
    return address


def _parse_cidr(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if not re.fullmatch(r"[^/%]+/(0|[1-9][0-9]{0,2})", text):
        raise ValueError(f"{text!r} is no CIDR")
    return ipaddress.ip_interface(text)


def _is(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return test


def _ip(value: Any) -> Any:
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return value.ip
    try:
        return _parse_ip(value)
    except ValueError as error:
        raise CelError(f"IP Address {value!r} parse error during conversion from string: {error}") from None


def _cidr(text: str) -> Any:
    try:
        return _parse_cidr(text)
    except ValueError as error:
        raise CelError(f"network address parse error during conversion from string: {error}") from None


def _contains_ip(network: Any, address: Any) -> bool:
    address = _ip(address) if isinstance(address, str) else address
    return address.version == network.version and address in network.network


def _contains_cidr(network: Any, inner: Any) -> bool:
    inner = _cidr(inner) if isinstance(inner, str) else inner
    return inner.version == network.version and bool(inner.network.subnet_of(network.network))


def _is_global_unicast(address: Any) -> bool:
    """As Go's net package has it: private addresses are among them."""
    is_broadcast = int(address) == 2**32 - 1 and address.version == 4
    odd = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not odd and not is_broadcast


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise CelError("no such overload: int(bool)")
    return int(value)


def _string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text) is not None


def _is_sorted(values: list[Any]) -> bool:
    return values == sorted(values)


def _index_of(values: Any, wanted: Any) -> int:
    return int(values.find(wanted)) if isinstance(values, str) else values.index(wanted) if wanted in values else -1


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a string is wanted")
    return value


def _is_link_local_multicast(address: Address) -> bool:
    local = "224.0.0.0/24" if address.version == 4 else "ff02::/16"
    return address in ipaddress.ip_network(local)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": len,
    "int": _int,
    "double": float,
    "string": _string,
    "matches": _matches,
    "isIP": _is(_parse_ip),
    "ip": _ip,
    "isCIDR": _is(_parse_cidr),
    "cidr": _cidr,
}

METHODS: dict[str, Callable[..., Any]] = {
    "size": len,
    "matches": _matches,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in _text(text),
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "trim": str.strip,
    "split": str.split,
    "replace": str.replace,
    "join": lambda values, between="": between.join(values),
    "family": lambda address: address.version,
    "isUnspecified": lambda address: address.is_unspecified,
    "isLoopback": lambda address: address.is_loopback,
    "isLinkLocalUnicast": lambda address: address.is_link_local,
    "isLinkLocalMulticast": _is_link_local_multicast,
    "isGlobalUnicast": _is_global_unicast,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "prefixLength": lambda network: network.network.prefixlen,
    "masked": lambda network: ipaddress.ip_interface(network.network),
    "ip": _ip,
    "isSorted": _is_sorted,
    "sum": sum,
    "min": min,
    "max": max,
    "indexOf": _index_of,
}
