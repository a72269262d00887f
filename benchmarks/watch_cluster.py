"""The API server of the watch bench: a process with a double that holds the Nodes, and changes them itself.

A line `SECONDS EVERY` on standard input makes so many seconds of changes, of which one in EVERY is real. Each real one
is printed as it is about to be made: its time (ns of the monotonic clock), what happens, and the number of the node. A
line `end` follows them all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.bgp_load import SWITCH
from benchmarks.watch_nodes import CHANGES, Change, What, heartbeat, heartbeats, name, node, peer, reals
from terway_edge.lab.deployed import objects
from terway_edge.testing.apiserver import ApiServer, Server, listen, self_signed, write_kubeconfig

PORT = 6443


class Some(NamedTuple):
    """Changes to come."""

    heartbeats: Iterator[Change]
    reals: Iterator[Change]


def main() -> None:
    nodes, kubeconfig = int(sys.argv[1]), Path(sys.argv[2])
    api = filled(nodes)
    certificate = self_signed(SWITCH)
    with Server(api, listen(SWITCH, PORT), certificate.context()) as server:
        write_kubeconfig(kubeconfig, server.url, authority=certificate.certificate)
        print("ready", flush=True)
        some = Some(heartbeats(nodes), reals(nodes))
        for line in sys.stdin:
            seconds, every = line.split()
            _go_on(api, some, round(float(seconds) * CHANGES), int(every))
            print("end", flush=True)


def filled(nodes: int) -> ApiServer:
    """With what deploying the product brings, the Nodes and a BGPPeer."""
    api = ApiServer()
    for value in (*objects(), *(node(number) for number in range(1, nodes + 1)), peer()):
        api.objects.put(value)
    return api


def change(api: ApiServer, now: int, which: Change) -> None:
    """:param now: nanoseconds of any clock, which make each heartbeat another one"""
    match which.what:
        case What.HEARTBEAT:
            api.objects.patch("Node", name(which.number), heartbeat(now // 10**9), subresource="status")
        case What.GOES:
            api.objects.delete("Node", name(which.number))
        case What.COMES:
            api.objects.put(node(which.number))
        case What.LABEL:
            api.objects.patch("Node", name(which.number), {"metadata": {"labels": {"bench.example/at": f"{now}"}}})


def _go_on(api: ApiServer, some: Some, number: int, every: int) -> None:
    began = time.monotonic()
    for count in range(1, number + 1):
        time.sleep(max(0.0, began + count / CHANGES - time.monotonic()))
        which = next(some.heartbeats if count % every else some.reals)
        if which.what is not What.HEARTBEAT:
            print(time.monotonic_ns(), which.what, which.number, flush=True)
        change(api, time.monotonic_ns(), which)


if __name__ == "__main__":
    main()
