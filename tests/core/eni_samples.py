"""Terway's ConfigMaps as people have them."""

from __future__ import annotations

import json
from typing import Any

# The example of ACK's page on Terway's parameters.
ACK: dict[str, object] = {
    "10-terway.conf": """
{
  "cniVersion": "0.4.0",
  "name": "terway",
  "capabilities": {"bandwidth": true},
  "eniip_virtual_type": "datapathv2",
  "host_stack_cidrs": ["169.254.20.10/32"],
  "cilium_args": "",
  "type": "terway"
}
""",
    "disable_network_policy": "false",
    "eni_conf": """
{
  "version": "1",
  "max_pool_size": 5,
  "min_pool_size": 0,
  "credential_path": "/var/addon/token-config",
  "enable_eni_trunking": true,
  "vswitches": {"cn-hangzhou-j": ["vsw-foo"], "cn-hangzhou-k": ["vsw-foo"]},
  "eni_tags": {"ack.aliyun.com": "c7c3cfoo"},
  "service_cidr": "192.168.0.0/16",
  "security_group": "sg-foo",
  "ip_stack": "ipv4",
  "vswitch_selection_policy": "ordered"
}
""",
    "in_cluster_loadbalance": "true",
}

# A cluster of one's own: an access key, veth, no policies.
SELF_BUILT: dict[str, object] = {
    "10-terway.conf": '{"cniVersion": "0.4.0", "name": "terway", "type": "terway", "eniip_virtual_type": "Veth"}',
    "disable_network_policy": "true",
    "eni_conf": """
{
  "version": "1",
  "access_key": "LTAI-example",
  "access_secret": "hush",
  "security_group": "sg-xxx",
  "service_cidr": "10.96.0.0/12",
  "vswitches": {"cn-hongkong-b": ["vsw-xxx"]},
  "max_pool_size": 5,
  "min_pool_size": 0
}
""",
}


def config_map(eni_conf: Any, **others: object) -> dict[str, object]:
    """The data of a ConfigMap; objects become JSON texts."""
    return {
        "eni_conf": json.dumps(eni_conf),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in others.items()},
    }


def cni(**keys: object) -> dict[str, object]:
    return {"eni_conf": "{}", "10-terway.conf": json.dumps(keys)}
