"""Services by DNAT: what kube-proxy would program on every node, and a TCP conversation to prove that it works.

Each service has one endpoint. The lab takes a pod of the first and of the last node of the edge and one of the cloud,
so that from every node some are on another node. The endpoint answers with its own name and the client's address as it
saw it: underlay pods must see each other's real address. A pod that calls its own service is masqueraded, as kube-proxy
does.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

from terway_edge.lab.hosts import Host
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.sockets import socket_in

TABLE = "twlab_services"
PORT, TARGET_PORT = 80, 8080
TIMEOUT = 3.0  # seconds for one conversation
PARALLEL = 8
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Service(NamedTuple):
    """A cluster IP per family and the pod behind it."""

    name: str
    addresses: tuple[str, str]
    target: LabPod

    def address(self, family: int) -> str:
        return self.addresses[family == 6]

    @property
    def families(self) -> list[int]:
        """Of its endpoint."""
        return [family for family in FAMILIES if self.target.address(family)]


class Call(NamedTuple):
    """One client's attempt; `why` is empty if the right pod answered and saw the right client."""

    client: str
    service: str
    address: str
    target: str
    why: str = ""


def services(targets: Sequence[LabPod]) -> list[Service]:
    """One service for each of these pods (RFC 2544 and RFC 4193 ranges)."""
    return [
        Service(f"svc-{number}", (f"198.19.0.{number}", f"fd00:19::{number}"), target)
        for number, target in enumerate(targets, 1)
    ]


def program(node: Host, wanted: Sequence[Service], processes: Processes) -> None:
    """Write the DNAT table of a node. Raises LabError with nft's words."""
    processes.must(["nft", "-f", "-"], netns=node.netns, stdin=ruleset(wanted))


def ruleset(wanted: Sequence[Service]) -> str:
    """The table in nft(8) syntax."""
    dnat: list[str] = []
    hairpin: list[str] = []
    for service in wanted:
        for family in service.families:
            ip = "ip6" if family == 6 else "ip"
            target = service.target.address(family)
            where = f"[{target}]" if family == 6 else target
            dnat.append(f"{ip} daddr {service.address(family)} tcp dport {PORT} dnat {ip} to {where}:{TARGET_PORT}")
            hairpin.append(f"ct status dnat {ip} saddr {target} {ip} daddr {target} masquerade")
    return "\n".join(
        [
            f"table inet {TABLE} {{",
            "  chain prerouting {",
            "    type nat hook prerouting priority dstnat; policy accept;",
            *(f"    {rule}" for rule in dnat),
            "  }",
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            *(f"    {rule}" for rule in hairpin),
            "  }",
            "}",
            "",
        ]
    )


def call_all(wanted: Sequence[Service], clients: Sequence[LabPod]) -> list[Call]:
    """Serve every target, then have every client call every service in the families that both have."""
    with ExitStack() as stack:
        for service in wanted:
            for family in service.families:
                stack.enter_context(Endpoint(service.target, family))
        attempts = [
            (client, service, family)
            for service in wanted
            for client in clients
            for family in service.families
            if client.address(family)
        ]
        with ThreadPoolExecutor(PARALLEL) as executor:
            return list(executor.map(lambda attempt: _call(*attempt), attempts))


class Endpoint:
    """A server in a pod: answers each connection with "name client-address" and closes it."""

    def __init__(self, pod: LabPod, family: int) -> None:
        self._name = pod.name
        self._socket = socket_in(pod.netns, FAMILIES[family])
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((pod.address(family), TARGET_PORT))
        self._socket.listen(64)
        self._thread = threading.Thread(target=self._serve, name=f"endpoint {pod.name}", daemon=True)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, client = self._socket.accept()
            except OSError:  # shut down
                return
            with connection:
                connection.settimeout(TIMEOUT)
                connection.sendall(f"{self._name} {client[0]}".encode())


def _call(client: LabPod, service: Service, family: int) -> Call:
    call = Call(client.name, service.name, service.address(family), service.target.name)
    try:
        with socket_in(client.netns, FAMILIES[family]) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect((service.address(family), PORT))
            answered, _, seen = _read_all(connection).partition(" ")
    except OSError as error:
        return call._replace(why=f"{error.strerror or error}")
    if answered != service.target.name:
        return call._replace(why=f"answered by {answered or 'nobody'}")
    if client is not service.target and seen != client.address(family):
        return call._replace(why=f"seen as {seen} instead of {client.address(family)}")
    return call


def _read_all(connection: socket.socket) -> str:
    parts: list[bytes] = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts).decode(errors="replace")
