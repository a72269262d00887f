"""What metadata says about one instance, as files in directories."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.gate import utc
from terway_edge.testing.openapi.records import Eni, Instance
from terway_edge.testing.openapi.subnet import gateway
from terway_edge.testing.openapi.vault import Credentials


class Tree:
    """Texts by path below /latest/."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> str | None:
        """A file's text; a directory's names, one a line, directories with a slash; None if there is neither."""
        if path in self._files:
            return self._files[path]
        above = path.rstrip("/") + "/"
        below = [each.removeprefix(above) for each in self._files if each.startswith(above)]
        names = dict.fromkeys(each if "/" not in each else each.partition("/")[0] + "/" for each in below)
        return "\n".join(names) if names else None

    def credentials(self, credentials: Credentials, wall: float) -> str:
        return json.dumps(
            {
                "Code": "Success",
                "AccessKeyId": credentials.key_id,
                "AccessKeySecret": credentials.secret,
                "SecurityToken": credentials.token,
                "Expiration": utc(credentials.expires),
                "LastUpdated": utc(wall),
            }
        )


def tree(cloud: Cloud, instance: Instance) -> Tree:
    enis = [eni for eni in cloud.enis_of(instance.id) if eni.is_plugged]
    facts = _instance_facts(cloud, instance, enis)
    files = {f"meta-data/{name}": value for name, value in facts.items()}
    for eni in enis:
        for name, value in _eni_facts(cloud, eni).items():
            files[f"meta-data/network/interfaces/macs/{eni.mac}/{name}"] = value
    if instance.role:
        files[f"meta-data/ram/security-credentials/{instance.role}"] = ""
    document = (
        "zone-id",
        "region-id",
        "instance-id",
        "mac",
        "private-ipv4",
        "image-id",
        "serial-number",
        "owner-account-id",
    )
    identity = {name: facts[name] for name in document} | {"instance-type": instance.type}
    files["dynamic/instance-identity/document"] = json.dumps(identity)
    return Tree(files)


def _instance_facts(cloud: Cloud, instance: Instance, enis: list[Eni]) -> dict[str, str]:
    primary = enis[0]
    return {
        "instance-id": instance.id,
        "region-id": instance.region,
        "zone-id": instance.zone,
        "mac": primary.mac,
        "vpc-id": instance.network,
        "vpc-cidr-block": str(cloud.networks[instance.network].cidr),
        "vswitch-id": instance.vswitch,
        "vswitch-cidr-block": str(cloud.vswitches[instance.vswitch].cidr),
        "private-ipv4": str(primary.primary),
        "hostname": instance.id,
        "image-id": "emulated",
        "serial-number": instance.id,
        "owner-account-id": cloud.site.account,
        "network-type": "vpc",
        "instance/instance-type": instance.type,
        "dns-conf/nameservers": "100.100.2.136\n100.100.2.138",
    }


def _eni_facts(cloud: Cloud, eni: Eni) -> dict[str, str]:
    """IPv6 addresses are no JSON, unlike IPv4 ones; without any there is no such file."""
    vswitch, network = cloud.vswitches[eni.vswitch], cloud.networks[eni.network]
    facts = {
        "network-interface-id": eni.id,
        "primary-ip-address": str(eni.primary),
        "private-ipv4s": json.dumps([str(each) for each in eni.ipv4]),
        "netmask": _netmask(vswitch.cidr),
        "gateway": str(gateway(vswitch)),
        "vswitch-id": vswitch.id,
        "vswitch-cidr-block": str(vswitch.cidr),
        "vpc-id": network.id,
        "vpc-cidr-block": str(network.cidr),
    }
    if eni.ipv6:
        facts["ipv6s"] = f"[{','.join(str(each) for each in eni.ipv6)}]"
    if vswitch.cidr6:
        facts["ipv6-gateway"] = str(gateway(vswitch, 6))
        facts["vswitch-ipv6-cidr-block"] = str(vswitch.cidr6)
    return facts


def _netmask(prefix: Prefix) -> str:
    return str(IPv4Network((prefix.value, prefix.length)).netmask)
