"""What ECS metadata tells an instance about itself. It shows changes some seconds after the API made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from terway_edge.cloud.metadata_http import ACTION, MetadataHttp
from terway_edge.core.addresses import Address
from terway_edge.core.brief import shown
from terway_edge.core.cloud import Cause, CloudError, Instance, SeenEni
from terway_edge.core.ports import Clock

LAG = 1.1  # seconds between two looks; the service shows changes in a few of them
MACS = "meta-data/network/interfaces/macs/"


class EcsMetadata:
    """`core.cloud.Metadata`."""

    def __init__(self, http: MetadataHttp, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._http, self._clock, self._sleep = http, clock, sleep

    def region(self, deadline: float) -> str:
        return self._read("region-id", deadline)

    def instance(self, deadline: float) -> Instance:
        names = ("instance-id", "instance/instance-type", "zone-id", "vpc-id", "vswitch-id")
        identifier, kind, zone, network, vswitch = (self._read(name, deadline) for name in names)
        return Instance(identifier, kind, zone, network, vswitch)

    def enis(self, deadline: float) -> list[SeenEni]:
        names = [line.strip().rstrip("/") for line in self._http.text(MACS, deadline).splitlines()]
        found = [self._eni(name, deadline) for name in names if name]
        return [each for each in found if each is not None]

    def await_addresses(
        self, mac: bytes, deadline: float, *, present: Collection[Address] = (), absent: Collection[Address] = ()
    ) -> bool:
        while True:
            eni = self._eni(mac.hex(":"), deadline)
            seen = eni.addresses if eni else frozenset()
            if seen.issuperset(present) and seen.isdisjoint(absent):
                return True
            if self._clock.now() + LAG >= deadline:
                return False
            self._sleep(LAG)

    def _eni(self, mac: str, deadline: float) -> SeenEni | None:
        """None if it is not there, or not any more."""
        try:
            identifier = self._read(f"network/interfaces/macs/{mac}/network-interface-id", deadline)
            primary = self._address(f"network/interfaces/macs/{mac}/primary-ip-address", deadline)
            four = self._list(f"network/interfaces/macs/{mac}/private-ipv4s", deadline)
        except CloudError as error:
            if error.cause is Cause.MISSING:
                return None
            raise
        six = self._list6(f"network/interfaces/macs/{mac}/ipv6s", deadline)
        return SeenEni(identifier, _mac(mac), primary, frozenset((primary, *four, *six)))

    def _list(self, name: str, deadline: float) -> list[Address]:
        """A JSON array."""
        text = self._read(name, deadline)
        try:
            return [Address.parse(str(each)) for each in json.loads(text)]
        except (ValueError, TypeError, RecursionError):
            raise _not_understood(name, text) from None

    def _list6(self, name: str, deadline: float) -> list[Address]:
        """An array without quotes, `[a,b]`; an ENI without such has no such file."""
        try:
            text = self._read(name, deadline)
        except CloudError as error:
            if error.cause is Cause.MISSING:
                return []
            raise
        try:
            return [Address.parse(each.strip()) for each in text.strip("[]").split(",") if each.strip()]
        except ValueError:
            raise _not_understood(name, text) from None

    def _address(self, name: str, deadline: float) -> Address:
        text = self._read(name, deadline)
        try:
            return Address.parse(text)
        except ValueError:
            raise _not_understood(name, text) from None

    def _read(self, name: str, deadline: float) -> str:
        return self._http.text(f"meta-data/{name}", deadline).strip()


def _mac(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raise _not_understood(MACS, text) from None


def _not_understood(name: str, text: str) -> CloudError:
    return CloudError(
        f"instance metadata: {name} is {shown(text)}, which cannot be", action=ACTION, cause=Cause.UNAVAILABLE
    )
