"""Annotations of Nodes as files beside the manifests: what is ours of each Node, as one mapping.

Pods are no objects of a directory of manifests, so theirs are written nowhere: `terway-edge leases` tells the same.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from terway_edge.cluster.status_files import file_name
from terway_edge.cluster.whole_files import WholeFiles, as_text
from terway_edge.core.object_names import is_object_name
from terway_edge.core.ports import Annotation

KEY = "annotations"
"""In the file's name, where a status entry has its key: no condition is called so."""

log = logging.getLogger(__name__)


class AnnotationFiles:
    """Writes `Node-NAME.annotations.json` in one directory; any thread may write."""

    def __init__(self, directory: Path) -> None:
        self._files = WholeFiles(directory, "annotations")

    def write(self, annotation: Annotation) -> None:
        """Set or remove one of a Node's, unless it is so already. Never raises."""
        if annotation.kind != "Node":
            return
        if not is_object_name(annotation.name):
            log.error(
                "annotation %s of Node %r is not written: not the name of an object", annotation.key, annotation.name
            )
            return
        self._files.change(file_name("Node", annotation.name, KEY), lambda text: _changed(text, annotation))


def _changed(text: bytes, annotation: Annotation) -> bytes:
    mapping = _mapping(text)
    mapping.pop(annotation.key, None)
    if annotation.value is not None:
        mapping[annotation.key] = annotation.value
    return as_text(mapping) if mapping else b""


def _mapping(text: bytes) -> dict[str, str]:
    """Empty for a file that somebody has spoiled."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
