"""What the cluster is told of a node on ENIs and of its pods, under the names that Terway's users know.

Of the Node: annotation `k8s.aliyun.com/max-available-ip` and condition SufficientIP. Of each Pod: annotation
`k8s.aliyun.com/pod-ips`. A failure to tell never matters to a pod.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from terway_edge.core.models import Lease
from terway_edge.core.ports import Annotation, Annotations, StatusEntry, Statuses
from terway_edge.eni.reporting import Standing

MAX_PODS = "k8s.aliyun.com/max-available-ip"
POD_IPS = "k8s.aliyun.com/pod-ips"
SUFFICIENT_IP = "SufficientIP"
IFNAME = "eth0"
"""The link of which Kubernetes shows the addresses."""

HELD = 600.0  # seconds that the condition is False at least
BATCH = 16  # pods that are told of at a time: the next turn of the pool must not wait for long
MOST_CHANGES = 1024  # that are kept until they are told; of more the oldest are forgotten


class Pod(NamedTuple):
    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class Sufficiency:
    """False from the moment that addresses lack, for HELD seconds and as long as they do.

    `status` None: not known yet.
    """

    status: bool | None = None
    _since: float = -math.inf

    def judge(self, lack: str | None, now: float) -> bool:
        """Whether the status is another one now."""
        if lack is None or (self.status is False and now < self.held_until):
            return False
        before, self.status = self.status, not lack
        if self.status is False and before is not False:
            self._since = now
        return self.status is not before

    @property
    def held_until(self) -> float:
        """Until when it stays as it is, whatever happens."""
        return self._since + HELD


class Publisher:
    """Any thread may call `changed`, one at a time the rest. What was told before is not told again."""

    def __init__(self, node: str, annotations: Annotations, statuses: Statuses) -> None:
        self._node = node
        self._annotations = annotations
        self._statuses = statuses
        self._changes: deque[Pod] = deque(maxlen=MOST_CHANGES)
        self._capacity = 0
        self._sufficiency = Sufficiency()
        self.tells_pods = True

    def changed(self, lease: Lease) -> None:
        """A pod got the lease, or lost it: tell it at the next occasion."""
        if self.tells_pods and _is_pods(lease):
            sandbox = lease.sandbox
            self._changes.append(Pod(sandbox.pod_namespace, sandbox.pod_name, sandbox.pod_uid))

    def publish(self, standing: Standing, leases: Iterable[Lease], now: float) -> float:
        """Tell what has changed. Gives when this is to be called again at the latest.

        :param leases: all that pods have now
        """
        self._publish_capacity(standing.capacity)
        if self._sufficiency.judge(standing.lack, now):
            self._publish_sufficiency(standing.lack or "")
        self._publish_pods(leases)
        if self._changes:
            return now
        return self._sufficiency.held_until if now < self._sufficiency.held_until else math.inf

    def retract(self, leases: Iterable[Lease]) -> None:
        """Take away all of it, whoever wrote it: the agent is being removed."""
        self._annotate(MAX_PODS, None)
        self._statuses.write_status(StatusEntry("Node", self._node, SUFFICIENT_IP, None))
        for lease in leases:
            self.changed(lease)
        while self._changes:
            self._publish_pods(())

    def _publish_capacity(self, capacity: int) -> None:
        if capacity not in (0, self._capacity):
            self._capacity = capacity
            self._annotate(MAX_PODS, str(capacity))

    def _publish_sufficiency(self, lack: str) -> None:
        value = {
            "type": SUFFICIENT_IP,
            "status": "False" if lack else "True",
            "reason": "InsufficientIP" if lack else SUFFICIENT_IP,
            "message": lack or "vSwitches have addresses for more pods",
        }
        self._statuses.write_status(StatusEntry("Node", self._node, SUFFICIENT_IP, value))

    def _publish_pods(self, leases: Iterable[Lease]) -> None:
        pods = [self._changes.popleft() for _ in range(min(BATCH, len(self._changes)))]
        if not pods:
            return
        newest = newest_leases(leases)
        for pod in dict.fromkeys(pods):
            self._annotations.write_annotation(pod_ips(pod, newest.get((pod.namespace, pod.name))))

    def _annotate(self, key: str, value: str | None) -> None:
        self._annotations.write_annotation(Annotation("Node", self._node, "", key, value))


def newest_leases(leases: Iterable[Lease]) -> dict[tuple[str, str], Lease]:
    """By namespace and name of the pod, of which an old sandbox may still be there."""
    ordered = sorted((lease for lease in leases if _is_pods(lease)), key=lambda lease: lease.granted_at)
    return {(lease.sandbox.pod_namespace, lease.sandbox.pod_name): lease for lease in ordered}


def pod_ips(pod: Pod, lease: Lease | None) -> Annotation:
    """Of a pod with this lease: `IPV4`, `IPV6` or `IPV4,IPV6`."""
    if lease is None:
        return Annotation("Pod", pod.name, pod.namespace, POD_IPS, None, pod.uid)
    text = ",".join(map(str, sorted(lease.addresses)))
    return Annotation("Pod", pod.name, pod.namespace, POD_IPS, text, lease.sandbox.pod_uid)


def _is_pods(lease: Lease) -> bool:
    """Whether Kubernetes knows whose it is."""
    sandbox = lease.sandbox
    return sandbox.ifname == IFNAME and bool(sandbox.pod_namespace and sandbox.pod_name)
