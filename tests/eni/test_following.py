"""A configuration that changes while the agent runs: what is followed at once, what waits, and what is not followed."""

from __future__ import annotations

import json

import pytest

from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.eni.following import FIXED, Configuration

NODE = Node("n1", {"terway-config": "small"}, (), ())
CHANGES = {
    "ip_stack": "dual",
    "enable_ip_prefix": True,
    "access_key": "another",
    "access_secret": "hush",
    "credential_path": "/another",
    "region_id": "cn-another",
    "rate_limit": {"": 5},
}
PAIR = {"access_key": "id", "access_secret": "pair", "ipv4_prefix_count": 1}


class Cluster:
    """ConfigMaps that a test changes; `reads` counts how often the first was asked for."""

    def __init__(self, **conf: object) -> None:
        self.maps: dict[str, dict[str, object]] = {}
        self.write(**conf)
        self.configuration = Configuration(self.maps.get)

    def write(self, name: str = "eni-config", **conf: object) -> None:
        self.maps[name] = {"eni_conf": json.dumps(conf)}

    def at_work(self) -> Cluster:
        self.configuration.start(NODE)
        self.configuration.is_fixed = True
        return self

    def follow(self, node: Node = NODE) -> None:
        self.configuration.follow(node)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.reason, each.message) for each in self.configuration.conditions]

    @property
    def most(self) -> int:
        assert self.configuration.current is not None
        return self.configuration.current.max_pool_size


def test_a_change_is_followed() -> None:
    cluster = Cluster(max_pool_size=5).at_work()
    cluster.write(max_pool_size=9)
    cluster.follow()
    assert (cluster.most, cluster.told) == (9, [])


def test_what_has_not_changed_is_not_read_again() -> None:
    cluster = Cluster(max_pool_size=5).at_work()
    before = cluster.configuration.current
    cluster.write(max_pool_size=5)  # another object, and equal
    cluster.follow()
    assert cluster.configuration.current is before


def test_the_nodes_own_config_map_and_its_label_are_followed() -> None:
    cluster = Cluster(max_pool_size=5)
    cluster.write("small", max_pool_size=2)
    cluster.write("large", max_pool_size=20)
    cluster.at_work()
    assert cluster.most == 2
    cluster.follow(NODE._replace(labels={"terway-config": "large"}))
    assert cluster.most == 20
    cluster.write("large", max_pool_size=30)
    cluster.follow(NODE._replace(labels={"terway-config": "large"}))
    assert cluster.most == 30
    cluster.follow(NODE._replace(labels={}))
    assert cluster.most == 5


def test_what_is_wrong_leaves_all_as_it_was_and_says_what_to_mend() -> None:
    cluster = Cluster(max_pool_size=5, vswitches={"z": ["vsw-1"]}).at_work()
    for conf, told in (
        ({"max_pool_size": "nine"}, "eni_conf.max_pool_size got 'nine', expected a whole number"),
        ({"max_pool_size": 9, "vswitches": "vsw-1"}, "eni_conf.vswitches got 'vsw-1', expected"),
        ({"max_pool_size": 1, "min_pool_size": 4}, "eni_conf.min_pool_size got 4, expected at most max_pool_size"),
    ):
        cluster.write(**conf)
        cluster.follow()
        assert cluster.most == 5
        ((reason, message),) = cluster.told
        assert reason == "ConfigWrong"
        assert message.startswith("its change is not followed until this is mended: ")
        assert told in message
        assert "counts as" not in message
    cluster.write(max_pool_size=9)
    cluster.follow()
    assert (cluster.most, cluster.told) == (9, [])


def test_a_config_map_that_goes_leaves_what_it_said() -> None:
    cluster = Cluster(max_pool_size=5).at_work()
    del cluster.maps["eni-config"]
    cluster.follow()
    assert (cluster.most, cluster.told) == (
        5,
        [("ConfigWrong", "it is gone; what it said stays in force until the agent restarts")],
    )


def test_one_that_comes_later_is_followed() -> None:
    cluster = Cluster()
    del cluster.maps["eni-config"]
    cluster.at_work()
    assert (cluster.configuration.current, cluster.told) == (None, [])
    cluster.write(max_pool_size=9)
    cluster.follow()
    assert (cluster.most, cluster.told) == (9, [])


@pytest.mark.parametrize("key", FIXED)
def test_what_is_fixed_waits_and_says_for_what(key: str) -> None:
    cluster = Cluster(max_pool_size=5, **PAIR).at_work()
    before = getattr(cluster.configuration.current, key)
    cluster.write(**{**PAIR, "max_pool_size": 9, key: CHANGES[key]})
    cluster.follow()
    assert (cluster.most, getattr(cluster.configuration.current, key)) == (9, before)
    assert cluster.told == [("ConfigWaits", f"{key} has changed: {FIXED[key]}; until then it counts as before")]
    cluster.write(max_pool_size=7, **PAIR)
    cluster.follow()
    assert (cluster.most, cluster.told) == (7, [])


@pytest.mark.parametrize("key", FIXED)
def test_nothing_is_fixed_before_the_pool_is_at_work(key: str) -> None:
    cluster = Cluster(**PAIR)
    cluster.configuration.start(NODE)
    before = getattr(cluster.configuration.current, key)
    cluster.write(**{**PAIR, key: CHANGES[key]})
    cluster.follow()
    assert getattr(cluster.configuration.current, key) != before
    assert cluster.told == []


def test_at_the_start_a_wrong_key_counts_as_absent_and_is_told() -> None:
    cluster = Cluster(max_pool_size="nine", min_pool_size=0)
    cluster.configuration.start(NODE)
    assert cluster.most == 0
    ((reason, message),) = cluster.told
    assert (reason, message.endswith("it counts as absent")) == ("ConfigWrong", True)


def test_at_the_start_what_must_not_be_guessed_is_refused() -> None:
    with pytest.raises(Refused, match=r"ConfigMap eni-config cannot be used: .*vswitches"):
        Cluster(vswitches="vsw-1").configuration.start(NODE)
