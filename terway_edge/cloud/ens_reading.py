"""What ENS tells, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from terway_edge.cloud import ens_shapes as shapes
from terway_edge.cloud import requests
from terway_edge.cloud.answers import Answer
from terway_edge.cloud.client import Client
from terway_edge.cloud.failures import absent, not_understood
from terway_edge.cloud.parameters import Value
from terway_edge.core.cloud import Eni, Instance, VSwitch

Shaped = TypeVar("Shaped")

PAGE = 50  # the documentation says 50 in one place and 100 in another
READINGS = 3  # of a listing that changes between its pages
MOST_IDS = 100  # in one call


class EnsReader:
    """Any thread may call; every method raises CloudError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def instance(self, instance: str, deadline: float) -> Instance:
        answer = self._client.call(requests.ENS_INSTANCES, {"InstanceIds": [instance]}, deadline)
        for item in answer.items("Instances.Instance"):
            if item.text("InstanceId") == instance:
                return shapes.instance_of(item)
        raise absent(requests.ENS_INSTANCES, f"instance {instance}")

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        found: list[VSwitch] = []
        for start in range(0, len(ids), MOST_IDS):
            values: dict[str, Value | None] = {"VSwitchIds": list(ids[start : start + MOST_IDS])}
            items = self._pages(requests.ENS_VSWITCHES, values, "VSwitches.VSwitch", "VSwitchId", deadline)
            found += _shaped(shapes.vswitch_of, items)
        return found

    def eni(self, eni: str, deadline: float) -> Eni | None:
        found = self.enis({"NetworkInterfaceIds": [eni]}, deadline)
        return next((each for each in found if each.id == eni), None)

    def enis(self, filters: Mapping[str, Value | None], deadline: float) -> list[Eni]:
        path = "NetworkInterfaceSets.NetworkInterfaceSet"
        return _shaped(shapes.eni_of, self._pages(requests.ENS_ENIS, filters, path, "NetworkInterfaceId", deadline))

    def _pages(
        self, action: requests.Action, filters: Mapping[str, Value | None], path: str, key: str, deadline: float
    ) -> list[Answer]:
        """All items. What comes or goes between two pages moves the others: then all is read again."""
        for _ in range(READINGS):
            found: dict[str, Answer] = {}
            totals: set[int] = set()
            number, is_last = 0, False
            while not is_last:
                number += 1
                answer = self._client.call(action, {**filters, "PageNumber": number, "PageSize": PAGE}, deadline)
                before = len(found)
                found.update((item.text(key), item) for item in answer.items(path))
                totals.add(answer.number("TotalCount"))
                is_last = len(found) == before or len(totals) > 1 or len(found) >= max(totals)
            if len(totals) == 1 and len(found) >= max(totals):
                return list(found.values())
        raise not_understood(action, "the listing changes faster than it can be read")


def _shaped(shape: Callable[[Answer], Shaped | None], items: Sequence[Answer]) -> list[Shaped]:
    shaped = (shape(item) for item in items)
    return [each for each in shaped if each is not None]
