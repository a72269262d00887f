"""What the cloud client needs to know, with units and defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from terway_edge.core.secret import Secret

METADATA_URL = "http://100.100.100.200"  # of every ECS instance in a VPC

_REGION = re.compile(r"[a-zA-Z0-9_-]*")
_HOST = re.compile(r"([A-Za-z0-9._-]+(:\d{1,5})?)?")


class CredentialSource(StrEnum):
    """Where the AccessKey comes from; `auto`: the path if one is set, else the environment if it has a key, else `key`
    of the settings if it is set, else the instance's RAM role."""

    AUTO = "auto"
    ENVIRONMENT = "environment"
    PATH = "path"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Raises ValueError for values that would change where calls go without a word.

    :param region: RegionId of ECS and VPC; empty: as metadata says
    :param ens_region: EnsRegionId of the edge site; empty: of all sites
    :param ecs_endpoint: host or host:port; empty: the vendor's of the region, and so for `vpc_endpoint`
    :param proxy: URL of the proxy; None: as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; empty: none
    :param ca_bundle: file of trusted certificates; None: ALIBABA_CLOUD_CA_BUNDLE or the SDK's own
    :param credentials_path: a file, or a directory as a Secret is mounted
    :param key: (AccessKey id, its secret), for `auto`
    :param role: name of the instance's RAM role; empty: as metadata says
    :param rate_limit: calls per minute by action, over the built-in ones
    :param connect_timeout: seconds
    :param read_timeout: seconds
    :param threads: how many threads may call at the same time without opening a connection each time
    :param ens_max_enis: ENIs of an ENS instance, the primary one among them
    :param ens_addresses_per_eni: addresses of an ENS ENI, its primary one among them
    """

    region: str = ""
    ens_region: str = ""
    ecs_endpoint: str = ""
    vpc_endpoint: str = ""
    ens_endpoint: str = "ens.aliyuncs.com"
    metadata_url: str = METADATA_URL
    protocol: Literal["https", "http"] = "https"
    proxy: str | None = None
    ca_bundle: Path | None = None
    credentials: CredentialSource = CredentialSource.AUTO
    credentials_path: Path | None = None
    key: tuple[Secret, Secret] | None = None
    role: str = ""
    rate_limit: Mapping[str, int] = field(default_factory=dict)
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    threads: int = 8
    ens_max_enis: int = 10
    ens_addresses_per_eni: int = 25

    def __post_init__(self) -> None:
        if self.protocol not in ("https", "http"):
            raise ValueError(f"protocol is {self.protocol!r}, expected https or http")
        for name in ("region", "ens_region"):
            if not _REGION.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected an id such as cn-hangzhou")
        for name in ("ecs_endpoint", "vpc_endpoint", "ens_endpoint"):
            if not _HOST.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected host or host:port; protocol is a key")
        for action, calls in self.rate_limit.items():
            if calls < 1:
                raise ValueError(f"rate_limit of {action} is {calls} calls a minute, expected at least 1")
