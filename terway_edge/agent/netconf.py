"""The network configuration that comes on stdin (CNI specification 1.1.0, section 1 and "Deriving execution
configuration from plugin configuration"): one reader per part. Pure. Unknown keys are tolerated, wrong ones Refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from terway_edge.cni.versions import VERSIONS
from terway_edge.core.errors import DECODE_FAILURE, INCOMPATIBLE_VERSION, Refused
from terway_edge.core.models import Bandwidth
from terway_edge.core.names import Key

Conf = Mapping[str, Any]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")
VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,2}", re.ASCII)
IMPLIED_VERSION = "0.1.0"  # what a configuration without cniVersion means
DEPTH_LIMIT = 32  # of prevResult, which is written out again
PARTS_LIMIT = 200_000  # brackets, braces and commas; a GC whose 4 MiB name sandboxes has fewer
SHOWN_LIMIT = 80  # characters of a wrong value in a message

VALID_ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")  # the second is an older name
ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
RATES = {"ingressrate": "ingress_rate", "ingressburst": "ingress_burst",
         "egressrate": "egress_rate", "egressburst": "egress_burst"}  # fmt: skip
RATE_ANNOTATIONS = {
    "kubernetes.io/ingress-bandwidth": "ingress_rate",
    "kubernetes.io/egress-bandwidth": "egress_rate",
}
# Terway's own, older than Kubernetes'; in byte/s, with units of 1024.
BYTE_ANNOTATIONS = {
    "k8s.aliyun.com/ingress-bandwidth": "ingress_rate",
    "k8s.aliyun.com/egress-bandwidth": "egress_rate",
}
# Kubernetes accepts no other bandwidth (bit/s), so neither do we.
RATE_MIN, RATE_MAX = 10**3, 10**15

QUANTITY = re.compile(
    r"\+?([0-9]{1,20})(?:\.([0-9]{0,20}))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?", re.ASCII
)
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

BYTES = re.compile(r"([0-9]{1,20})(?:\.([0-9]{0,20}))?([KMGT]?)(?:I?B)?", re.ASCII | re.IGNORECASE)
UNITS = ("", "K", "M", "G", "T")


def load(stdin: bytes) -> Conf:
    """The configuration as an object. Raises Refused with code 6."""
    if not stdin.strip():
        raise _undecodable("stdin is empty; the runtime must send the network configuration")
    # Each value takes the memory of some thirty characters, whether somebody reads it or not.
    if sum(map(stdin.count, (b"[", b"{", b","))) > PARTS_LIMIT:
        raise _undecodable(f"stdin holds more than {PARTS_LIMIT} values")
    try:
        conf = json.loads(stdin.decode(), parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _undecodable(f"stdin is not UTF-8: byte {error.start}") from None
    except RecursionError:
        raise _undecodable("stdin is nested too deeply") from None
    except ValueError as error:
        raise _undecodable(f"stdin is not JSON: {shown(str(error))}") from None
    if not isinstance(conf, dict):
        raise _undecodable("stdin is JSON but no object; expected a network configuration {...}")
    return conf


def version(conf: Conf) -> str:
    """cniVersion, one of VERSIONS. Raises Refused with code 6 or 1."""
    text = conf.get("cniVersion", IMPLIED_VERSION)
    if not isinstance(text, str) or not VERSION.fullmatch(text):
        raise _undecodable(f"cniVersion {shown(text)} is no version such as 1.0.0")
    if text not in VERSIONS:
        raise Refused(
            f"cniVersion {shown(text)} is not supported",
            code=INCOMPATIBLE_VERSION,
            details=f"supported: {', '.join(VERSIONS)}",
        )
    return text


def network(conf: Conf) -> str:
    name = conf.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused(
            f"name {shown(name)} is no network name: it must start with a letter or digit, hold only letters, digits, "
            "'_', '.' and '-', and have at most 253 characters"
        )
    return name


def cni_args(conf: Conf) -> Mapping[str, str]:
    """The K8S_* texts of `args.cni`; they say the same as CNI_ARGS, and win."""
    args = _object(_object(conf, "args"), "cni", "args.")
    return {key: value for key, value in args.items() if key.startswith("K8S_") and isinstance(value, str)}


def pod_annotations(conf: Conf) -> Mapping[str, str]:
    """The pod's annotations as the runtime passes them, {} if it does not."""
    found = _object(runtime_config(conf), ANNOTATIONS, "runtimeConfig.")
    for key, value in found.items():
        if not isinstance(value, str):
            raise Refused(f"runtimeConfig: annotation {shown(key)} must be text, not {shown(value)}")
    return found


def bandwidth(conf: Conf, annotations: Mapping[str, str]) -> Bandwidth | None:
    """The pod's limits from runtimeConfig, else from its annotations, else None. Raises Refused.

    A direction that these leave open is as Terway's own annotation says.
    """
    found = _object(runtime_config(conf), "bandwidth", "runtimeConfig.")
    limits = {RATES[key.lower()]: _bits(key, value) for key, value in found.items() if key.lower() in RATES}
    if not limits:
        limits = {
            name: _quantity_bits(key, annotations[key]) for key, name in RATE_ANNOTATIONS.items() if key in annotations
        }
    for key, name in BYTE_ANNOTATIONS.items():
        if key in annotations and not limits.get(name):
            limits[name] = _byte_bits(key, annotations[key])
    return Bandwidth(**limits) if any(limits.values()) else None


def valid_attachments(conf: Conf) -> tuple[Key, ...] | None:
    """What a GC must keep: None if the runtime sent no list, () if it sent null or []. Raises Refused."""
    key = next((key for key in VALID_ATTACHMENTS if key in conf), None)
    if key is None:
        return None
    entries = [] if conf[key] is None else conf[key]
    if not isinstance(entries, list):
        raise Refused(f"{key} must be a list, not {shown(entries)}")
    return tuple(_attachment(key, entry) for entry in entries)


def prev_result(conf: Conf) -> Conf | None:
    """The well-formed result of the plugin before, None if there is none. Raises Refused with code 6."""
    result = conf.get("prevResult")
    if result is None:
        return None
    if not isinstance(result, dict) or _depth_exceeds(result, DEPTH_LIMIT):
        raise _undecodable(f"prevResult must be an object, at most {DEPTH_LIMIT} levels deep")
    for key in ("interfaces", "ips", "routes"):
        entries = [] if result.get(key) is None else result[key]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _undecodable(f"prevResult.{key} must be a list of objects")
    count = len(result.get("interfaces") or [])
    for ip in result.get("ips") or []:
        index = ip.get("interface")
        if index is not None and (type(index) is not int or not 0 <= index < count):
            raise _undecodable(f"prevResult.ips: interface {shown(index)} is none of the {count} interfaces")
        if not isinstance(ip.get("address"), str):
            raise _undecodable("prevResult.ips: every entry needs an address such as 192.0.2.1/24")
    return result


def prev_result_or_none(conf: Conf) -> Conf | None:
    """prev_result() for callers that must go on without it."""
    try:
        return prev_result(conf)
    except Refused:
        return None


def shown(value: object) -> str:
    """A wrong value as it may stand in a message: quoted, printable, short."""
    text = ascii(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text if len(text) <= SHOWN_LIMIT else f"{text[:SHOWN_LIMIT]}..."


def runtime_config(conf: Conf) -> Conf:
    """runtimeConfig with keys in lower case: runtimes differ in how they write them."""
    return {key.lower(): value for key, value in _object(conf, "runtimeConfig").items()}


def _object(conf: Conf, key: str, where: str = "") -> Conf:
    found = conf.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"{where}{key} must be an object, not {shown(found)}")
    return found


def _attachment(where: str, entry: object) -> Key:
    if isinstance(entry, dict):
        container_id, ifname = entry.get("containerID"), entry.get("ifname")
        if isinstance(container_id, str) and isinstance(ifname, str) and container_id and ifname:
            return container_id, ifname
    raise Refused(f'{where}: every entry must be {{"containerID": "...", "ifname": "..."}}; nothing was collected')


def _bits(key: str, value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise Refused(f"runtimeConfig.bandwidth.{shown(key)} must be a number of bits, not {shown(value)}")
    return value


def _quantity_bits(key: str, text: str) -> int:
    """A Kubernetes quantity in bit/s, such as 10M; a fraction of a bit is dropped."""
    match = QUANTITY.fullmatch(text)
    if match:
        whole, fraction, suffix, exponent = match.groups(default="")
        power = int(exponent or 0) + DECIMAL.get(suffix, 0) - len(fraction)
        value = int(whole + fraction) << BINARY.get(suffix, 0)
        bits: int = value * 10**power if power >= 0 else value // 10**-power
        if RATE_MIN <= bits <= RATE_MAX:
            return bits
    raise Refused(f"annotation {key}: {shown(text)} must be a bandwidth in bit/s from 1k to 1P, such as 10M")


def _byte_bits(key: str, text: str) -> int:
    """Bytes per second, such as 10M, in bit/s; a fraction of a bit is dropped."""
    match = BYTES.fullmatch(text.strip())
    if match:
        whole, fraction, unit = match.groups(default="")
        bits: int = (int(whole + fraction) << 10 * UNITS.index(unit.upper())) * 8 // 10 ** len(fraction)
        if RATE_MIN <= bits <= RATE_MAX:
            return bits
    raise Refused(f"annotation {key}: {shown(text)} must be a bandwidth in byte/s, 125 at least, such as 10M")


def _depth_exceeds(value: object, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def _undecodable(message: str) -> Refused:
    return Refused(message, code=DECODE_FAILURE)
