"""From bytes on the socket to CNI results: every request is answered once, with the right code, and counted."""

import json
from types import SimpleNamespace

import pytest

from terway_edge.agent.handler import CniHandler
from terway_edge.cni.wire import Request, decode_request, encode_request
from terway_edge.core.errors import Refused
from tests.agent.rig import Caller

CONF = {"cniVersion": "1.1.0", "name": "terway-edge", "type": "terway-edge"}


class Wire:
    """A caller on the other side of the socket."""

    def __init__(self):
        self.replies = []

    def gone(self):
        return False

    def send(self, reply):
        self.replies.append(reply)
        return True


class Queries:
    def answer(self, query):
        if query != "status":
            raise Refused(f"no query {query!r}")
        return {"ready": True}


@pytest.fixture
def handler(rig):
    return CniHandler(rig.service, Queries(), rig.telemetry, rig.clock, "terway-edge")


@pytest.fixture
def ask(handler, rig):
    def send(command, conf=None, **environ):
        rig.create("c1")
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": "/run/netns/c1",
            "CNI_IFNAME": "eth0",
            **environ,
        }
        environ = {name: value for name, value in environ.items() if value is not None}
        wire = Wire()
        handler(Request(environ, json.dumps({**CONF, **(conf or {})}).encode(), 60_000), wire)
        (reply,) = wire.replies
        return reply.status, json.loads(reply.payload) if reply.payload else None

    return send


def test_add_check_del(rig, ask):
    status, result = ask("ADD")
    assert status == 0
    assert [ip["address"] for ip in result["ips"]] == [f"{a}/{a.bits}" for a in rig.lease("c1").addresses]
    assert result["interfaces"][1] == {"name": "eth0", "mac": result["interfaces"][1]["mac"],
                                       "sandbox": "/run/netns/c1", "mtu": 1500}  # fmt: skip
    assert ask("CHECK", {"prevResult": result}) == (0, None)
    assert ask("DEL", {"prevResult": result}) == (0, None)
    assert rig.nothing_of("c1")
    assert rig.telemetry.calls == {("ADD", 0): 1, ("CHECK", 0): 1, ("DEL", 0): 1}


@pytest.mark.parametrize(
    ("said", "answered"), [("0.3.1", "0.3.1"), ("1.1.0", "1.1.0"), ("9.0.0", "1.0.0"), (7, "1.0.0")]
)
def test_an_error_speaks_the_version_of_its_call(ask, said, answered):
    status, error = ask("ADD", {"cniVersion": said}, CNI_IFNAME="..")
    assert (status, error["cniVersion"]) == (1, answered)


def test_check_tells_what_is_wrong(rig, ask):
    ask("ADD")
    rig.die()
    rig.kernel.flush_routes()
    status, error = ask("CHECK")
    assert (status, error["code"]) == (1, 105)
    assert "route to" in error["msg"]


def test_a_second_add_is_code_104(rig, ask):
    ask("ADD")
    status, error = ask("ADD")
    assert (status, error["code"]) == (1, 104)
    assert rig.reaches("c1")


@pytest.mark.parametrize(
    ("command", "environ", "conf", "code"),
    [
        ("ADD", {"CNI_IFNAME": "eth%d"}, {}, 4),
        ("ADD", {"CNI_NETNS": None}, {}, 4),
        ("REBOOT", {}, {}, 4),
        ("", {}, {}, 4),
        ("ADD", {}, {"cniVersion": "9.0.0"}, 1),
        ("GC", {}, {"cniVersion": "1.0.0"}, 1),
        ("GC", {}, {}, 7),
        ("DEL", {"CNI_CONTAINERID": "../x"}, {}, 4),
    ],
)
def test_a_wrong_call_is_refused_and_changes_nothing(rig, ask, command, environ, conf, code):
    rig.create("c1")
    before = rig.kernel.snapshot()
    status, error = ask(command, conf, **environ)
    assert (status, error["code"]) == (1, code)
    assert rig.kernel.snapshot() == before
    assert rig.ipam.leases() == ()


def test_t12_gc_without_a_list_frees_nobody(rig, ask):
    ask("ADD")
    rig.clock.advance(1)
    status, error = ask("GC")
    assert (status, error["code"]) == (1, 7)
    assert "would free every pod" in error["msg"]
    assert rig.reaches("c1")


@pytest.mark.parametrize("empty", [None, []])
def test_t12_gc_with_null_or_an_empty_list_frees_all(rig, ask, empty):
    ask("ADD")
    rig.clock.advance(1)
    assert ask("GC", {"cni.dev/valid-attachments": empty}) == (0, None)
    assert rig.nothing_of("c1")


def test_t12_gc_keeps_what_is_listed_and_what_belongs_to_another_network(rig, ask):
    ask("ADD")
    rig.clock.advance(1)
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    assert ask("GC", {"cni.dev/valid-attachments": valid}) == (0, None)
    assert ask("GC", {"name": "other", "cni.dev/valid-attachments": []}) == (0, None)
    assert rig.reaches("c1")


def test_t12_gc_failures_are_told(rig, ask):
    ask("ADD")
    rig.clock.advance(1)
    rig.store.fail_next()
    status, error = ask("GC", {"cni.dev/valid-attachments": []})
    assert (status, error["code"]) == (1, 105)
    assert "1 attachments" in error["msg"]


def test_status(rig, ask):
    assert ask("STATUS") == (0, None)
    rig.why_not = "no uplink"
    status, error = ask("STATUS")
    assert (status, error["code"], error["msg"]) == (1, 50, "no uplink")


def test_queries(ask):
    assert ask("", TERWAY_EDGE_QUERY="status") == (0, {"ready": True})
    assert ask("", TERWAY_EDGE_QUERY="secrets")[0] == 1


def test_a_bug_is_answered_with_999_and_told_in_the_log(rig, ask, caplog):
    rig.manager.get_plugin("flannel_route")._context = SimpleNamespace(ipam=None)  # whatever a plugin may get wrong
    status, error = ask("ADD")
    assert (status, error["code"]) == (1, 999)
    assert "Traceback" in caplog.text


def test_what_is_no_command_is_counted_under_one_label(rig, ask):
    for number in range(20):
        ask(f"X{number}\udcff")
    assert rig.telemetry.calls == {("unknown", 4): 20}


def test_an_answer_that_nobody_takes_is_undone(rig, handler):
    rig.create("c1")

    class Deaf(Wire):
        def send(self, reply):
            super().send(reply)
            return False

    environ = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0"}
    handler(Request(environ, json.dumps(CONF).encode(), 60_000), Deaf())
    assert rig.nothing_of("c1")
    assert rig.telemetry.calls == {("ADD", 11): 1}


def test_spooled_dels_are_carried_out_and_nonsense_is_dropped(rig, handler):
    rig.add("c1", Caller())

    def spooled(command, container):
        environ = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0"}
        return decode_request(encode_request(environ, json.dumps(CONF).encode(), 1000))

    for nonsense in (spooled("DEL", "../x"), spooled("STATUS", "c1"), spooled("GC", "c1")):
        handler.delete_spooled(nonsense)
    assert rig.reaches("c1")
    handler.delete_spooled(spooled("DEL", "c1"))
    assert rig.nothing_of("c1")
