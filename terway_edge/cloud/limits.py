"""What instance types take: asked once per type, or told by the node."""

from __future__ import annotations

import json
import threading

from terway_edge.cloud.answers import Answer
from terway_edge.cloud.requests import ECS_TYPES
from terway_edge.core.cloud import CloudError, Limits

ANNOTATION = "alibabacloud.com/instance-type-info"
"""Of a Node: one item of DescribeInstanceTypes, in JSON."""


class InstanceTypes:
    """Limits by instance type; they never change while a process runs. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Limits] = {}

    def get(self, instance_type: str) -> Limits | None:
        with self._lock:
            return self._known.get(instance_type)

    def put(self, instance_type: str, limits: Limits) -> None:
        with self._lock:
            self._known[instance_type] = limits


def read_annotation(text: str) -> tuple[str, Limits]:
    """(instance type, its limits) of a Node's annotation. Raises ValueError if it does not tell them."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        try:
            item = Answer(ECS_TYPES, document)
            name, limits = item.text("InstanceTypeId"), limits_of(item)
        except CloudError:
            name = ""
        if name and limits.enis > 0 and limits.ipv4_per_eni > 0:
            return name, limits
    raise ValueError(f"the annotation {ANNOTATION} is no item of DescribeInstanceTypes in JSON; it is left unused")


def limits_of(item: Answer) -> Limits:
    """Of one item of DescribeInstanceTypes."""
    return Limits(
        item.number("EniQuantity"), item.number("EniPrivateIpAddressQuantity"), item.number("EniIpv6AddressQuantity")
    )
