"""Those that are compared: our source alone, and the client library's own informer. Each is a process that lists the
Nodes, says so, and then follows them.

    python -m benchmarks.watch_contestants NAME KUBECONFIG DIRECTORY NODES

It prints the CPU seconds that its list took, imports left out, and at every line on standard input those of its life
so far.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.watch_nodes import OWN

PATIENCE = 60.0  # seconds for a list

Follow = Callable[[Path, Path, int], float]
"""List and follow with a kubeconfig, a directory and a number of Nodes: CPU seconds when it began."""


def ours(kubeconfig: Path, directory: Path, nodes: int) -> float:
    from terway_edge.cluster.api.source import KubernetesApi

    began = time.process_time()
    source = KubernetesApi(OWN, directory, kubeconfig, "bench")
    found = len(source.load().nodes)
    source.watch(lambda snapshot: None)
    if found != nodes:
        raise RuntimeError(f"{found} of {nodes} Nodes")
    return began


def informer(kubeconfig: Path, _: Path, nodes: int) -> float:
    """It has the same to tell of an object, but no cache on disk, no BGPPeers, and nobody who listens."""
    from kubernetes import client, config
    from kubernetes.informer import SharedInformer

    began = time.process_time()
    config.load_kube_config(str(kubeconfig))
    shared = SharedInformer(client.CoreV1Api().list_node)
    shared.start()
    deadline = time.monotonic() + PATIENCE
    while (found := len(shared.cache.list_keys())) != nodes:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found} of {nodes} Nodes")
        time.sleep(0.05)
    return began


CONTESTANTS: Mapping[str, Follow] = {"ours": ours, "informer": informer}


def main() -> None:
    which, kubeconfig, directory, nodes = sys.argv[1:]
    began = CONTESTANTS[which](Path(kubeconfig), Path(directory), int(nodes))
    print(time.process_time() - began, flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    main()
