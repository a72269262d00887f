"""T25: shim and socket are there before the CNI configuration is; until then no runtime sends a pod."""

import os

import pytest

from tests.failpoints import FailpointFile
from tests.system.libcni import Runtime, load
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def points(stopped, tmp_path):
    made = FailpointFile(tmp_path)
    stopped.environ = made.environ
    yield made
    made.write()


def published(machine):
    """What runtimes may find: the files of bin_dir, and the network of conf_dir."""
    programs = [name for name in os.listdir(machine.directory / "bin") if not name.startswith(".")]
    return programs, load(machine.directory / "net.d")


def test_t25_the_configuration_comes_last_and_whole(stopped, points):
    machine, runtime = stopped, Runtime(stopped)
    points.write("socket.listen.after pause", "install.write.written pause", "install.write.before pause 2")
    machine.start(wait=False)
    points.wait_for(("socket.listen.after", 1), 20.0)
    assert published(machine) == ([], None), "nothing before the socket"
    points.write("install.write.written pause", "install.write.before pause 2")
    points.wait_for(("install.write.written", 1))
    assert (machine.directory / "run" / "cni.sock").exists()
    assert published(machine) == ([], None), "the shim is not whole yet"
    points.write("install.write.before pause 2")
    points.wait_for(("install.write.before", 2))
    assert published(machine) == (["terway-edge"], None), "the shim before the configuration"
    assert machine.cni("STATUS", "")[0] == 0, "shim and agent serve already"
    points.write("install.write.written pause")
    points.wait_for(("install.write.written", 2))
    assert load(machine.directory / "net.d") is None, "it is written, but has not its name"
    points.write()
    until(machine.serves, "it serves")
    assert runtime.ready()


@pytest.mark.parametrize("lacks", ["socket", "shim"])
def test_t25_an_agent_that_cannot_serve_publishes_nothing(stopped, lacks):
    machine = stopped
    if lacks == "socket":
        machine.settings["run_dir"] = str(machine.directory / ("r" * 100))
    else:
        (machine.directory / "bin" / "terway-edge").mkdir()
    machine.start(wait=False)
    assert machine.wait(20) == 1
    assert not list((machine.directory / "net.d").iterdir())
