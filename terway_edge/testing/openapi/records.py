"""What exists in the cloud, as frozen records: a change is a new record, so any older one is a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix


class Product(StrEnum):
    """The two services that have ENIs."""

    ECS = "ecs"
    ENS = "ens"


class EniStatus(StrEnum):
    AVAILABLE = "Available"
    ATTACHING = "Attaching"
    IN_USE = "InUse"
    DETACHING = "Detaching"
    DELETING = "Deleting"


class EniType(StrEnum):
    PRIMARY = "Primary"
    SECONDARY = "Secondary"


class Change(NamedTuple):
    """A change under way: it ends in `status` (empty: the thing is gone) once `due` (seconds of the emulator's clock)
    has passed and `describes` listings have shown it."""

    status: str
    due: float
    describes: int = 0


class Network(NamedTuple):
    """A VPC or an ENS network; `region` is the region's id or the EnsRegionId."""

    id: str
    product: Product
    region: str
    cidr: Prefix
    cidr6: Prefix | None
    secondary_cidrs: tuple[Prefix, ...]
    user_cidrs: tuple[Prefix, ...]
    route_table: str


class VSwitch(NamedTuple):
    """`zone` of an ENS vSwitch is the EnsRegionId."""

    id: str
    product: Product
    region: str
    zone: str
    network: str
    cidr: Prefix
    cidr6: Prefix | None
    name: str


class SecurityGroup(NamedTuple):
    id: str
    product: Product
    region: str
    network: str


class Route(NamedTuple):
    """One entry of a VPC's route table; a System one has no next hop."""

    id: str
    table: str
    destination: Prefix
    next_hop: str
    next_hop_type: str
    is_system: bool
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Instance:
    id: str
    product: Product
    type: str
    region: str
    zone: str
    network: str
    vswitch: str
    status: str
    security_groups: tuple[str, ...]
    role: str
    hardened_metadata: bool
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Eni:
    """One elastic network interface; `serial` is its place in the order of creation, `created` in seconds of 1970."""

    id: str
    serial: int
    product: Product
    region: str
    zone: str
    network: str
    vswitch: str
    type: EniType
    mac: str
    primary: Address
    created: float
    status: EniStatus = EniStatus.AVAILABLE
    instance: str = ""
    secondary: tuple[Address, ...] = ()
    ipv6: tuple[Address, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    prefixes6: tuple[Prefix, ...] = ()
    security_groups: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    resource_group: str = ""
    traffic_mode: str = "Standard"
    queues: int = 0
    source_dest_check: bool = False
    delete_on_release: bool = True
    service_managed: bool = False
    change: Change | None = None

    @property
    def ipv4(self) -> tuple[Address, ...]:
        """The primary address first."""
        return (self.primary, *self.secondary)

    @property
    def is_plugged(self) -> bool:
        """Whether the instance has a link for it: from the end of attaching to the end of detaching."""
        return self.status in (EniStatus.IN_USE, EniStatus.DETACHING)

    @property
    def ipv4_count(self) -> int:
        """As the quotas count: a prefix is one."""
        return 1 + len(self.secondary) + len(self.prefixes)

    @property
    def ipv6_count(self) -> int:
        return len(self.ipv6) + len(self.prefixes6)

    def owned(self) -> Iterator[Prefix]:
        """Everything it owns, single addresses as host prefixes."""
        for address in (*self.ipv4, *self.ipv6):
            yield address.host
        yield from self.prefixes
        yield from self.prefixes6


def mac_of(serial: int) -> str:
    """In the vendor's range."""
    return "00:16:3e:" + ":".join(f"{serial >> shift & 255:02x}" for shift in (16, 8, 0))
