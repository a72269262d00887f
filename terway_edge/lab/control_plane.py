"""The control plane of the lab's cluster: one process on the control plane's host, as `deploy/` runs two."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from terway_edge.lab import clouds
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Daemon

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-edge-controlplane"
GRACE = 0.5  # seconds that an agent may be silent; a cluster takes minutes
FRESH = timedelta(minutes=1)  # within which whoever leads has renewed the Lease


class ControlPlane:
    """Every method may raise LabError."""

    def __init__(self, layout: Layout, cluster: Mapping[str, Any], processes: Processes) -> None:
        """:param cluster: that section of its configuration"""
        directory = layout.api / "controlplane"
        self._config = directory / "config.yaml"
        self._config.write_text(yaml.safe_dump(settings(directory, cluster), sort_keys=False))
        netns = clouds.control_plane(layout).netns
        self._daemon = Daemon("controlplane", netns, directory, processes)

    def start(self) -> None:
        command = [sys.executable, "-m", "terway_edge.cli.main", "controlplane", "--config", str(self._config)]
        self._daemon.start(command)

    def stop(self) -> None:
        """It gives the Lease back."""
        self._daemon.stop()

    def tail(self) -> str:
        return self._daemon.tail()


def settings(directory: Path, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """It leaves ENIs alone: the lab counts calls to the cloud, which are its agents' only."""
    return {
        "node_name": clouds.CONTROL,
        "state_dir": str(directory),
        "cluster": dict(cluster),
        "controlplane": {"agent_grace_seconds": GRACE, "orphan_enis": "ignore"},
        "metrics": {"enabled": False},
    }


def is_led(lease: Mapping[str, Any] | None, now: datetime) -> bool:
    """Whether a control plane is there already, by the Lease that one holds and renews every two seconds."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    return now - datetime.fromisoformat(spec["renewTime"]).astimezone(UTC) < FRESH
