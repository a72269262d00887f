"""`format` of strings and integers. A format that is not here is not checked, as on a real server."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import datetime

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_HOST = re.compile(r"(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def is_time(text: str) -> bool:
    """RFC 3339."""
    try:
        return bool(_TIME.fullmatch(text)) and bool(datetime.fromisoformat(text.upper()))
    except ValueError:
        return False


def _is_ipv4(text: str) -> bool:
    """As loose as the server's: zeros may lead."""
    parts = text.split(".")
    return len(parts) == 4 and all(re.fullmatch("[0-9]{1,3}", each) and int(each) < 256 for each in parts)


def _is_ipv6(text: str) -> bool:
    return ":" in text and _parses(ipaddress.IPv6Address, text)


def _is_cidr(text: str) -> bool:
    return "/" in text and _parses(lambda each: ipaddress.ip_network(each, strict=False), text)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


STRINGS: dict[str, Callable[[str], bool]] = {
    "byte": _is_base64,
    "cidr": _is_cidr,
    "date-time": is_time,
    "hostname": lambda text: len(text) < 256 and bool(_HOST.fullmatch(text)),
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
}
INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
