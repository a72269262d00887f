"""T16: forty bad values of each variable, by the real shim to the real agent: refused, and nothing is changed.

What is right or wrong for every command is in tests/agent/test_t16_environment.py.
"""

import json
import os

import pytest

from terway_edge.core.errors import INVALID_CONFIG, INVALID_ENVIRONMENT, INVALID_NETNS
from tests.agent.hostile import HOSTILE
from tests.system.machine import CONF, until
from tests.system.pictures import picture

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
EACH = 1 if FULL else 2  # every how-many-th value
UP = "../" * 12
NO_NETNS = [f"/run/netns/{UP}{path}" for path in ("etc/passwd", "etc", "dev/null", "proc/self/ns/mnt", "nothing")]


def passable(values):
    """What execve(2) can hand over at all."""
    return [value for value in values if value and "\0" not in value][::EACH]


def test_t16_bad_variables_change_nothing(machine):
    pod, _ = machine.add()
    spare = machine.new_pod()
    until(lambda: "10.64.2.0/24" in machine.routes(), "the first routes")
    before = picture(machine, pod, spare)
    for name in ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS"):
        for value in passable(HOSTILE[name]):
            for command in ("ADD", "CHECK"):
                status, error = machine.cni(command, spare, **{name: os.fsencode(value)})
                assert (status, error["code"]) == (1, INVALID_ENVIRONMENT), (command, name, value, error)
                assert name in error["msg"]
    for path in NO_NETNS:
        status, error = machine.cni("ADD", spare, CNI_NETNS=path)
        assert (status, error["code"]) == (1, INVALID_NETNS), (path, error)
    for command in passable(HOSTILE["CNI_COMMAND"]):
        status, error = machine.cni("", spare, CNI_COMMAND=os.fsencode(command))
        assert (status, error["code"]) == (1, INVALID_ENVIRONMENT), (command, error)
    for name in ("../evil", "..", "a/b", "/etc", "x" * 4096):
        status, error = machine.cni("ADD", spare, conf=json.dumps({**json.loads(CONF), "name": name}))
        assert (status, error["code"]) == (1, INVALID_CONFIG), (name, error)
    for was, now in zip(before, picture(machine, pod, spare), strict=True):
        assert now == was
    assert machine.add(spare)[0] == spare, "what is right is served as before"
