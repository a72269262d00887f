"""What pods can be served from before the cloud has said anything: the instance, ENIs, and the way out of each.

It is part of the file of `intents`. A list of the cloud's wins over it, and what is not as it should be makes nothing
of it count: the agent then waits for the cloud, as one does that is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, EniKind, EniStatus, Features, Instance, Limits, VSwitch
from terway_edge.eni.actions import Item
from terway_edge.eni.policy import Site

MAC = 6  # bytes


class KnownEni(NamedTuple):
    """An attached ENI and what of it pods may have; its other sides are as the next list says."""

    id: str
    mac: bytes
    vswitch: str
    primary: Address
    items: tuple[Item, ...]
    tags: Mapping[str, str] = {}

    def attached_to(self, instance: str) -> Eni:
        return Eni(
            self.id,
            self.mac,
            EniStatus.IN_USE,
            EniKind.SECONDARY,
            self.vswitch,
            self.primary,
            tuple(item for item in self.items if isinstance(item, Address)),
            tuple(item for item in self.items if isinstance(item, Prefix)),
            instance,
            tags=self.tags,
        )


class Remembered(NamedTuple):
    """`ways`: the vSwitches of the ENIs, without counts of what is free."""

    site: Site | None = None
    ways: tuple[VSwitch, ...] = ()
    enis: tuple[KnownEni, ...] = ()


def write(remembered: Remembered) -> dict[str, object]:
    site = remembered.site
    return {
        "site": site and {
            "instance": asdict(site.instance), "limits": site.limits._asdict(), "features": asdict(site.features)
        },
        "ways": [_way(each) for each in remembered.ways],
        "enis": [
            eni._asdict()
            | {"mac": eni.mac.hex(), "primary": str(eni.primary), "items": [str(item) for item in eni.items]}
            | {"tags": dict(eni.tags)}
            for eni in remembered.enis
        ],
    }  # fmt: skip


def read(document: Mapping[str, Any] | None) -> Remembered:
    """None, as in files of versions that remembered nothing, is nothing.

    Raises ValueError, LookupError, TypeError or AttributeError if it cannot be what `write` wrote.
    """
    if document is None:
        return Remembered()
    ways = tuple(_read_way(each) for each in document["ways"])
    enis = tuple(_read_eni(each) for each in document["enis"])
    by_id = {way.id: way for way in ways}
    for eni in enis:
        way = by_id.get(eni.vswitch)
        if way is not None:
            _check(eni.id, eni.items, way)
    return Remembered(_read_site(document["site"]), ways, enis)


def items_of(texts: Iterable[str]) -> tuple[Item, ...]:
    return tuple(Prefix.parse(text) if "/" in text else Address.parse(text) for text in texts)


def _check(eni: str, items: Iterable[Item], way: VSwitch) -> None:
    for item in items:
        cidr = way.cidr if item.family == 4 else way.ipv6_cidr
        inside = cidr is None or (cidr.covers(item) if isinstance(item, Prefix) else cidr.contains(item))
        if not inside:
            raise ValueError(f"{item} of ENI {eni} is outside of {cidr}, its vSwitch {way.id}")


def _way(way: VSwitch) -> dict[str, object]:
    return {
        "id": way.id,
        "zone": way.zone,
        "cidr": str(way.cidr),
        "gateway": str(way.gateway),
        "ipv6_cidr": way.ipv6_cidr and str(way.ipv6_cidr),
        "ipv6_gateway": way.ipv6_gateway and str(way.ipv6_gateway),
    }


def _read_way(document: Mapping[str, Any]) -> VSwitch:
    six, six_gateway = document["ipv6_cidr"], document["ipv6_gateway"]
    way = VSwitch(
        _text(document["id"]),
        _text(document["zone"]),
        Prefix.parse(document["cidr"]),
        Address.parse(document["gateway"]),
        None if six is None else Prefix.parse(six),
        None if six_gateway is None else Address.parse(six_gateway),
    )
    families = [each.family for each in (way.ipv6_cidr, way.ipv6_gateway) if each is not None]
    if not way.cidr.contains(way.gateway) or way.cidr.family != 4 or set(families) - {6}:
        raise ValueError(f"vSwitch {way.id} cannot have the CIDR {way.cidr} and the gateway {way.gateway}")
    return way


def _read_eni(document: Mapping[str, Any]) -> KnownEni:
    mac, tags = bytes.fromhex(document["mac"]), document["tags"]
    if len(mac) != MAC:
        raise ValueError(f"MAC {document['mac']} has {len(mac)} bytes")
    return KnownEni(
        _text(document["id"]),
        mac,
        _text(document["vswitch"]),
        Address.parse(document["primary"]),
        items_of(document["items"]),
        {_text(key): _text(value) for key, value in tags.items()},
    )


def _read_site(document: Mapping[str, Any] | None) -> Site | None:
    if document is None:
        return None
    limits = Limits(**document["limits"])
    if not _are_counts(limits):
        raise ValueError(f"an instance cannot have the limits {tuple(limits)}")
    features = Features(**document["features"])
    *flags, batch = asdict(features).values()
    if not _are_counts([batch]) or not batch or any(type(flag) is not bool for flag in flags):
        raise ValueError(f"an API cannot have the {features}")
    instance = Instance(**document["instance"])
    for name in ("id", "type", "zone", "network", "vswitch"):
        _text(getattr(instance, name))
    return Site(instance, limits, features)


def _are_counts(values: Sequence[object]) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
