from __future__ import annotations

import pytest

from terway_edge.cloud.proxies import proxies_of

HOSTS = ("ecs.cn-beijing.aliyuncs.com", "127.0.0.1:8080")
ECS, LOCAL = "https://ecs.cn-beijing.aliyuncs.com", "https://127.0.0.1"
PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", []),
        ("*", [ECS, LOCAL]),
        ("127.0.0.1", [LOCAL]),
        ("127.0.0.0/8, 10.0.0.0/8", [LOCAL]),
        ("aliyuncs.com", [ECS]),
        (".aliyuncs.com", [ECS]),
        ("*.CN-Beijing.aliyuncs.com", [ECS]),
        ("yuncs.com,ecs,beijing.aliyuncs.com.example", []),
    ],
)
def test_no_proxy(no_proxy, direct):
    found = proxies_of(HOSTS, "https", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert {host for host in (ECS, LOCAL) if found[host] is None} == set(direct)
    assert {found[host] for host in (ECS, LOCAL)} <= {None, PROXY}


def test_whatever_else_is_asked_for_goes_direct():
    """The SDK would look into the environment for an empty mapping."""
    found = proxies_of(HOSTS, "https", None, {})
    assert found == {"http": None, "https": None, ECS: None, LOCAL: None}


def test_the_name_in_small_letters_wins():
    environ = {"https_proxy": PROXY, "HTTPS_PROXY": "http://other", "HTTP_PROXY": "http://plain"}
    assert proxies_of(HOSTS, "https", None, environ)[ECS] == PROXY


def test_what_is_configured_wins_over_the_environment():
    environ = {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}
    assert proxies_of(HOSTS, "https", PROXY, environ)[ECS] == PROXY
    assert proxies_of(HOSTS, "https", "", environ)[ECS] is None
