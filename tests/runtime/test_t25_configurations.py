"""T25 and T62 with containerd: which configuration it takes, how soon, and what the agent says of it."""

import os
import time
from pathlib import Path

import pytest

from terway_edge.cni import installer
from tests.runtime.node import leases
from tests.system.machine import until
from tests.system.others import inside, install_bridge, publish_bridge

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
TIMES = 1000 if FULL else 100


@pytest.fixture
def machine(site):
    """The node without configurations, whose agent was not started yet."""
    made, _world = site
    made.kill()
    for path in conf_dir(made).iterdir():
        path.unlink()
    return made


def conf_dir(machine):
    return Path(machine.settings["cni"]["conf_dir"])


@pytest.mark.timeout(60 + TIMES)
def test_t25_each_configuration_is_loaded_within_a_second(machine, runtime):
    installer.install_shim(machine.directory / "bin")
    for _ in range(TIMES):
        until(lambda: not runtime.network_ready(), "containerd has no network", 5.0)
        [path] = installer.publish(conf_dir(machine), "terway-edge").written
        until(runtime.network_ready, "containerd has loaded it", 1.0)
        assert runtime.network() == "terway-edge"
        path.unlink()


def test_t25_a_bad_file_before_ours_is_told_within_10_seconds(machine, runtime):
    """containerd has no network as long as it is there."""
    machine.start()
    until(runtime.network_ready, "containerd has loaded ours", 1.0)
    bad = conf_dir(machine) / "00-bad.conflist"
    bad.write_text('{"cniVersion": "1.0.0", "name": "bad", "plugins": [')
    began = time.monotonic()
    until(lambda: not runtime.network_ready(), "containerd has no network")
    events = machine.manifests / "events.jsonl"
    left = began + 10.0 - time.monotonic()
    until(lambda: events.exists() and "CniConfigUnreadable" in events.read_text(), "the agent tells", left)
    told = {each["reason"]: each["message"] for each in machine.ask("status")["conditions"]}
    assert f"CNI configuration {bad} is not JSON" in told["CniConfigUnreadable"]
    assert "Repair or remove it" in told["CniConfigUnreadable"]
    bad.unlink()
    until(runtime.network_ready, "containerd has loaded ours again", 1.0)


def test_t62_pods_of_another_plugin_end_well_and_new_ones_are_ours(machine, runtime):
    """And back: containerd sends each DEL to the plugin that it would ask for a new pod."""
    machine.settings["gc"] = {"period_seconds": 1, "grace_seconds": 1}
    theirs = publish_bridge(machine, "50-bridge.conflist", install_bridge(machine))
    until(lambda: runtime.network() == "bridged", "containerd has loaded the bridge's")
    stays, ends = runtime.run(), runtime.run()
    before = inside(runtime.netns(stays))

    machine.start()
    until(lambda: runtime.network() == "terway-edge", "containerd has loaded ours", 1.0)
    mine = runtime.run()
    runtime.end(ends.id)
    assert leases(machine) == {mine.id: [mine.address]}
    assert inside(runtime.netns(stays)) == before
    assert runtime.pings(stays, "10.99.0.1")
    assert runtime.pings(mine, "192.0.2.20")

    theirs.rename(theirs.with_name("00-bridge.conflist"))
    until(lambda: runtime.network() == "bridged", "containerd has loaded the bridge's")
    new = runtime.run()
    assert leases(machine) == {mine.id: [mine.address]}
    assert machine.pings(machine.peer, mine.address), "ours live on"
    for pod in (mine, stays, new):
        runtime.end(pod.id)
    assert runtime.sandboxes() == set()
    until(lambda: leases(machine) == {}, "what the other plugin was told to delete is collected")
