"""Lines of the lease journal: one record of JSON each, behind its CRC32 in hexadecimal and a space.

    header   {"format": 1, "boot": ID, "damage": TEXT}           first line, once
    lease    {"lease": {...}}                                     a lease was granted
    release  {"release": [CONTAINER ID, IFNAME], "at": SECONDS}   it was given back
    cooling  {"cooling": [ADDRESS, POOL, POD UID, SECONDS]}       a release whose lease a rewrite has dropped

A line whose checksum holds is trusted to be what `encode` made; any other is refused. Keys that this version does not
know are passed over, so one that others can do without changes no format. Anything else does: whoever writes it raises
FORMAT and enters into UPGRADES how the format before is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

from terway_edge.core.addresses import Address
from terway_edge.core.ipam import cooling_of
from terway_edge.core.models import Bandwidth, Lease, PortMapping, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.ports import Cooling, Stored

FORMAT = 1
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MappingProxyType({})
"""By format: what makes a record of the next format of one of that format. Without gaps, up to FORMAT - 1."""

LATEST = 1e15
"""No time of a clock is so many seconds."""

_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Header:
    """Whose records follow and in which format; `damage` says what a repair that is not finished is about."""

    boot_id: str
    damage: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Released:
    key: Key
    at: float


Record = Lease | Released | Cooling


class BadLine(ValueError):
    """A line that is not as it was written; the text says what is wrong with it."""


class FormatError(ValueError):
    """A sound journal of a version whose format this one does not read; the text says which."""


def encode(record: Header | Record) -> bytes:
    """The line of a record, its newline included."""
    body = _to_json(_document(record)).encode()
    return b"%08x %s\n" % (crc32(body), body)


def decode_header(line: bytes) -> Header:
    """Read the first line, without its newline; every format has these three. Raises BadLine."""
    document = _checked(line)
    try:
        return Header(_text(document["boot"]), _text(document["damage"]), document["format"])
    except KeyError as error:
        raise BadLine(f"header has no {error}") from error
    except TypeError as error:
        raise BadLine(f"header is complete but of another shape ({error!r})") from error


def decode(line: bytes, format: int = FORMAT) -> Record:
    """Read any other line, without its newline. Raises BadLine."""
    document = _checked(line)
    try:
        for older in range(format, FORMAT):
            document = UPGRADES[older](document)
        if "lease" in document:
            return _lease(document["lease"])
        if "release" in document:
            container_id, ifname = document["release"]
            return Released((_text(container_id), _text(ifname)), _time(document["at"]))
        address, pool, pod_uid, at = document["cooling"]
        return Cooling(Address.parse(_text(address)), _text(pool), _text(pod_uid), _time(at))
    except (KeyError, TypeError, ValueError) as error:
        raise BadLine(f"record is complete but of another shape ({error!r})") from error


class Contents:
    """Leases and cooling addresses after a sequence of records, in the order of their last change."""

    def __init__(self) -> None:
        self.leases: dict[Key, Lease] = {}
        self.cooling: dict[Address, Cooling] = {}
        self._owners: dict[Address, Key] = {}

    def apply(self, record: Record) -> str:
        """Follow one record; returns what is inconsistent about it, "" if nothing."""
        if isinstance(record, Lease):
            return self._grant(record)
        if isinstance(record, Released):
            return self._release(record)
        self.cooling[record.address] = record
        return ""

    def stored(self, damage: str) -> Stored:
        return Stored(tuple(self.leases.values()), tuple(self.cooling.values()), damage)

    def records(self) -> list[Record]:
        """The shortest sequence that leads to these contents."""
        return [*self.cooling.values(), *self.leases.values()]

    def forget_ready(self, cooldown: float) -> None:
        """Drop releases that were over when the newest one was made (records have the only clock there is here)."""
        times = [record.released_at for record in self.cooling.values()]
        times += [lease.granted_at for lease in self.leases.values()]
        newest = max(times, default=0.0)
        self.cooling = {a: record for a, record in self.cooling.items() if record.released_at + cooldown > newest}

    def _grant(self, lease: Lease) -> str:
        trouble = ""
        for address in lease.addresses:
            owner = self._owners.get(address, lease.key)
            if owner != lease.key:
                # Its release was lost: the address could not have been granted again otherwise.
                trouble = f"{address} was granted to {lease.key} while {owner} had it"
                self._drop(owner)
        self._drop(lease.key)
        self.leases[lease.key] = lease
        for address in lease.addresses:
            self._owners[address] = lease.key
            self.cooling.pop(address, None)
        return trouble

    def _release(self, released: Released) -> str:
        lease = self._drop(released.key)
        if lease is None:
            return f"{released.key} was released, but its lease is not on record"
        for record in cooling_of(lease, released.at):
            self.cooling[record.address] = record
        return ""

    def _drop(self, key: Key) -> Lease | None:
        lease = self.leases.pop(key, None)
        if lease is not None:
            for address in lease.addresses:
                del self._owners[address]
        return lease


class Replay(NamedTuple):
    """What a journal says: `damage` is new, `unmended` what a former process found and nobody has mended yet."""

    contents: Contents
    damage: str = ""
    unmended: str = ""
    is_of_another_boot: bool = False


def replay(data: bytes, boot_id: str) -> Replay:
    """Follow a whole file. Lines that are not as they were written are passed over and told as damage.

    Raises FormatError, unless the file is of another boot and of no use in any case.
    """
    contents = Contents()
    if b"\n" not in data:
        return Replay(contents, f"{len(data)} bytes and no whole line")
    first, *lines, tail = data.split(b"\n")
    damage = []
    unmended, format = "", FORMAT
    try:
        header = decode_header(first)
    except BadLine as error:
        damage.append(f"line 1: {error}")
    else:
        if header.boot_id != boot_id:
            return Replay(contents, is_of_another_boot=True)
        oldest = min(UPGRADES, default=FORMAT)
        if header.format not in range(oldest, FORMAT + 1):
            raise FormatError(f"has format {header.format}, and this version reads {_formats(oldest)}")
        unmended, format = header.damage, header.format
    for number, line in enumerate(lines, start=2):
        try:
            trouble = contents.apply(decode(line, format))
        except BadLine as error:
            trouble = str(error)
        if trouble:
            damage.append(f"line {number}: {trouble}")
    if tail:
        damage.append(f"line {len(lines) + 2}: cut off after {len(tail)} bytes")
    more = f"; and {len(damage) - 3} more" if len(damage) > 3 else ""
    return Replay(contents, "; ".join(damage[:3]) + more, unmended)


def _formats(oldest: int) -> str:
    return f"{oldest} to {FORMAT}" if oldest < FORMAT else f"{FORMAT} only"


def _checked(line: bytes) -> dict[str, Any]:
    body = line[9:]
    if line[:9] != b"%08x " % crc32(body):
        raise BadLine("checksum does not match")
    try:
        document = json.loads(str(body, "ascii"))  # of bytes, json would guess the encoding each time
    except (ValueError, RecursionError) as error:
        raise BadLine(f"record is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise BadLine("record is not an object")
    return document


def _document(record: Header | Record) -> dict[str, object]:
    match record:
        case Lease():
            return {"lease": _lease_document(record)}
        case Released():
            return {"release": record.key, "at": record.at}
        case Cooling():
            return {"cooling": [str(record.address), record.pool, record.pod_uid, record.released_at]}
        case Header():
            return {"format": record.format, "boot": record.boot_id, "damage": record.damage}


def _lease_document(lease: Lease) -> dict[str, object]:
    sandbox = lease.sandbox
    bandwidth = sandbox.bandwidth
    document: dict[str, object] = {
        "container": sandbox.container_id,
        "ifname": sandbox.ifname,
        "netns": sandbox.netns,
        "pod": [sandbox.pod_namespace, sandbox.pod_name, sandbox.pod_uid],
        "bandwidth": bandwidth and [getattr(bandwidth, name) for name in Bandwidth.__slots__],
        "addresses": [str(address) for address in lease.addresses],
        "backend": lease.backend,
        "pools": lease.pools,
        "at": lease.granted_at,
    }
    if sandbox.ports:  # few pods have any
        document["ports"] = [
            [port.host_port, port.container_port, port.protocol, "" if port.host_ip is None else str(port.host_ip)]
            for port in sandbox.ports
        ]
    return document


def _lease(document: dict[str, Any]) -> Lease:
    pod_namespace, pod_name, pod_uid = map(_text, document["pod"])
    bandwidth = document["bandwidth"]
    addresses = tuple(Address.parse(_text(text)) for text in document["addresses"])
    if len(set(addresses)) < len(addresses):
        raise ValueError("an address twice")
    return Lease(
        Sandbox(
            _text(document["container"]),
            _text(document["ifname"]),
            _text(document["netns"]),
            pod_namespace,
            pod_name,
            pod_uid,
            None if bandwidth is None else Bandwidth(*map(_whole, bandwidth)),
            tuple(_port_mapping(*port) for port in document.get("ports", ())),
        ),
        addresses,
        _text(document["backend"]),
        tuple(map(_text, document["pools"])),
        _time(document["at"]),
    )


def _port_mapping(host_port: object, container_port: object, protocol: object, host_ip: object) -> PortMapping:
    address = Address.parse(text) if (text := _text(host_ip)) else None
    return PortMapping(_whole(host_port), _whole(container_port), _text(protocol), address)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("no whole number")
    return value


def _time(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < LATEST:
        raise TypeError("no time")
    return value
