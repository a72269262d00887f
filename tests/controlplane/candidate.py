"""The control plane as a process with shorter terms than people have patience for: KUBECONFIG RANGE."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from terway_edge.agent.clock import BootClock
from terway_edge.controlplane.election import Terms
from terway_edge.controlplane.process import ControlPlane
from terway_edge.core.cloud import NoClouds
from terway_edge.core.config import load

TERMS = Terms(duration=3.0, renew=2.0, retry=0.3)


def settings_for(kubeconfig: Path, state_dir: Path, **controlplane: object):
    section = {
        "allocate_pod_cidrs": True,
        "pod_cidr_ranges": ["10.64.0.0/16"],
        "service_cidrs": ["10.96.0.0/16"],
        "pods_per_node": 200,
        **controlplane,
    }
    cluster = {"source": "api", "kubeconfig": str(kubeconfig)}
    return load({"cluster": cluster, "controlplane": section, "state_dir": str(state_dir)}, {"NODE_NAME": "cp"})


if __name__ == "__main__":
    kubeconfig = Path(sys.argv[1])
    plane = ControlPlane(settings_for(kubeconfig, kubeconfig.parent), NoClouds(), BootClock(), terms=TERMS)
    print(plane.identity, flush=True)
    asyncio.run(plane.run(asyncio.Event()))
