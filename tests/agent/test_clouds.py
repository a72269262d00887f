"""The agent's way to the cloud: whose settings win, and what an edge node is spared."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.clouds import AliyunClouds, cloud_settings, known_types, with_access
from terway_edge.cloud.settings import CloudSettings, CredentialSource
from terway_edge.core.cloud import Api, CloudAccess, CloudError, Limits
from terway_edge.core.config import Cloud, Settings, load
from terway_edge.core.config_error import ConfigError
from terway_edge.core.errors import Refused
from terway_edge.core.secret import Secret
from terway_edge.testing.openapi import Emulator, Server, example_site, listen

KEY = (Secret(b"id"), Secret(b"secret"))
IN_ENVIRONMENT = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}


def own(**section):
    return cloud_settings(Settings(node_name="n", cloud=Cloud(**section)))


def merged(access=CloudAccess(), environ={}, addon=Path("/nonexistent"), **section):  # noqa: B006, B008
    return with_access(own(**section), access, environ, addon)


def test_the_sections_defaults_are_those_of_the_client():
    found, default = own(), CloudSettings()
    for name in CloudSettings.__slots__:
        assert getattr(found, name) == getattr(default, name), name


def test_every_key_of_the_section_reaches_the_client():
    section = {
        "region": "cn-beijing",
        "ens_region": "cn-wuxi-telecom",
        "ecs_endpoint": "ecs.example:1",
        "vpc_endpoint": "vpc.example:2",
        "ens_endpoint": "ens.example:3",
        "metadata_url": "http://192.0.2.1",
        "protocol": "http",
        "proxy": "http://proxy.example",
        "ca_bundle": Path("/ca"),
        "credentials": "path",
        "credentials_path": Path("/key"),
        "role": "role",
        "rate_limit": {"AttachNetworkInterface": 7},
        "connect_timeout_seconds": 1.5,
        "read_timeout_seconds": 2.5,
        "ens_max_enis": 4,
        "ens_addresses_per_eni": 9,
    }
    assert set(section) == set(Cloud.model_fields)
    found = own(**section)
    for name, value in section.items():
        assert getattr(found, name.removesuffix("_seconds")) == value
    assert found.credentials is CredentialSource.PATH


def test_the_agents_settings_win_over_the_clusters():
    access = CloudAccess("cn-hangzhou", KEY, Path("/token"), {"A": 1, "B": 2})
    found = merged(access, region="cn-beijing", credentials_path="/mine", rate_limit={"B": 3})
    assert (found.region, found.credentials_path, found.key) == ("cn-beijing", Path("/mine"), None)
    assert found.rate_limit == {"A": 1, "B": 3}


def test_what_the_agents_settings_leave_open_is_the_clusters():
    found = merged(CloudAccess("cn-hangzhou", None, Path("/token"), {"A": 1}))
    assert (found.region, found.credentials_path, found.rate_limit) == ("cn-hangzhou", Path("/token"), {"A": 1})


@pytest.mark.parametrize(
    ("environ", "has_addon", "path", "key"),
    [
        ({}, False, None, KEY),
        ({}, True, "addon", None),
        (IN_ENVIRONMENT, True, None, None),
    ],
)
def test_environment_then_add_on_then_the_clusters_key(tmp_path, environ, has_addon, path, key):
    addon = tmp_path / "addon"
    if has_addon:
        addon.mkdir()
        (addon / "access-key-id").write_text("id")
    found = merged(CloudAccess(key=KEY, credentials_path=Path("/token")), environ, addon)
    assert (found.credentials_path, found.key) == (addon if path else None, key)


def test_a_mounted_secret_that_does_not_exist_is_no_add_on(tmp_path):
    assert merged(CloudAccess(key=KEY), addon=tmp_path).key == KEY


def test_the_node_tells_of_its_own_type_and_nonsense_is_left_unused(caplog):
    item = '{"InstanceTypeId": "ecs.g7.large", "EniQuantity": 3, "EniPrivateIpAddressQuantity": 10}'
    assert known_types(item).get("ecs.g7.large") == Limits(3, 10, 0)
    assert known_types("nonsense").get("ecs.g7.large") is None
    assert "instance-type-info" in caplog.text


def test_it_opens_both_apis_and_metadata_by_the_settings():
    emulator = Emulator(example_site())
    site = emulator.site
    clock = BootClock()
    with Server(emulator, listen()) as server:
        section = Cloud(
            region=site.regions[0].id,
            ecs_endpoint=server.endpoint,
            vpc_endpoint=server.endpoint,
            ens_endpoint=server.endpoint,
            metadata_url=f"http://{server.endpoint}",
            protocol="http",
            proxy="",
        )
        key = site.keys[0]
        access = CloudAccess(key=(Secret(key.id.encode()), Secret(key.secret.encode())))
        clouds = AliyunClouds(Settings(node_name="n", cloud=section), clock, {})
        deadline = clock.now() + 10
        hot = {api: clouds.open(api, deadline, access).features.attaches_hot for api in Api}
        instance = next(each for each in emulator.instances() if each.id.startswith("i-"))
        assert clouds.open(Api.ECS, deadline, access).instance(instance.id, deadline).id == instance.id
        with pytest.raises(CloudError):
            clouds.metadata().region(clock.now() + 0.5)
    assert hot == {Api.ECS: True, Api.ENS: False}


def test_without_the_sdk_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("aliyunsdk", "terway_edge.cloud.transport"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aliyunsdkcore", None)
    clouds = AliyunClouds(Settings(node_name="n", cloud=Cloud(region="cn-hangzhou")), BootClock(), IN_ENVIRONMENT)
    with pytest.raises(Refused, match=r"install terway-edge\[cloud\]"):
        clouds.open(Api.ENS, BootClock().now() + 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "ftp"},
        {"ecs_endpoint": "https://ecs.example"},
        {"credentials": "path"},
        {"rate_limit": {"AttachNetworkInterface": 0}},
    ],
)
def test_mistakes_in_the_section_are_told(wrong):
    with pytest.raises(ConfigError, match="cloud"):
        load({"cloud": wrong}, {"NODE_NAME": "n"})


def test_a_mapping_comes_from_the_environment_as_json():
    environ = {"NODE_NAME": "n", "TERWAY_EDGE_CLOUD__RATE_LIMIT": '{"AttachNetworkInterface": 5}'}
    assert load({}, environ).cloud.rate_limit == {"AttachNetworkInterface": 5}
    with pytest.raises(ConfigError, match="TERWAY_EDGE_CLOUD__RATE_LIMIT: expected a JSON object"):
        load({}, {**environ, "TERWAY_EDGE_CLOUD__RATE_LIMIT": "5 per minute"})


def test_an_edge_node_imports_nothing_of_the_cloud():
    script = """
import sys
from terway_edge.agent import clock, clouds, process, uninstall
from terway_edge.core.config import Settings
from terway_edge.core.plugins import find_plugins
found = {each.info.name: each.info.error for each in find_plugins()}
assert found["terway"] == found["ens_eni"] == "", found
clouds.AliyunClouds(Settings(node_name="n"), clock.BootClock())
heavy = ("terway_edge.cloud", "aliyunsdk", "cryptography", "terway_edge.core.eni_keys", "kubernetes")
print(sorted(name for name in sys.modules if name.startswith(heavy)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
