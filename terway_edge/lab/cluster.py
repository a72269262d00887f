"""Where the lab puts cluster objects and agents look for them, and the first of two such places: a directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from terway_edge.lab.hosts import Host
from terway_edge.lab.objects import node_object
from terway_edge.lab.pods import LabPod


class Cluster(Protocol):
    """Every method may raise LabError."""

    @property
    def place(self) -> str:
        """What an operator would look at."""

    @property
    def watches_secrets(self) -> bool:
        """Whether agents hear of a new password at once."""

    def put(self, node: Host, labels: Mapping[str, str] | None = None) -> None:
        """A Node object, with `labels` beside those that every node has."""

    def put_object(self, name: str, content: Mapping[str, Any]) -> None:
        """Any object, in the place of one that may be there."""

    def put_pod(self, pod: LabPod) -> None:
        """A Pod object, if the cluster has any; it may give the pod its uid."""

    def remove_pod(self, pod: LabPod) -> None: ...

    def remove(self, node: Host) -> dict[str, Any]:
        """Returns the Node object that was there."""

    def nodes(self) -> list[dict[str, Any]]:
        """The Node objects of the edge as they are now."""

    def section(self, node: Host, directory: Path) -> dict[str, Any]:
        """`cluster` of the configuration of a node's agent; what it needs for that is put into its directory."""


class Manifests:
    """Writes and removes manifests, each replaced in one go as `kubectl` output moved into place would be."""

    watches_secrets = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o755)

    @property
    def place(self) -> str:
        return str(self.directory)

    def put(self, node: Host, labels: Mapping[str, str] | None = None) -> None:
        self.put_object(node.name, node_object(node, labels))

    def put_object(self, name: str, content: Mapping[str, Any]) -> None:
        """In a file NAME.yaml that only its owner may read: it may be a Secret."""
        path = self.directory / f"{name}.yaml"
        temporary = path.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_text(yaml.safe_dump(dict(content), sort_keys=False))
        os.replace(temporary, path)

    def put_pod(self, pod: LabPod) -> None:
        """There are none in a directory of manifests."""

    def remove_pod(self, pod: LabPod) -> None: ...

    def remove(self, node: Host) -> dict[str, Any]:
        path = self.directory / f"{node.name}.yaml"
        content: dict[str, Any] = yaml.safe_load(path.read_text())
        path.unlink()
        return content

    def nodes(self) -> list[dict[str, Any]]:
        return [yaml.safe_load(path.read_text()) for path in sorted(self.directory.glob("node-*.yaml"))]

    def section(self, node: Host, directory: Path) -> dict[str, Any]:
        return {"source": "manifests", "manifests": str(self.directory)}
