from __future__ import annotations

import pytest

from terway_edge.cloud.settings import CloudSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "ftp"},
        {"region": "cn hangzhou"},
        {"region": "evil.example/"},
        {"ens_region": "a/b"},
        {"ecs_endpoint": "https://ecs.example"},
        {"vpc_endpoint": "user@host"},
        {"ens_endpoint": "host/path"},
        {"rate_limit": {"DescribeVSwitches": 0}},
    ],
    ids=str,
)
def test_what_would_send_calls_elsewhere_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        CloudSettings(**wrong)


def test_good_ones():
    CloudSettings(region="cn-hangzhou", ens_region="cn-hangzhou-44", ecs_endpoint="127.0.0.1:8080")
