"""T16: every command with each variable missing, empty, right, and wrong in forty ways: the right code, all that is
missing named at once, and nothing changed. VERSION, which the shim answers, is in tests/cni/test_shim_alone.py."""

import json

import pytest

from terway_edge.agent.handler import CniHandler
from terway_edge.cni.wire import Request
from tests.agent.hostile import HOSTILE

COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS")
NEEDED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
}
READ = {command: {*names, "CNI_ARGS"} - ({"CNI_ARGS"} if not names else set()) for command, names in NEEDED.items()}
"""The variables whose value matters to a command."""
PATHS = ("", "/opt/cni/bin", "relative", ":", "\x1b", "x" * 5000)
GOOD = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0", "CNI_ARGS": "IgnoreUnknown=1;A=b"}
CONF = {
    "cniVersion": "1.1.0",
    "name": "terway-edge",
    "type": "terway-edge",
    "cni.dev/valid-attachments": [{"containerID": "live", "ifname": "eth0"}],
}


class Wire:
    def __init__(self):
        self.replies = []

    def gone(self):
        return False

    def send(self, reply):
        self.replies.append(reply)
        return True


@pytest.fixture
def call(rig):
    """Call the agent; (code, message), (0, "") if all is well. A sandbox is plugged in and another one prepared."""
    rig.add("live")
    rig.create("c1")
    rig.clock.advance(1)
    handler = CniHandler(rig.service, None, rig.telemetry, rig.clock, "terway-edge")

    def send(command, **variables):
        environ = {"CNI_COMMAND": command, **GOOD, **variables}
        environ = {name: value for name, value in environ.items() if value is not None}
        wire = Wire()
        handler(Request(environ, json.dumps(CONF).encode(), 60_000), wire)
        (reply,) = wire.replies
        assert (reply.status == 0) == (b'"code"' not in reply.payload)
        error = json.loads(reply.payload) if reply.status else {"code": 0, "msg": ""}
        return error["code"], error["msg"]

    return send


@pytest.fixture
def changes(rig):
    """Whether anything changed since; the leases and all that the kernel has."""
    return lambda: (rig.kernel.snapshot(), rig.ipam.leases(), tuple(rig.kernel.pending))


@pytest.mark.parametrize("command", COMMANDS)
def test_t16_what_is_missing_or_empty_is_named_at_once(call, changes, command):
    before = changes()
    for absent in (None, ""):
        for name in GOOD:
            if name in NEEDED[command]:
                assert call(command, **{name: absent}) == (4, f"missing: {name} (needed for {command})")
        if NEEDED[command]:
            told = f"missing: {' '.join(NEEDED[command])} (needed for {command})"
            assert call(command, **dict.fromkeys(NEEDED[command], absent)) == (4, told)
        else:
            assert call(command, **dict.fromkeys(GOOD, absent)) == (0, "")
    assert changes() == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "CNI_COMMAND"])
def test_t16_forty_bad_values_of_each_variable_change_nothing(call, changes, command, name):
    assert len(set(HOSTILE[name])) >= 40
    before = changes()
    ends_well = name not in READ[command] or (command == "DEL" and name == "CNI_NETNS")
    for value in HOSTILE[name]:
        code, told = call(command, **{name: value})
        assert code == (0 if ends_well else 4), (value, told)
        assert ends_well or name in told
        assert told.isprintable()
        assert len(told) < 400
    assert changes() == before


def test_t16_forty_commands_that_are_none(call, changes):
    assert len(set(HOSTILE["CNI_COMMAND"])) >= 40
    before = changes()
    for value in (None, *HOSTILE["CNI_COMMAND"]):
        code, told = call(value)
        assert (code, "CNI_COMMAND" in told) == (4, True)
    assert changes() == before


@pytest.mark.parametrize("path", PATHS)
def test_t16_the_path_of_plugins_is_nothing_to_us(call, path):
    for command in ("GC", "STATUS", "DEL", "ADD"):
        assert call(command, CNI_PATH=path) == (0, "")


def test_t16_what_is_right_is_served(call, rig):
    for command in ("STATUS", "ADD", "CHECK", "DEL", "GC"):
        assert call(command, TRACEPARENT="00-1", http_proxy="http://192.0.2.1") == (0, "")
    assert rig.nothing_of("c1")
    assert rig.reaches("live")
