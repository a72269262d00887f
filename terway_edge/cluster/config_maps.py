"""Documents to the ConfigMaps that concern networking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from terway_edge.cluster.fields import read_name, read_section, read_text

NAMESPACE = "kube-system"


class ConfigMapManifest(NamedTuple):
    """`data` is as it was written: whoever uses a key says what is wrong with its value."""

    name: str
    data: Mapping[str, object]


def read_config_map(item: Mapping[Any, Any]) -> ConfigMapManifest | None:
    """None for one of another namespace. Raises Wrong."""
    metadata = read_section(item, "metadata")
    if read_text(metadata, "namespace", "metadata.namespace") != NAMESPACE:
        return None
    data = read_section(item, "data")
    return ConfigMapManifest(read_name(metadata, "name such as eni-config"), {str(k): v for k, v in data.items()})
