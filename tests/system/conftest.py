"""A node with a real agent for each test; see machine.py."""

import json

import pytest

from tests.system.machine import CONF, Machine, until


@pytest.fixture
def stopped(tmp_path):
    """A machine whose agent was not started yet."""
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def machine(stopped):
    stopped.start()
    return stopped


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def shared(running):
    """The machine of all tests of a module that may find its pool used; each leaves it running, and with no pod."""
    yield running
    nobody = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), "")
    conf = {**json.loads(CONF), "cni.dev/valid-attachments": None}
    assert running.cni("GC", "", conf=json.dumps(conf), **nobody) == (0, None)
    until(lambda: not running.links(), "all pods are gone")
