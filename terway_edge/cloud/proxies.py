"""Through which proxy each endpoint is reached. The SDK reads HTTP_PROXY and HTTPS_PROXY but no NO_PROXY, so it is
told everything, hosts without a proxy too."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping


def proxies_of(
    hosts: Iterable[str], protocol: str, configured: str | None, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """A proxy's URL or None by `protocol://host`; what is not listed has none.

    :param hosts: with or without a port
    :param configured: the proxy of all hosts, empty for none; None: as the environment says
    """
    found: dict[str, str | None] = {"http": None, "https": None}
    for host in hosts:
        name = host.partition(":")[0].lower()
        proxy = _from_environment(name, protocol, environ) if configured is None else configured
        found[f"{protocol}://{name}"] = proxy or None
    return found


def _from_environment(host: str, protocol: str, environ: Mapping[str, str]) -> str | None:
    patterns = [each.strip().lower() for each in (_value(environ, "no_proxy") or "").split(",")]
    if any(_is_meant(pattern, host) for pattern in patterns):
        return None
    return _value(environ, f"{protocol}_proxy")


def _is_meant(pattern: str, host: str) -> bool:
    """By `*`, by a domain and all below it, by an address, by a CIDR."""
    domain = pattern.partition(":")[0].lstrip("*.")
    if pattern == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def _value(environ: Mapping[str, str], name: str) -> str | None:
    """The name in small letters wins, as with other programs."""
    return environ.get(name) or environ.get(name.upper())
