"""What callers of the cloud may rely on: which failures pass by themselves, and what an agent without a cloud says."""

from __future__ import annotations

import pytest

from terway_edge.core.cloud import Cause, CloudError, NoClouds
from terway_edge.core.errors import TRY_AGAIN, Refused


@pytest.mark.parametrize("cause", Cause)
def test_only_a_busy_cloud_is_asked_the_same_again(cause: Cause) -> None:
    error = CloudError("m", action="AttachNetworkInterface", cause=cause)
    assert error.is_retryable == (cause in {Cause.THROTTLED, Cause.UNAVAILABLE, Cause.CONFLICT})
    assert error.code == TRY_AGAIN, "a kubelet tries every pod again, and the cloud may be mended by then"


def test_a_failure_keeps_what_support_asks_for() -> None:
    error = CloudError("m", action="A", cause=Cause.QUOTA, error_code="E", http_status=403, request_id="r-1")
    assert (str(error), error.action, error.error_code, error.http_status, error.request_id) == (
        "m",
        "A",
        "E",
        403,
        "r-1",
    )


def test_an_agent_without_a_cloud_says_so() -> None:
    clouds = NoClouds()
    with pytest.raises(Refused, match="cloud support is not configured: nothing is known of an API of ECS"):
        clouds.open("ecs", 1.0)
    with pytest.raises(Refused, match=r"^cloud support is not configured: the instance's metadata is not read$"):
        clouds.metadata()
