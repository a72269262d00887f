"""What the agents are told: a configuration file each, as the how-to pages say for such a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terway_edge.lab import clouds
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import SITE, LabNode


def settings(
    node: Host, directory: Path, cluster: Mapping[str, Any], node_pools: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The content of config.yaml; everything the agent writes is below `directory`, `cluster` is where objects are."""
    common: dict[str, Any] = {
        "node_name": node.name,
        "run_dir": str(directory / "run"),
        "state_dir": str(directory / "state"),
        "cluster": dict(cluster),
        "cni": {"bin_dir": str(directory / "bin"), "conf_dir": str(directory / "net.d")},
    }
    if node_pools:
        common["node_pools"] = [dict(pool) for pool in node_pools]
    return common | (_edge(node) if isinstance(node, LabNode) else {"cloud": _cloud(node.domain, directory)})


def write_key(directory: Path, key: tuple[str, str]) -> None:
    """An AccessKey pair as a Secret is mounted; nodes at ENS sites have no RAM role."""
    place = credentials(directory)
    place.mkdir(mode=0o700)
    for name, text in zip(("access-key-id", "access-key-secret"), key, strict=True):
        (place / name).touch(mode=0o600)
        (place / name).write_text(text)


def credentials(directory: Path) -> Path:
    return directory / "credentials"


def _edge(node: LabNode) -> dict[str, Any]:
    """Pods keep their addresses towards the data center, the VPC and the ENS network, which have a route back."""
    return {
        "routes": {
            "gateway": [node.lan.gateways[1]],  # the BGPPeer names an IPv4 gateway only
            "cross_domain_cidrs": [clouds.VPC_CIDR, clouds.ENS_CIDR],
        },
        "masquerade": {"exclude": [SITE[0]]},
    }


def _cloud(domain: str, directory: Path) -> dict[str, Any]:
    """Cloud nodes get region and credentials from metadata; an ENS node is told both."""
    endpoint = f"{clouds.CONTROL_ADDRESS}:{clouds.API_PORT}"
    common = {"protocol": "http", "proxy": ""}
    if domain == clouds.ENS:
        path = str(credentials(directory))
        ens = {"ens_region": clouds.ENS_REGION, "ens_endpoint": endpoint}
        return {**common, **ens, "credentials": "path", "credentials_path": path}
    return {**common, "ecs_endpoint": endpoint, "vpc_endpoint": endpoint, "credentials": "role"}
