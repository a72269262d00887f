"""What ECS and VPC tell, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from terway_edge.cloud import ecs_shapes as shapes
from terway_edge.cloud import requests
from terway_edge.cloud.client import Client
from terway_edge.cloud.failures import absent, not_understood
from terway_edge.cloud.limits import limits_of
from terway_edge.cloud.parameters import Value
from terway_edge.core.cloud import Eni, Instance, Limits, VSwitch

PAGE = 500  # ENIs in one answer, the most


class EcsReader:
    """Any thread may call; every method raises CloudError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def instance(self, instance: str, deadline: float) -> Instance:
        answer = self._client.call(requests.ECS_INSTANCES, {"InstanceIds": [instance]}, deadline)
        for item in answer.items("Instances.Instance"):
            if item.text("InstanceId") == instance:
                return shapes.instance_of(item)
        raise absent(requests.ECS_INSTANCES, f"instance {instance}")

    def limits(self, instance_type: str, deadline: float) -> Limits:
        answer = self._client.call(requests.ECS_TYPES, {"InstanceTypes": [instance_type]}, deadline)
        for item in answer.items("InstanceTypes.InstanceType"):
            if item.text("InstanceTypeId") == instance_type:
                return limits_of(item)
        raise absent(requests.ECS_TYPES, f"instance type {instance_type}")

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        found = []
        for each in ids:  # the API takes one id a call
            answer = self._client.call(requests.VPC_VSWITCHES, {"VSwitchId": each}, deadline)
            found += [shapes.vswitch_of(item) for item in answer.items("VSwitches.VSwitch")]
        return [each for each in found if each is not None]

    def eni(self, eni: str, deadline: float) -> Eni | None:
        found = self.enis({"NetworkInterfaceId": [eni]}, deadline)
        return next((each for each in found if each.id == eni), None)

    def enis(self, filters: Mapping[str, Value | None], deadline: float) -> list[Eni]:
        """All pages. An ENI that two of them show is there once, as the later one has it."""
        found: dict[str, Eni] = {}
        tokens = [""]
        while True:
            values = {**filters, "MaxResults": PAGE, "NextToken": tokens[-1] or None}
            answer = self._client.call(requests.ECS_ENIS, values, deadline)
            for item in answer.items("NetworkInterfaceSets.NetworkInterfaceSet"):
                eni = shapes.eni_of(item)
                if eni is not None:
                    found[eni.id] = eni
            token = answer.text("NextToken")
            if not token:
                return list(found.values())
            if token in tokens:
                raise not_understood(requests.ECS_ENIS, "the listing has no end")
            tokens.append(token)
