"""`terway-edge maxpods`: what kubelet's --max-pods should be, asked on an instance before it becomes a node."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from terway_edge.cli.eni_config import config_in
from terway_edge.cli.files import read_documents
from terway_edge.cli.options import add_config_option, settings_of
from terway_edge.core.errors import Refused

PATIENCE = 60.0  # seconds
ROLE_PATIENCE = 2.5  # seconds for a RAM role, which is on the same host or nowhere


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("--eni-config", type=Path, metavar="FILE", help="Terway's ConfigMap, which may set limits")
    parser.add_argument("--ens", metavar="INSTANCE", help="count the ENIs bound to this ENS instance")
    parser.add_argument("--explain", action="store_true", help="the arithmetic, on stderr")


def run(arguments: argparse.Namespace) -> int:
    """Raises Refused, CloudError, ConfigError."""
    from terway_edge.cloud.metadata_http import ACTION
    from terway_edge.core.cloud import CloudError

    try:
        return _run(arguments)
    except CloudError as error:
        if error.action != ACTION:
            raise
        if not arguments.ens:
            raise Refused(f"{error}; name an ENS instance with --ens") from None
        # Nothing was asked there but a RAM role, when there was no other credential.
        raise Refused(
            "there are no credentials to ask ENS with, whose instances have no RAM roles: "
            f"set cloud.credentials_path or ALIBABA_CLOUD_ACCESS_KEY_ID and ..._SECRET ({error})"
        ) from None


def _run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    config = config_in(read_documents(arguments.eni_config)) if arguments.eni_config else None
    # Imported here: no other command talks to the cloud.
    from terway_edge.agent.clock import BootClock
    from terway_edge.agent.clouds import AliyunClouds
    from terway_edge.core.cloud import Api, EniKind
    from terway_edge.eni.configuration import policy_of
    from terway_edge.eni.policy import Site, shape_of

    clock = BootClock()
    clouds, deadline = AliyunClouds(settings, clock), clock.now() + PATIENCE
    if arguments.ens:
        clouds.see_credentials(clock.now() + ROLE_PATIENCE)
    cloud = clouds.open(Api.ENS if arguments.ens else Api.ECS, deadline)
    instance = cloud.instance(arguments.ens or clouds.metadata().instance(deadline).id, deadline)
    limits = cloud.limits(instance.type, deadline)
    shape = shape_of(policy_of(config, instance.zone, 0.0), Site(instance, limits, cloud.features))
    if cloud.features.attaches_hot:
        enis, why = shape.max_enis, f"{instance.type} takes {limits.enis} ENIs, of which pods may use {shape.max_enis}"
    else:
        bound = [eni for eni in cloud.enis_of(instance.id, deadline) if eni.kind is EniKind.SECONDARY]
        enis, why = len(bound), f"{len(bound)} ENIs are bound to {instance.id} beside its primary one"
    why += f"; {shape.per_eni} pods on each"
    pods = enis * shape.per_eni
    if settings.ipam.pods_per_node:
        pods = min(pods, settings.ipam.pods_per_node)
        why += f"; at most {settings.ipam.pods_per_node} by ipam.pods_per_node"
    if not pods:
        raise Refused(f"this instance has no address for pods: {why}")
    if arguments.explain:
        print(why, file=sys.stderr)
    print(pods)
    return 0
