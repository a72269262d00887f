"""Stop and start. Until it is done the old status is shown: ENS names none in between."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.ens import lookup
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.pace import Delay


def start(call: Call) -> Body:
    return _change(call, "Stopped", "Running", call.cloud.site.pace.start)


def stop(call: Call) -> Body:
    return _change(call, "Running", "Stopped", call.cloud.site.pace.stop)


def _change(call: Call, before: str, after: str, delay: Delay) -> Body:
    instance = lookup.instance(call)
    if instance.status != before or instance.change:
        raise ApiError(
            "IncorrectInstanceStatus", f"{instance.id} is {instance.status}, or on its way to another status"
        )
    change = call.bent.change(call.cloud.change_in(delay, after), before)
    # Listings of ENIs say nothing about instances: only time counts.
    call.cloud.put_instance(replace(instance, change=change._replace(describes=0)))
    return {"Code": 0}
