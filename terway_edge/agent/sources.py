"""Which source of cluster objects the settings ask for."""

from __future__ import annotations

from contextlib import ExitStack

from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.core.config import Settings
from terway_edge.core.ports import ClusterSource


def open_source(settings: Settings, closing: ExitStack) -> ClusterSource:
    """The source; `closing` ends it, after its last writes."""
    if settings.cluster.source == "manifests":
        return ManifestDirectory(settings.cluster.manifests)
    # Imported here: the client library takes memory that a node without an API server has no use for.
    from importlib.metadata import version

    from terway_edge.cluster.api.source import KubernetesApi

    source = KubernetesApi(settings.node_name, settings.state_dir, settings.cluster.kubeconfig, version("terway-edge"))
    closing.callback(source.close)
    return source
