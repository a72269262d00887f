"""The runtime's books: which sandboxes there are, what was told about them, and when an address was given back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from terway_edge.core.names import Key
from terway_edge.lab.layout import netns_path
from terway_edge.testing.oracle import Leases, Reuse

IFNAME = "eth0"
RECORDING = 0.05  # seconds in which a release is recorded


@dataclass(eq=False, slots=True)
class Pod:
    """A sandbox: `addresses` and `result` are what ADD told, `port` is the node's port it wants, or 0."""

    name: str
    uid: str
    container: str
    netns: str
    port: int = 0
    addresses: frozenset[str] = frozenset()
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.container, IFNAME

    def environ(self) -> dict[str, str]:
        """As containerd's CRI plugin sets it, but for CNI_COMMAND and CNI_PATH."""
        pod = f"K8S_POD_NAMESPACE=torture;K8S_POD_NAME={self.name};K8S_POD_UID={self.uid}"
        return {
            "CNI_CONTAINERID": self.container,
            "CNI_NETNS": str(netns_path(self.netns)),
            "CNI_IFNAME": IFNAME,
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_INFRA_CONTAINER_ID={self.container};{pod}",
        }


class Books:
    """`slots` are the pods a kubelet wants to run, by their number; `unsure` those whose last call nobody saw end."""

    def __init__(self, prefix: str) -> None:
        self.slots: dict[int, Pod] = {}
        self.unsure: list[Pod] = []
        self.told: set[str] = set()
        """Every address that a pod ever had."""
        self.reuses: list[Reuse] = []
        self._prefix = prefix
        self._made = 0
        self._given_back: dict[str, tuple[float, Pod]] = {}

    def new_pod(self, *, same_as: Pod | None = None, port: int = 0) -> Pod:
        """A sandbox that nobody knows yet, of a new pod or of the same one."""
        self._made += 1
        netns = f"{self._prefix}-p{self._made}"
        container = hashlib.sha256(netns.encode()).hexdigest()
        if same_as is not None:
            return Pod(same_as.name, same_as.uid, container, netns, same_as.port)
        return Pod(f"pod-{self._made}", f"uid-{self._made}", container, netns, port)

    def granted(self, pod: Pod, answer: str) -> None:
        """An ADD was answered with success. Raises ValueError if that is no result."""
        pod.result = json.loads(answer)
        pod.addresses = frozenset(str(ip["address"]).partition("/")[0] for ip in pod.result["ips"])
        self.told |= pod.addresses
        now = time.monotonic()
        for address in pod.addresses:
            at, before = self._given_back.pop(address, (now, pod))
            if before.uid != pod.uid:
                self.reuses.append(Reuse(address, before.key, pod.key, now - at))

    def given_back(self, pod: Pod, since: float) -> None:
        """The pod's addresses cool, at the earliest since then (`time.monotonic`)."""
        for address in pod.addresses:
            self._given_back[address] = (since, pod)

    def seen(self, leases: Leases, at: float) -> None:
        """These were leased after `at`: whose pod went without a DEL has not begun to cool by then, or not long
        before, for the agent looks at its clock and then records the release."""
        at -= RECORDING
        for address, (since, pod) in self._given_back.items():
            if since < at and address in leases.get(pod.key, ()):
                self._given_back[address] = (at, pod)

    def live(self) -> list[Pod]:
        return list(self.slots.values())

    def namespaces(self) -> set[str]:
        """Those that the runtime has made and not removed."""
        return {pod.netns for pod in (*self.live(), *self.unsure)}


def by_key(pods: Iterable[Pod]) -> dict[Key, frozenset[str]]:
    return {pod.key: pod.addresses for pod in pods}
