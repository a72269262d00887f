"""Calls without HTTP and signature, for tests of the rules."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.example import REGION
from terway_edge.testing.openapi.reply import Reply


class Refusal(AssertionError):
    """The service refused: (code, status) in `what`, and the message."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.json}")
        self.what = (reply.code, reply.status)
        self.message = str(reply.json["Message"])


class Caller:
    """`call("ecs", "Action", Name=...)`; a list is sent as Name.1, Name.2..., a list of pairs as tags."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def __call__(self, product: str, action: str, **parameters: Any) -> dict[str, Any]:
        """The answer. Raises Refusal."""
        reply = self.emulator.invoke(product, action, _wire({"RegionId": REGION, **parameters}))
        if reply.code:
            raise Refusal(reply)
        return reply.json

    def refused(self, product: str, action: str, **parameters: Any) -> tuple[str, int]:
        """Code and status of the refusal that is expected, which changes nothing."""
        before = self.emulator.enis(), self.emulator.instances()
        try:
            answer = self(product, action, **parameters)
        except Refusal as refusal:
            assert (self.emulator.enis(), self.emulator.instances()) == before
            return refusal.what
        raise AssertionError(f"{action} was to be refused and answered {answer}")

    def eni(self, **parameters: Any) -> str:
        """A new ECS ENI."""
        answer = self(
            "ecs", "CreateNetworkInterface", **{"VSwitchId": "vsw-h", "SecurityGroupId": "sg-1", **parameters}
        )
        return answer["NetworkInterfaceId"]

    def ens_eni(self, **parameters: Any) -> str:
        groups = {"VSwitchId": "vsw-e1", "SecurityGroupIds": '["sg-e1"]'}
        return self("ens", "CreateNetworkInterface", **{**groups, **parameters})["NetworkInterfaceIds"][0]

    def shown(self, eni: str, product: str = "ecs") -> dict[str, Any]:
        """As a listing shows it."""
        name = "NetworkInterfaceId" if product == "ecs" else "NetworkInterfaceIds"
        answer = self(product, "DescribeNetworkInterfaces", **{name: [eni]})
        return next(iter(answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]), {})

    def status(self, eni: str, product: str = "ecs") -> str:
        """Of an ENI; empty if it is gone."""
        return self.shown(eni, product).get("Status", "")


def _wire(parameters: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parameters.items():
        name = name.replace("__", ".")
        if not isinstance(value, list):
            found[name] = str(value)
            continue
        for number, item in enumerate(value, 1):
            if isinstance(item, tuple):
                found |= {f"{name}.{number}.Key": item[0], f"{name}.{number}.Value": item[1]}
            else:
                found[f"{name}.{number}"] = str(item)
    return found
