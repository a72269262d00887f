"""A node with a real agent and a real container runtime, for all tests of a module; see world.py, containerd.py."""

import platform
import shutil
from contextlib import ExitStack

import pytest

from tests.runtime import containerd, image
from tests.runtime.world import World
from tests.system.machine import Machine


def need(*programs):
    missing = [str(program) for program in programs if not shutil.which(program)]
    if missing:
        pytest.fail(f"not installed: {', '.join(missing)}; './dev test' installs what tests need")


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The image that every sandbox runs."""
    need("musl-gcc")
    return image.build(tmp_path_factory.mktemp("image"), platform.machine())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(machine, world): a node whose agent was not started yet, and where a runtime may live."""
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("node")
        machine = Machine(directory)
        # Where the shim looks, so that no runtime needs variables for it.
        places = {"/run/terway-edge": "run_dir", "/var/lib/terway-edge": "state_dir"}
        shared = {path: machine.settings[key] for path, key in places.items()}
        stack.callback(machine.close)
        world = World(directory / "world", machine.netns, shared)
        stack.callback(world.close)
        stack.callback(machine.kill)
        machine.entry = world.side_entry()
        yield machine, world


@pytest.fixture(scope="module")
def containerd_of_module(site, archive):
    need(containerd.PROGRAM, containerd.LOOPBACK, "ctr", "runc")
    machine, world = site
    made = containerd.Containerd(world, machine, archive)
    yield made
    made.close()


@pytest.fixture
def runtime(containerd_of_module):
    """containerd without sandboxes, whatever became of it in the test before."""
    if not containerd_of_module.runs():
        containerd_of_module.start()
    containerd_of_module.clear()
    return containerd_of_module


@pytest.fixture
def machine(site):
    """The node with its agent, whatever became of that in the test before."""
    made, _world = site
    if not made.runs():
        made.start()
    return made
