"""What goes back to the runtime: results and errors as JSON, for every CNI version we speak (CNI specification 1.1.0,
section 5 "Result Types"; 0.3.x and 0.4.0 add `version` to each address, 1.1.0 adds `mtu` to each interface). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from terway_edge.core.addresses import Address
from terway_edge.core.errors import INTERNAL, EdgeError
from terway_edge.core.models import Attachment, Discrepancy, Lease, Sandbox

ERROR_VERSION = "1.0.0"  # of errors in calls whose configuration could not be read
DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}

_dump = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def render_result(
    sandbox: Sandbox, attachment: Attachment, cni_version: str, prev_result: Mapping[str, Any] | None = None
) -> bytes:
    """The ADD result. What a plugin before us put into `prev_result` (well-formed) stays, and stays first."""
    prev = prev_result or {}
    interfaces = list(prev.get("interfaces") or ())
    pod_index = len(interfaces) + 1
    interfaces += _interfaces(sandbox, attachment, with_mtu=cni_version == "1.1.0")
    gateways = {gateway.family: str(gateway) for gateway in attachment.gateways}
    result = {
        **prev,
        "cniVersion": cni_version,
        "interfaces": interfaces,
        "ips": [
            *(prev.get("ips") or ()),
            *(_ip(address, pod_index, gateways, cni_version) for address in attachment.addresses),
        ],
        "routes": [
            *(prev.get("routes") or ()),
            *({"dst": DEFAULT_ROUTES[family], "gw": gateway} for family, gateway in gateways.items()),
        ],
    }
    return _dump(result).encode()


def render_error(error: BaseException, cni_version: str = ERROR_VERSION) -> bytes:
    """The error result (CNI specification, "Error"); what is no EdgeError is a bug of ours and says so."""
    if not isinstance(error, EdgeError):
        error = EdgeError(f"internal error: {type(error).__name__}: {error}", code=INTERNAL)
    return _dump({"cniVersion": cni_version, "code": error.code, "msg": str(error), "details": error.details}).encode()


def check_prev_result(prev: Mapping[str, Any], lease: Lease, attachment: Attachment) -> list[Discrepancy]:
    """How the final result of the ADD, as a CHECK brings it, differs from what we hold; empty if it does not.

    Interfaces, addresses and routes of other plugins are none of our concern.
    """
    interfaces = list(prev.get("interfaces") or ())
    found = [
        *_check_interface(interfaces, attachment.host_link, attachment.host_mac, inside=False),
        *_check_interface(interfaces, lease.sandbox.ifname, attachment.pod_mac, inside=True),
    ]
    told = {ip["address"] for ip in prev.get("ips") or ()}
    ours = map(_cidr, lease.addresses)
    return found + [Discrepancy(f"prevResult lacks the lease's address {cidr}") for cidr in ours if cidr not in told]


def _interfaces(sandbox: Sandbox, attachment: Attachment, *, with_mtu: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """(host end, pod end); an interface of the host has no `sandbox`."""
    host: dict[str, Any] = {"name": attachment.host_link, "mac": attachment.host_mac.hex(":")}
    pod: dict[str, Any] = {"name": sandbox.ifname, "mac": attachment.pod_mac.hex(":"), "sandbox": sandbox.netns}
    if with_mtu:
        host["mtu"] = pod["mtu"] = attachment.mtu
    return host, pod


def _ip(address: Address, index: int, gateways: Mapping[int, str], cni_version: str) -> dict[str, Any]:
    ip: dict[str, Any] = {"interface": index, "address": _cidr(address)}
    if cni_version.startswith("0."):
        ip["version"] = str(address.family)
    gateway = gateways.get(address.family)
    if gateway:
        ip["gateway"] = gateway
    return ip


def _cidr(address: Address) -> str:
    return f"{address}/{address.bits}"


def _check_interface(
    interfaces: list[Mapping[str, Any]], name: str, mac: bytes, *, inside: bool
) -> Iterator[Discrepancy]:
    found = [i for i in interfaces if i.get("name") == name and bool(i.get("sandbox")) == inside]
    if not found:
        yield Discrepancy(f"prevResult lacks the link {name}")
    elif str(found[0].get("mac", "")).lower() not in ("", mac.hex(":")):
        yield Discrepancy(f"prevResult gives {name} the MAC {found[0]['mac']}, expected {mac.hex(':')}")
