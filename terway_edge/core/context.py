"""What a plugin is built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from terway_edge.core.cloud import Clouds, NoClouds
from terway_edge.core.plumbing import Plumbing
from terway_edge.core.ports import (
    Annotations,
    Clock,
    ConfigMaps,
    Events,
    Firewall,
    Kernel,
    NoAnnotations,
    Statuses,
    no_config_maps,
)

if TYPE_CHECKING:
    from terway_edge.core.config import Settings
    from terway_edge.core.ipam import Ipam


@dataclass(frozen=True, slots=True)
class BackendContext:
    """Ports, the shared IPAM and plumbing, and the settings, handed to every plugin when it is built.

    With `ipam` and `plumbing` a backend needs no netlink of its own: allocate addresses from pools it declares,
    then attach, check and detach by the shared datapath.
    """

    node_name: str
    kernel: Kernel
    plumbing: Plumbing
    ipam: Ipam
    firewall: Firewall
    clock: Clock
    events: Events
    statuses: Statuses
    settings: Settings
    clouds: Clouds = field(default_factory=NoClouds)
    config_maps: ConfigMaps = no_config_maps
    annotations: Annotations = field(default_factory=NoAnnotations)
