"""Settings to a cloud that is ready to be called."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from terway_edge.cloud.budget import RATES, Budget
from terway_edge.cloud.client import Client
from terway_edge.cloud.credential_files import PathCredentials
from terway_edge.cloud.credentials import (
    Credentials,
    CredentialsProvider,
    FixedCredentials,
    from_environment,
    no_credentials,
)
from terway_edge.cloud.ecs import Ecs
from terway_edge.cloud.ens import Ens
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.metadata import EcsMetadata
from terway_edge.cloud.metadata_http import MetadataHttp
from terway_edge.cloud.requests import ECS, ENS, VPC
from terway_edge.cloud.retrying import Retrying
from terway_edge.cloud.role import RoleCredentials
from terway_edge.cloud.settings import CloudSettings, CredentialSource
from terway_edge.cloud.turns import Turns
from terway_edge.core.cloud import Limits
from terway_edge.core.ports import Clock

CENTRAL_REGION = "cn-hangzhou"
"""What the SDK adds as RegionId to ENS calls, where the edge site is another parameter."""


class Surroundings(NamedTuple):
    """What the clients take from the machine. `wall` is seconds of 1970, `random` 0 to 1."""

    clock: Clock
    sleep: Callable[[float], None] = time.sleep
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    environ: Mapping[str, str] = os.environ


def open_metadata(settings: CloudSettings, around: Surroundings) -> EcsMetadata:
    return EcsMetadata(_metadata_http(settings, around), around.clock, around.sleep)


def open_ecs(settings: CloudSettings, around: Surroundings, types: InstanceTypes, deadline: float) -> Ecs:
    """Raises CloudError if metadata has to tell the region and does not, or if there are no credentials to be had.

    :param types: what is known of instance types, as of the Node's annotation
    """
    region = settings.region or open_metadata(settings, around).region(deadline)
    credentials = open_credentials(settings, around)
    # Imported here: whoever only reads metadata or limits needs no SDK.
    from terway_edge.cloud.transport import known_endpoint

    endpoints = {
        ECS.name: settings.ecs_endpoint or known_endpoint(ECS, region),
        VPC.name: settings.vpc_endpoint or known_endpoint(VPC, region),
    }
    return Ecs(_client(settings, around, region, endpoints, credentials), types)


def open_ens(settings: CloudSettings, around: Surroundings) -> Ens:
    """Raises CloudError if there are no credentials to be had."""
    credentials = open_credentials(settings, around)
    client = _client(settings, around, CENTRAL_REGION, {ENS.name: settings.ens_endpoint}, credentials)
    limits = Limits(settings.ens_max_enis, settings.ens_addresses_per_eni)
    return Ens(client, Turns(around.clock), limits, settings.ens_region)


def open_credentials(settings: CloudSettings, around: Surroundings) -> CredentialsProvider:
    """Raises CloudError, cause DENIED, if the source named has none."""
    source, path = settings.credentials, settings.credentials_path
    if source in (CredentialSource.AUTO, CredentialSource.PATH) and path is not None:
        return PathCredentials(path)
    if source is CredentialSource.PATH:
        raise no_credentials("credentials are to come from a path and credentials_path is not set; set it")
    if source in (CredentialSource.AUTO, CredentialSource.ENVIRONMENT):
        found = from_environment(around.environ)
        if found is not None:
            return FixedCredentials(found)
    if source is CredentialSource.ENVIRONMENT:
        raise no_credentials("the environment has no ALIBABA_CLOUD_ACCESS_KEY_ID; set it and its secret")
    if source is CredentialSource.AUTO and settings.key is not None:
        return FixedCredentials(Credentials(*settings.key))
    return RoleCredentials(_metadata_http(settings, around), around.clock, around.wall, settings.role)


def _client(
    settings: CloudSettings,
    around: Surroundings,
    region: str,
    endpoints: Mapping[str, str],
    credentials: CredentialsProvider,
) -> Client:
    from terway_edge.cloud.transport import SdkTransport

    transport = SdkTransport(settings, region, endpoints, credentials, around.clock, around.environ)
    budget = Budget(around.clock, around.sleep, {**RATES, **settings.rate_limit})
    return Client(transport, budget, Retrying(around.clock, around.sleep, around.random))


def _metadata_http(settings: CloudSettings, around: Surroundings) -> MetadataHttp:
    return MetadataHttp(around.clock, around.sleep, around.random, settings.metadata_url)
