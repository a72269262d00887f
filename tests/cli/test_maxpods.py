"""`terway-edge maxpods` asked on instances of the emulator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terway_edge.cli import maxpods
from terway_edge.cli.main import main
from terway_edge.testing.openapi import Emulator, Server, example_site, listen

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """(exit status, stdout, stderr) on instance i-1, which takes 4 ENIs of 15 addresses."""
    emulator = Emulator(example_site())
    key = emulator.site.keys[0]
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.secret)
    with Server(emulator, listen()) as api, Server(emulator, listen(), instance="i-1") as metadata:
        cloud = {
            "ecs_endpoint": api.endpoint,
            "vpc_endpoint": api.endpoint,
            "ens_endpoint": api.endpoint,
            "metadata_url": f"http://{metadata.endpoint}",
            "protocol": "http",
            "proxy": "",
        }

        def call(*options: str, **sections: object) -> tuple[int, str, str]:
            path = tmp_path / "config.json"
            path.write_text(json.dumps({"node_name": "n", "cloud": cloud, **sections}))
            status = main(["maxpods", "--config", str(path), *options])
            return status, *capsys.readouterr()

        yield call


def eni_config(tmp_path: Path, **conf: object) -> str:
    """The path of a file with the ConfigMap."""
    conf = {"vswitches": {}, "max_pool_size": 5, **conf}
    document = {"kind": "ConfigMap", "metadata": {"name": "eni-config"}, "data": {"eni_conf": json.dumps(conf)}}
    path = tmp_path / "eni-config.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_one_number_for_a_script_and_the_arithmetic_for_people(ask: Ask) -> None:
    assert ask() == (0, "45\n", "")
    told = "ecs.g7.xlarge takes 4 ENIs, of which pods may use 3; 15 pods on each\n"
    assert ask("--explain") == (0, "45\n", told)


@pytest.mark.parametrize(
    ("conf", "pods"),
    [
        ({}, 45),
        ({"max_eni": 2}, 30),
        ({"eni_cap_ratio": 0.5}, 15),
        ({"eni_cap_shift": -1}, 30),
        ({"ip_stack": "dual"}, 45),
        ({"enable_ip_prefix": True}, 3 * 14 * 16),
    ],
    ids=str,
)
def test_the_configuration_of_the_cluster_counts(ask: Ask, tmp_path: Path, conf: dict[str, object], pods: int) -> None:
    assert ask("--eni-config", eni_config(tmp_path, **conf)) == (0, f"{pods}\n", "")


def test_the_agents_own_limit_counts(ask: Ask) -> None:
    assert ask(ipam={"pods_per_node": 20})[:2] == (0, "20\n")
    assert ask(ipam={"pods_per_node": 64})[:2] == (0, "45\n")


def test_an_instance_of_an_edge_site_has_what_is_bound(ask: Ask) -> None:
    status, out, told = ask("--ens", "i-e1", "--explain")
    assert (status, out) == (0, "50\n")
    assert told == "2 ENIs are bound to i-e1 beside its primary one; 25 pods on each\n"


def test_no_number_is_printed_for_an_instance_that_is_none(ask: Ask) -> None:
    status, out, told = ask("--ens", "i-none")
    assert (status, out) == (1, "")
    assert "i-none" in told


def test_nor_for_one_without_an_address_for_pods(ask: Ask, tmp_path: Path) -> None:
    status, out, told = ask("--eni-config", eni_config(tmp_path, eni_cap_shift=-3))
    assert (status, out) == (1, "")
    assert "this instance has no address for pods: ecs.g7.xlarge takes 4 ENIs, of which pods may use 0" in told


def test_nor_where_the_clusters_configuration_is_not_there(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("{}")
    status, out, told = ask("--eni-config", str(tmp_path / "empty.json"))
    assert (status, out) == (1, "")
    assert "there is no ConfigMap eni-config that can be used" in told


def test_without_metadata_it_says_what_to_give_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maxpods, "PATIENCE", 1.5)
    with listen() as closed:  # bound, and nobody answers
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert main(["maxpods", "--config", str(config_file(tmp_path, metadata_url=url))]) == 1
    out, told = capsys.readouterr()
    assert out == ""
    assert told.startswith("terway-edge: instance metadata: 127.0.0.1:")
    assert "name an ENS instance with --ens" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("is_silent", [False, True])
def test_without_credentials_for_an_edge_site_it_says_so_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    """On an ENS instance packets to the metadata service of ECS are refused, or vanish."""
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID", raising=False)
    with listen() as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        if not is_silent:
            nobody.close()
        began = time.monotonic()
        status = main(["maxpods", "--config", str(config_file(tmp_path, metadata_url=url)), "--ens", "i-e1"])
        took = time.monotonic() - began
    out, told = capsys.readouterr()
    assert (status, out) == (1, "")
    assert told.startswith("terway-edge: there are no credentials to ask ENS with, ")
    assert "set cloud.credentials_path or ALIBABA_CLOUD_ACCESS_KEY_ID and ..._SECRET" in told
    assert told.count("\n") == 1
    assert took < 3.5


def test_a_role_of_the_instance_that_asks_for_another_one_will_do(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked on an ECS instance about one of an edge site."""
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
    assert ask("--ens", "i-e1") == (0, "50\n", "")


def config_file(directory: Path, **cloud: str) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps({"node_name": "n", "cloud": cloud}))
    return path
